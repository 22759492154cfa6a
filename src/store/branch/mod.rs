//! A history in a branch of the repository, for those who have nothing but GitHub. The branch has no commit in common with the code; a run
//! is a file, a full month a Parquet file ([`layout`]). It is read and written through GitHub's API: a checkout of a job has one commit of
//! one branch, and a local clone may be days old, so that a comparison would silently use old runs. Files are cached by
//! their hash, so that the API is asked for each once.

mod append;
mod cache;
mod layout;
mod read;

use std::fmt;
use std::str::FromStr;

pub(crate) use append::append;
use cache::BlobCache;
pub(crate) use layout::ForeignEntry;
use layout::{Format, Listing};
pub(crate) use read::BranchDatabaseError;

use crate::analysis::{HistoryError, RowError, RunsFileError};
use crate::github::{self, BranchName, Client, GithubError, MAX_FILE, RepositoryName, Tip};
use crate::store::run_files::RetractionStateError;

/// The branch of a history that names none.
const DEFAULT_BRANCH: &str = "imax-history";

/// A history in a branch: `branch`, `branch:NAME` or `branch:OWNER/REPOSITORY:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BranchAddress {
    /// `owner/name`; that of `GITHUB_REPOSITORY` where it is `None`.
    pub repository: Option<String>,
    pub branch: BranchName,
}

/// A text is not the address of a branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid branch {0:?}, expected branch, branch:NAME or branch:OWNER/REPOSITORY:NAME")]
pub(crate) struct BranchAddressError(String);

impl BranchAddress {
    /// Whether a text begins as the address of a branch does.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        text == "branch" || text.starts_with("branch:")
    }
}

impl FromStr for BranchAddress {
    type Err = BranchAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || BranchAddressError(text.to_owned());
        let (repository, name) = match text.split(':').collect::<Vec<_>>().as_slice() {
            ["branch"] => (None, DEFAULT_BRANCH),
            ["branch", name] => (None, *name),
            ["branch", repository, name] => (Some((*repository).to_owned()), *name),
            _ => return Err(invalid()),
        };
        if let Some(repository) = &repository {
            RepositoryName::parse(repository).map_err(|_| invalid())?;
        }
        Ok(Self {
            repository,
            branch: BranchName::parse(name).ok_or_else(invalid)?,
        })
    }
}

impl fmt::Display for BranchAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repository {
            Some(repository) => write!(f, "branch:{repository}:{}", self.branch.as_str()),
            None => write!(f, "branch:{}", self.branch.as_str()),
        }
    }
}

/// What to do about a branch that is not as imax left it.
const RESTORE: &str =
    "move the branch back to a commit before the change (the repository's activity page has them), or delete it to start over";

/// Why a history in a branch cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BranchError {
    #[error(transparent)]
    Github(#[from] GithubError),
    #[error("{0}: no such history; imax publish --to {0} creates it")]
    Missing(String),
    #[error(
        "{branch} at commit {commit} is not an imax history: {} is missing; name another branch, or {RESTORE}",
        layout::MARKER
    )]
    NotHistory { branch: String, commit: String },
    #[error(
        "{branch} at commit {commit} has an unsupported history version in {}; use a newer imax, or {RESTORE}",
        layout::MARKER
    )]
    OtherFormat { branch: String, commit: String },
    #[error("{branch} at commit {commit} has a file that imax did not write: {entry}; remove it, or {RESTORE}")]
    Foreign {
        branch: String,
        commit: String,
        entry: ForeignEntry,
    },
    #[error("{path} is not a run: {source}; {RESTORE}")]
    Run { path: String, source: HistoryError },
    #[error("{path} is not UTF-8; {RESTORE}")]
    Text { path: String },
    #[error("{path} is damaged: {source}; {RESTORE}")]
    Pack { path: String, source: RunsFileError },
    #[error("{path}: invalid run name {name:?}; {RESTORE}")]
    PackedName { path: String, name: String },
    #[error("{path} is damaged: {source}; {RESTORE}")]
    Retractions { path: String, source: serde_json::Error },
    #[error("the retractions have no JSON form: {0}")]
    Json(serde_json::Error),
    #[error(transparent)]
    State(#[from] RetractionStateError),
    #[error("cannot convert a run to rows: {0}")]
    Row(#[from] RowError),
    #[error("cannot pack runs as Parquet: {0}")]
    Packing(RunsFileError),
    #[error("run {name} has {bytes} bytes, more than the limit of {MAX_FILE} for a file of a branch; publish it to a database")]
    TooLarge { name: String, bytes: usize },
    #[error("run {0}: too many revisions")]
    Revisions(String),
    #[error("{branch} was updated by other jobs {attempts} times while this run was added; nothing was stored, try again")]
    Raced { branch: String, attempts: u32 },
    #[error("GitHub refuses to update {branch}: {reason}; exempt the branch from the repository's rules or protection. Nothing was stored")]
    Rejected { branch: String, reason: String },
}

impl BranchError {
    /// Whether a file of the branch is not what imax wrote there, as opposed to a branch that cannot be reached.
    fn is_damage(&self) -> bool {
        match self {
            Self::Run { .. }
            | Self::Text { .. }
            | Self::Retractions { .. }
            | Self::Pack { .. }
            | Self::PackedName { .. }
            | Self::Row(_)
            | Self::Packing(_) => true,
            Self::Github(_)
            | Self::Missing(_)
            | Self::NotHistory { .. }
            | Self::OtherFormat { .. }
            | Self::Foreign { .. }
            | Self::TooLarge { .. }
            | Self::Revisions(_)
            | Self::Json(_)
            | Self::State(_)
            | Self::Raced { .. }
            | Self::Rejected { .. } => false,
        }
    }

    /// Whether the token may not write, as that of a fork's pull request.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, Self::Github(GithubError::Forbidden { .. }))
    }
}

/// A branch that is read or written.
#[derive(Debug)]
pub(crate) struct Branch {
    client: Client,
    repository: RepositoryName,
    address: BranchAddress,
    cache: BlobCache,
}

impl Branch {
    /// Connects to the repository of the address, else of `GITHUB_REPOSITORY`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`BranchError::Github`] without a repository or a token.
    pub(crate) fn connect(address: &BranchAddress) -> Result<Self, BranchError> {
        let repository = address.repository.clone().or_else(|| std::env::var("GITHUB_REPOSITORY").ok());
        let (client, repository) = github::connect(repository.as_deref())?;
        Ok(Self {
            client,
            repository,
            address: address.clone(),
            cache: BlobCache::of_this_machine(),
        })
    }

    /// What is there at a commit.
    async fn listing(&self, tip: Option<&Tip>) -> Result<Listing, BranchError> {
        let Some(tip) = tip else {
            return Ok(Listing::empty());
        };
        let listing = Listing::of(&github::tree(&self.client, &self.repository, tip).await?);
        let (branch, commit) = (self.address.to_string(), tip.commit.clone());
        match listing.format {
            Format::Known => Ok(listing),
            Format::Other => Err(BranchError::OtherFormat { branch, commit }),
            Format::None => Err(BranchError::NotHistory { branch, commit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for (text, shown) in [
            ("branch", "branch:imax-history"),
            ("branch:bench/history", "branch:bench/history"),
            ("branch:octo/bench:imax-history", "branch:octo/bench:imax-history"),
        ] {
            let address: BranchAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse(), Ok(address));
        }
        for text in ["branch:", "branch:a..b", "branch:octo:main", "branch:a/b:c:d", "branches"] {
            assert!(text.parse::<BranchAddress>().is_err(), "{text}");
        }
    }
}
