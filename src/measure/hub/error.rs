//! Why a file of the hub is not here: each reason says what a person can do about it.

use std::path::PathBuf;
use std::time::Duration;

/// Why a file of the hub is not here.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The name of a repository, revision or file is none.
    #[error("`{found}` is no {what} of the hub: {expected}")]
    Name {
        /// What it should be.
        what: &'static str,
        /// What was given.
        found: String,
        /// What a right one looks like.
        expected: &'static str,
    },
    /// Neither a cache folder nor a home is known.
    #[error("no folder for the hub's cache: set HF_HOME or HF_HUB_CACHE, or HOME")]
    NoCache,
    /// Offline, and not in the cache.
    #[error("{what} is not in the cache {}, and HF_HUB_OFFLINE forbids to fetch it", cache.display())]
    Offline {
        /// The file or the repository.
        what: String,
        /// The cache's folder.
        cache: PathBuf,
    },
    /// There is no such thing.
    #[error("{0} does not exist on the hub, or the hub hides it from us: set HF_TOKEN where it is private")]
    NotFound(String),
    /// The hub refused.
    #[error("the hub refused {what} with status {status}: set HF_TOKEN to a token whose owner has accepted the repository's conditions")]
    Refused {
        /// The file or the repository.
        what: String,
        /// 401 or 403.
        status: u16,
    },
    /// No byte came for a while.
    #[error("fetching {what}: nothing came for {} s", .after.as_secs())]
    Late {
        /// The file or the repository.
        what: String,
        /// How long.
        after: Duration,
    },
    /// The caller gave up.
    #[error("fetching {0}: given up")]
    GivenUp(String),
    /// Anything else.
    #[error("fetching {what}: {reason}")]
    Failed {
        /// The file or the repository.
        what: String,
        /// What the library said.
        reason: String,
    },
}
