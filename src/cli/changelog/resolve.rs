//! `imax changelog resolve`: resolves a conflict in the changelog during a merge or rebase.

use clap::Args;

use super::pull_request::PullRequestArgs;
use super::{ChangelogArgs, RepositoryArgs};
use crate::cli::{Exit, Failure, output};
use crate::planning::changelog_edit::{PullRequestEdit, resolve};

/// Resolve a conflict in the changelog: the other branch's log, followed by what this branch added.
///
/// Run it while `git merge main` has stopped in a pull request's branch. It does not run `git add`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  git merge origin/main || imax changelog resolve 1234 && git add perf-changelog.yaml")]
pub(super) struct ResolveArgs {
    #[command(flatten)]
    pull_request: PullRequestArgs,

    #[command(flatten)]
    changelog: ChangelogArgs,

    #[command(flatten)]
    repository: RepositoryArgs,
}

pub(super) fn run(args: ResolveArgs) -> Result<Exit, Failure> {
    let ResolveArgs {
        pull_request,
        changelog,
        repository: RepositoryArgs { repo: repository },
    } = args;
    let edit = PullRequestEdit {
        number: pull_request.number()?,
        repository,
        changelog: changelog.into(),
    };
    resolve(&edit)?;
    let (log, number) = (&edit.changelog.log, edit.number);
    output::say(&format!("{log}: resolved for pull request {number}; now run `git add {log}`"));
    Ok(Exit::Success)
}
