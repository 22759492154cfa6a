//! `imax changelog resolve`: ends a conflict in the changelog while a merge or rebase has stopped at it.

use clap::Args;

use super::files::{self, ChangelogFiles, Repo};
use super::pull_request::PullRequest;
use crate::changelog::{Links, resolve};
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::system;

/// Ends a conflict in the changelog: the other branch's log, and at its end what this branch added.
///
/// Run it while `git merge main` has stopped in a pull request's branch. `git add` of the file is left to you.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  git merge origin/main || imax changelog resolve 1234 && git add perf-changelog.yaml")]
pub struct ResolveArgs {
    #[command(flatten)]
    pull_request: PullRequest,

    #[command(flatten)]
    files: ChangelogFiles,

    #[command(flatten)]
    repo: Repo,
}

pub fn run(args: &ResolveArgs) -> Result<Exit, Failure> {
    let number = args.pull_request.number()?;
    let links = Links::of_pull_request(&args.repo.repo, number);
    let conflict = files::repository()?
        .conflict(&args.files.changelog_file)
        .or_exit(Exit::InvalidInput)?;
    let resolved = resolve(&conflict.base, &conflict.ours, &conflict.theirs, &links).or_exit(Exit::InvalidInput)?;
    system::files::write(args.files.log(), &resolved).or_exit(Exit::Infrastructure)?;
    output::say(&format!(
        "{0}: resolved for pull request {number}; now run `git add {0}`",
        args.files.changelog_file
    ));
    Ok(Exit::Success)
}
