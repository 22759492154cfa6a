//! The arguments that name a comment on a pull request, shared by `imax comment` and `imax progress`.

use clap::Args;

use super::{Failure, output};
use crate::github;

/// A comment on a pull request.
#[derive(Debug, Args)]
pub struct PullRequestArgs {
    /// The pull request [default: the one of the event in GITHUB_EVENT_PATH].
    #[arg(long, value_name = "NUMBER")]
    pub pr: Option<u64>,
    /// The repository, owner/name.
    #[arg(long, visible_alias = "repo", value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    pub repository: Option<String>,
    /// The identity of the comment among those of imax on the pull request: each identity has one comment.
    #[arg(long, value_name = "NAME", env = "GITHUB_WORKFLOW", default_value = "imax")]
    pub id: String,
}

/// The number that was given, else that of the event. Where there is none, this is said.
///
/// # Errors
/// Invalid input for an invalid event file.
pub fn number_of(given: Option<u64>) -> Result<Option<u64>, Failure> {
    if given.is_some() {
        return Ok(given);
    }
    let number = github::event_pull_request()?;
    if number.is_none() {
        output::say("no pull request in this event; nothing to comment on");
    }
    Ok(number)
}
