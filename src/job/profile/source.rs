//! Where a profile comes from: its file and those that it extends.

use super::ProfileError;
use super::document::{ProfileDocument, inherit};

/// A name that is a file's in the runner folder and nothing else.
pub(super) fn check_name(name: &str) -> Result<(), ProfileError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        return Err(ProfileError::UnsafeName(name.to_owned()));
    }
    Ok(())
}

/// The file of a profile over those that it extends, directly or not.
pub(super) fn with_ancestors(name: &str, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<ProfileDocument, ProfileError> {
    let mut chain = vec![name.to_owned()];
    let mut document = parse(name, folder, read)?;
    while let Some(base) = document.extends.take() {
        check_name(&base)?;
        if chain.contains(&base) {
            chain.push(base);
            return Err(ProfileError::Circle {
                name: name.to_owned(),
                chain: chain.join(" -> "),
            });
        }
        let mut parent = parse(&base, folder, read)?;
        let next = parent.extends.take();
        document = inherit(parent, document);
        document.extends = next;
        chain.push(base);
    }
    Ok(document)
}

fn parse(name: &str, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<ProfileDocument, ProfileError> {
    let text = read(&format!("{name}.yaml")).ok_or_else(|| ProfileError::Missing {
        name: name.to_owned(),
        folder: folder.to_owned(),
    })?;
    serde_saphyr::from_str(&text).map_err(|error| ProfileError::Yaml {
        name: name.to_owned(),
        problem: error.to_string(),
    })
}
