//! `imax changelog set-pr`: writes a pull request's link into its new entries.

use clap::Args;

use super::pull_request::PullRequestArgs;
use super::{ChangelogArgs, RepositoryArgs};
use crate::cli::{Exit, Failure, output};
use crate::planning::changelog_edit::{PullRequestEdit, set_pull_request_link};

/// Replace the placeholder XXX in the new entries of a pull request with its link.
///
/// Compares the checkout with `--base-ref`, and refuses any other change of the log.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog set-pr 1234 --base-ref origin/main")]
pub(super) struct SetPrArgs {
    #[command(flatten)]
    pull_request: PullRequestArgs,

    /// The commit to compare with
    #[arg(long, default_value = "origin/main", value_name = "REF")]
    base_ref: String,

    #[command(flatten)]
    changelog: ChangelogArgs,

    #[command(flatten)]
    repository: RepositoryArgs,
}

pub(super) fn run(args: SetPrArgs) -> Result<Exit, Failure> {
    let SetPrArgs {
        pull_request,
        base_ref,
        changelog,
        repository: RepositoryArgs { repo: repository },
    } = args;
    let edit = PullRequestEdit {
        number: pull_request.number()?,
        repository,
        changelog: changelog.into(),
    };
    let changed = set_pull_request_link(&edit, &base_ref)?;
    if changed.is_empty() {
        let (log, number) = (&edit.changelog.log, edit.number);
        output::say(&format!("{log}: no placeholder to replace for pull request {number}"));
    }
    for file in changed {
        output::say(&format!("{file}: link written"));
    }
    Ok(Exit::Success)
}
