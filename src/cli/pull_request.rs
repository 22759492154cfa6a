//! The arguments that name a comment on a pull request, shared by `imax comment` and `imax progress`.

use clap::Args;

use super::{Failure, output};
use crate::github::{self, WorkflowRun};

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

/// The given number, that of the event, or that of the open pull request whose commit the event's finished run measured. If there is
/// none, prints so and returns `None`.
///
/// # Errors
/// Invalid input for an invalid event file; as GitHub's client for a run that was started by a fork's pull request.
pub async fn number_of(given: Option<u64>, repository: Option<&str>) -> Result<Option<u64>, Failure> {
    let known = match given {
        Some(number) => Some(number),
        None => github::event_pull_request()?,
    };
    if known.is_some() {
        return Ok(known);
    }
    let Some(run) = github::finished_run()?.filter(WorkflowRun::is_of_pull_request) else {
        output::say("no pull request in this event; nothing to comment on");
        return Ok(None);
    };
    let (client, repository) = github::connect(repository)?;
    let number = github::pull_request_of_run(&client, &repository, &run).await?;
    if number.is_none() {
        output::say(&format!(
            "no open pull request has the commit {} of run {}; nothing to comment on",
            run.head_sha, run.id
        ));
    }
    Ok(number)
}
