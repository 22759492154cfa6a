//! `imax progress`: posts the progress of a sweep on the pull request, from the plan and the jobs of the workflow run.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::pull_request::{PullRequestArgs, number_of};
use super::{Exit, Failure};
use crate::github::{self, Marker, ProgressInput};

/// Show the progress of a sweep as a comment on the pull request.
///
/// `imax comment` replaces the comment with the report. The token needs `pull-requests: write` and `actions: read`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax progress --plan imax-artifacts/imax-plan/plan.json --every 60")]
pub struct ProgressArgs {
    /// The plan file of imax plan.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The workflow run.
    #[arg(long, value_name = "NUMBER", env = "GITHUB_RUN_ID")]
    run_id: u64,
    #[command(flatten)]
    comment: PullRequestArgs,
    /// Update the comment at this interval until all jobs have completed.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..))]
    every: Option<u64>,
    /// With --every: stop after this many minutes even if jobs are still running.
    #[arg(long, value_name = "MINUTES", default_value_t = 350)]
    most_minutes: u64,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid plan; usage if the token lacks a permission; infrastructure if GitHub does not answer.
pub async fn run(args: ProgressArgs) -> Result<Exit, Failure> {
    let ProgressArgs {
        plan,
        run_id,
        comment: PullRequestArgs { pr, repository, id },
        every,
        most_minutes,
    } = args;
    let planned = github::planned_jobs(&plan)?;
    let Some(pull_request) = number_of(pr, repository.as_deref()).await? else {
        return Ok(Exit::Success);
    };
    let input = ProgressInput {
        planned,
        run_id,
        run_url: github::run_url(),
        pull_request,
        marker: Marker::new(&id),
        interval: every.map(Duration::from_secs),
        deadline: Duration::from_secs(most_minutes.saturating_mul(60)),
    };
    let (client, repository) = github::connect(repository.as_deref())?;
    github::show_progress(&client, &repository, &input).await?;
    Ok(Exit::Success)
}
