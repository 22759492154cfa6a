//! Mounts in profiles: `source:target[:ro]`.

use serde::{Deserialize, Serialize};

use crate::job::{ProfileError, ProfileHead};

/// A folder of the node mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Mount {
    pub source: String,
    pub target: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// The mounts in a key of a profile.
pub(super) fn mounts(profile: ProfileHead<'_>, key: &'static str, list: Option<Vec<String>>) -> Result<Vec<Mount>, ProfileError> {
    let texts = list.unwrap_or_default().into_iter();
    texts
        .map(|text| match parse_mount(&text) {
            Some(mount) => Ok(mount),
            None => Err(profile.invalid(key, text, "`source:target` or `source:target:ro` with an absolute target")),
        })
        .collect()
}

/// Parses `source:target[:ro|:rw]`.
fn parse_mount(text: &str) -> Option<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts.as_slice() {
        [source, target] | [source, target, "rw"] => (*source, *target, false),
        [source, target, "ro"] => (*source, *target, true),
        _ => return None,
    };
    if source.is_empty() || !target.starts_with('/') {
        return None;
    }
    Some(Mount {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
    })
}
