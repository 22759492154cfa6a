//! The arguments that name a comment on a pull request, shared by `imax comment` and `imax progress`.

use clap::Args;

use super::{Failure, output};
use crate::github;

#[derive(Debug, Args)]
pub struct PullRequestArgs {
    /// The pull request [default: the one of the event in GITHUB_EVENT_PATH].
    #[arg(long, value_name = "NUMBER")]
    pub pr: Option<u64>,
    /// The repository, owner/name.
    #[arg(long, visible_alias = "repo", value_name = "REPOSITORY", env = "GITHUB_REPOSITORY")]
    pub repository: Option<String>,
    /// Identity of the comment: imax keeps one comment per identity on a pull request.
    #[arg(long, value_name = "NAME", env = "GITHUB_WORKFLOW", default_value = "imax")]
    pub id: String,
}

/// The given number, or that of the event. If there is none, prints so and returns `None`.
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
