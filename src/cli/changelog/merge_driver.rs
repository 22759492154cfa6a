//! `imax changelog merge-driver`: the command with which git merges two versions of the changelog.

use std::path::PathBuf;

use clap::Args;

use super::RepositoryArgs;
use crate::cli::{Exit, Failure, output};
use crate::planning::changelog_edit::{MergeRequest, Merged, merge};

/// Merge two versions of the changelog for git by keeping the new entries of both sides.
///
/// On a conflict, the file gets git's usual conflict markers and the exit code is not 0.
#[derive(Debug, Args)]
#[command(after_help = "Set up once in a clone:\n  \
        git config merge.imax-changelog.driver 'imax changelog merge-driver %O %A %B'\n  \
        echo 'perf-changelog.yaml merge=imax-changelog' >> .gitattributes")]
pub(super) struct MergeDriverArgs {
    /// The version of the merge base (%O)
    base: PathBuf,
    /// The version of the current branch (%A), replaced with the result
    ours: PathBuf,
    /// The version of the other branch (%B)
    theirs: PathBuf,

    #[command(flatten)]
    repository: RepositoryArgs,
}

pub(super) fn run(args: MergeDriverArgs) -> Result<Exit, Failure> {
    let MergeDriverArgs {
        base,
        ours,
        theirs,
        repository: RepositoryArgs { repo: repository },
    } = args;
    let request = MergeRequest {
        base,
        ours,
        theirs,
        repository,
    };
    match merge(&request)? {
        Merged::Clean => Ok(Exit::Success),
        Merged::Conflict(error) => {
            output::say(&format!("the changelog has conflict markers: {error}"));
            // Git takes any status from 1 to 128 as a conflict.
            Ok(Exit::InvalidInput)
        }
    }
}
