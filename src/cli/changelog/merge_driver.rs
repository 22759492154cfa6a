//! `imax changelog merge-driver`: what git calls to merge two versions of the changelog.

use std::path::PathBuf;

use clap::Args;

use super::files::Repo;
use crate::changelog::merge;
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::git;
use crate::system::files;

/// Merges two versions of the changelog for git: both sides' new entries, one after the other.
///
/// Where the sides contradict each other, the file gets git's usual conflict markers, and the exit code says so.
#[derive(Debug, Args)]
#[command(after_help = "Set up once in a clone:\n  \
        git config merge.imax-changelog.driver 'imax changelog merge-driver %O %A %B'\n  \
        echo 'perf-changelog.yaml merge=imax-changelog' >> .gitattributes")]
pub struct MergeDriverArgs {
    /// The common ancestor's version (%O)
    base: PathBuf,
    /// Our version (%A), which gets the result
    ours: PathBuf,
    /// Their version (%B)
    theirs: PathBuf,

    #[command(flatten)]
    repo: Repo,
}

pub fn run(args: &MergeDriverArgs) -> Result<Exit, Failure> {
    let read = |path: &PathBuf| files::read(path).or_exit(Exit::Infrastructure);
    let conflict = git::Conflict {
        base: read(&args.base)?,
        ours: read(&args.ours)?,
        theirs: read(&args.theirs)?,
    };
    let (result, exit) = match merge(&conflict.base, &conflict.ours, &conflict.theirs, &args.repo.repo) {
        Ok(merged) => (merged, Exit::Success),
        Err(error) => {
            output::say(&format!("the changelog is left in conflict: {error}"));
            // Any status but 0 up to 128 tells git that the file is in conflict.
            (git::merge_lines(&conflict).or_exit(Exit::Infrastructure)?, Exit::InvalidInput)
        }
    };
    files::write(&args.ours, &result).or_exit(Exit::Infrastructure)?;
    Ok(exit)
}
