//! The id of a job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a job. All processes, containers and scheduler jobs that it starts carry it, so that they can be found after a crash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// An id from something unique. It starts with `imax-` and has only lower-case letters, digits and `-`, so that it
    /// can name a container, label a scheduler's job and stand in a file name.
    #[must_use]
    pub fn from_unique(unique: u128) -> Self {
        Self(format!("imax-{unique:x}"))
    }

    /// The id that this text is, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unique = u128::from_str_radix(text.strip_prefix("imax-")?, 16).ok()?;
        Some(Self::from_unique(unique)).filter(|id| id.as_str() == text)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
