//! `imax changelog fold`: moves fragments to the end of the log.

use clap::Args;

use super::{ChangelogArgs, RepositoryArgs};
use crate::cli::{Exit, Failure, output};
use crate::planning::ChangelogFiles;
use crate::planning::changelog_edit::fold;

/// Move all fragments to the end of the changelog and remove their files.
///
/// Run it on the main branch, after pull requests with fragments were merged. Folding adds no entry: `imax plan` finds
/// nothing new in a commit that only folds.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog fold && git add -A perf-changelog.yaml perf-changelog.d")]
pub(super) struct FoldArgs {
    #[command(flatten)]
    changelog: ChangelogArgs,

    #[command(flatten)]
    repository: RepositoryArgs,
}

pub(super) fn run(args: FoldArgs) -> Result<Exit, Failure> {
    let FoldArgs {
        changelog,
        repository: RepositoryArgs { repo },
    } = args;
    let changelog = ChangelogFiles::from(changelog);
    match fold(&changelog, &repo)? {
        0 => output::say(&format!("no fragments in {}", changelog.fragments_folder().display())),
        1 => output::say(&format!("{}: folded 1 fragment", changelog.log)),
        fragments => output::say(&format!("{}: folded {fragments} fragments", changelog.log)),
    }
    Ok(Exit::Success)
}
