//! Errors of the hub: each says what the user can do about it.

use std::path::PathBuf;
use std::time::Duration;

/// Why a file of the hub is not available.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The name of a repository, revision or file is invalid.
    #[error("invalid hub {what} `{found}`: {expected}")]
    Name {
        /// What it should be.
        what: &'static str,
        /// What was given.
        found: String,
        /// What a valid one looks like.
        expected: &'static str,
    },
    /// Neither a cache folder nor a home is known.
    #[error("no cache folder for the Hugging Face hub: set HF_HOME, HF_HUB_CACHE or HOME")]
    NoCache,
    /// Offline, and not in the cache.
    #[error("{what} is not in the cache {}, and HF_HUB_OFFLINE forbids downloads", cache.display())]
    Offline {
        /// The file or the repository.
        what: String,
        /// The cache's folder.
        cache: PathBuf,
    },
    /// The repository or the file does not exist.
    #[error("{0} does not exist on the hub, or it is private; for private repositories set HF_TOKEN")]
    NotFound(String),
    /// The hub denied access.
    #[error(
        "the hub denied access to {what} with status {status}: set HF_TOKEN to a token whose owner has accepted the repository's conditions"
    )]
    Denied {
        /// The file or the repository.
        what: String,
        /// 401 or 403.
        status: u16,
    },
    /// The download received no byte for too long.
    #[error("downloading {what}: no data for {} s", .after.as_secs())]
    Stalled {
        /// The file or the repository.
        what: String,
        /// How long.
        after: Duration,
    },
    /// The caller cancelled the download.
    #[error("downloading {0}: cancelled")]
    Cancelled(String),
    /// Anything else.
    #[error("downloading {what}: {reason}")]
    Failed {
        /// The file or the repository.
        what: String,
        /// What the library said.
        reason: String,
    },
}
