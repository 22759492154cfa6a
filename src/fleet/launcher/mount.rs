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

/// Parses `source:target[:ro]`.
pub(super) fn mounts(profile: ProfileHead<'_>, key: &'static str, list: Option<Vec<String>>) -> Result<Vec<Mount>, ProfileError> {
    let mount = |text: String| {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, read_only) = match parts.as_slice() {
            [source, target] => (*source, *target, false),
            [source, target, "ro"] => (*source, *target, true),
            [source, target, "rw"] => (*source, *target, false),
            _ => ("", "", false),
        };
        if source.is_empty() || !target.starts_with('/') {
            return Err(profile.invalid(key, text, "`source:target` or `source:target:ro` with an absolute target"));
        }
        Ok(Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            read_only,
        })
    };
    list.unwrap_or_default().into_iter().map(mount).collect()
}
