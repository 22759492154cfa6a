//! The links of entries: the canonical link of a pull request, and the line that contains it.

use super::StrictError;

/// Prefix of the line with an entry's link.
pub(super) const LINK_START: &[u8] = b"  pr-link:";

/// The links of one pull request, or of any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    pub(super) repository: String,
    number: Option<u64>,
}

impl Links {
    /// The links of one pull request of a repository (`owner/name`).
    #[must_use]
    pub fn of_pull_request(repository: impl Into<String>, number: u64) -> Self {
        Self {
            repository: repository.into(),
            number: Some(number),
        }
    }

    /// Links of a repository whose pull request is not known yet.
    #[must_use]
    pub fn of_repository(repository: impl Into<String>) -> Self {
        Self {
            repository: repository.into(),
            number: None,
        }
    }

    pub(in crate::changelog) fn expected(&self) -> String {
        let number = self.number.map_or_else(|| "XXX".to_owned(), |number| number.to_string());
        format!("https://github.com/{}/pull/{number}", self.repository)
    }

    pub(in crate::changelog) fn is_placeholder(&self, link: &str) -> bool {
        link == "XXX" || link.strip_suffix("/pull/XXX") == Some(format!("https://github.com/{}", self.repository).as_str())
    }

    pub(super) fn is_canonical(&self, link: &str) -> bool {
        let number = link.strip_prefix(&format!("https://github.com/{}/pull/", self.repository));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    pub(super) fn allows_new(&self, link: &str) -> bool {
        self.number.is_none() || self.is_placeholder(link) || link == self.expected()
    }
}

/// An entry's bytes with another link on its line.
pub(in crate::changelog) fn with_link(block: &[u8], link: &str) -> Result<Vec<u8>, StrictError> {
    let mut result = Vec::with_capacity(block.len() + link.len());
    let mut found = false;
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        if found || !line.starts_with(LINK_START) {
            result.extend_from_slice(line);
            continue;
        }
        found = true;
        result.extend_from_slice(LINK_START);
        result.push(b' ');
        result.extend_from_slice(link.as_bytes());
        result.extend_from_slice(if line.ends_with(b"\n") { b"\n" } else { b"" });
    }
    if found { Ok(result) } else { Err(StrictError::NoLinkLine) }
}
