//! Edits of the changelog on a pull request's way to the main branch: new entries, links, conflicts, folding.

mod conflict;
mod fold;
mod new_entry;
mod pull_request_link;

use std::io;
use std::path::Path;

use super::changelog_files::{ChangelogFiles, ChangelogFilesError};
use crate::changelog::{FoldError, ResolveError, StrictError};
use crate::git::{GitError, Repository};
use crate::system::files::FileError;

pub(crate) use conflict::{MergeRequest, Merged, merge, resolve};
pub(crate) use fold::fold;
pub(crate) use new_entry::{NewEntry, add_entry};
pub(crate) use pull_request_link::set_pull_request_link;

/// A pull request, its changelog, and the repository in the links.
#[derive(Debug)]
pub(crate) struct PullRequestEdit {
    pub number: u64,
    /// `owner/name` of the repository in the links.
    pub repository: String,
    pub changelog: ChangelogFiles,
}

/// Why an edit is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error(transparent)]
    Files(#[from] ChangelogFilesError),
    /// A file of the changelog cannot be read.
    #[error(transparent)]
    Read(FileError),
    /// A version for git's merge driver cannot be read.
    #[error(transparent)]
    ReadVersion(FileError),
    #[error(transparent)]
    Write(FileError),
    #[error("the log has the entries of {fragment}, but the file cannot be removed; remove it: {source}")]
    RemoveFragment { fragment: String, source: io::Error },
    #[error(transparent)]
    Git(GitError),
    /// The file is not in conflict as expected.
    #[error(transparent)]
    Conflict(GitError),
    #[error("{log} is missing at {base_ref}; check `--changelog-file`")]
    NoLogAtBase { log: String, base_ref: String },
    #[error("no branch to name the fragment after; give `--name` or `--pr`")]
    NoFragmentName,
    #[error(transparent)]
    Strict(#[from] StrictError),
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

fn open_repository() -> Result<Repository, EditError> {
    Repository::discover(Path::new(".")).map_err(EditError::Git)
}
