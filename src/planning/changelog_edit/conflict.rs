//! Resolves conflicts in the log: on request during a merge, and as git's merge driver.

use std::path::PathBuf;

use super::{EditError, PullRequestEdit, open_repository};
use crate::changelog::{self, Links, ResolveError};
use crate::git::{self, Conflict};
use crate::system::files;

/// Resolves the log's conflict in the index: the other branch's log, followed by the entries that this branch added.
///
/// # Errors
/// [`EditError`].
pub(crate) fn resolve(edit: &PullRequestEdit) -> Result<(), EditError> {
    let PullRequestEdit {
        number,
        repository: owner_and_name,
        changelog,
    } = edit;
    let links = Links::of_pull_request(owner_and_name, *number);
    let Conflict { base, ours, theirs } = open_repository()?.conflict(&changelog.log).map_err(EditError::Conflict)?;
    let resolved = changelog::resolve(&base, &ours, &theirs, &links)?;
    files::write(changelog.log_path(), &resolved).map_err(EditError::Write)
}

/// The files that git hands to a merge driver.
#[derive(Debug)]
pub(crate) struct MergeRequest {
    /// The version of the merge base.
    pub base: PathBuf,
    /// The version of the current branch, which is replaced with the result.
    pub ours: PathBuf,
    /// The version of the other branch.
    pub theirs: PathBuf,
    /// `owner/name` of the repository in the links.
    pub repository: String,
}

/// The result of a merge.
#[derive(Debug)]
pub(crate) enum Merged {
    Clean,
    /// The sides contradict each other; the file has git's conflict markers.
    Conflict(ResolveError),
}

/// Merges two versions of the log.
///
/// # Errors
/// [`EditError`].
pub(crate) fn merge(request: &MergeRequest) -> Result<Merged, EditError> {
    let MergeRequest {
        base,
        ours,
        theirs,
        repository,
    } = request;
    let conflict = Conflict {
        base: files::read(base).map_err(EditError::ReadVersion)?,
        ours: files::read(ours).map_err(EditError::ReadVersion)?,
        theirs: files::read(theirs).map_err(EditError::ReadVersion)?,
    };
    let (result, merged) = match changelog::merge(&conflict.base, &conflict.ours, &conflict.theirs, repository) {
        Ok(result) => (result, Merged::Clean),
        Err(error) => (git::merge_lines(&conflict).map_err(EditError::Git)?, Merged::Conflict(error)),
    };
    files::write(ours, &result).map_err(EditError::Write)?;
    Ok(merged)
}
