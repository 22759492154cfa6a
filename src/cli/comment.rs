//! `imax comment`: posts the report as a comment on the pull request, one per workflow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::baseline::{ComparedRun, ComparedRunArgs};
use super::pull_request::{PullRequestArgs, number_of};
use super::{Exit, Failure, output};
use crate::analysis::Run;
use crate::github::workflow::WorkflowFiles;
use crate::github::{self, CommentChange, GithubError, Marker, VerdictInput};
use crate::model::{PointKey, with_causes};
use crate::planning::entry_lines;
use crate::report::{self, Budget, Links, View};
use crate::store::hardware;

/// Create or update the pull request's comment with the report of a run.
///
/// The token is read from GITHUB_TOKEN or GH_TOKEN, never from the command line. It needs `pull-requests: write`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax comment results/ --baseline base/ --pr 7 --check-run")]
pub struct CommentArgs {
    #[command(flatten)]
    compared_run: ComparedRunArgs,
    #[command(flatten)]
    comment: PullRequestArgs,
    /// Also create a check run with the same verdict on the commit; the token then needs `checks: write` as well.
    #[arg(long)]
    check_run: bool,
    /// The commit of the check run [default: the head of the event's pull request, else GITHUB_SHA].
    #[arg(long, value_name = "COMMIT", requires = "check_run")]
    sha: Option<String>,
    /// The changelog, in which the check run annotates the entries that selected the points, or else the first line.
    #[arg(long, value_name = "FILE", default_value = "perf-changelog.yaml")]
    annotate: String,
    /// The plan file of imax plan, to link failures to their jobs, for which the token needs `actions: read`.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Print the comment without sending it.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid run; usage if the pull request or the repository is unknown; infrastructure if GitHub rejects the
/// request or does not answer.
pub async fn run(args: CommentArgs) -> Result<Exit, Failure> {
    let CommentArgs {
        compared_run,
        comment: PullRequestArgs { pr, repository, id },
        check_run,
        sha,
        annotate,
        plan,
        dry_run,
    } = args;
    let ComparedRun { run: head, comparison } = compared_run.load().await?;
    let mut view = View::new(&head, comparison.as_ref());
    if let Some(file) = hardware::repository_file() {
        view = view.with_costs(&hardware::cost_model(Some(file), None)?);
    }
    if check_run {
        view = view.with_lines(entry_lines(Path::new(&annotate), &head, &output::say));
    }
    let links = Links {
        run: github::run_url(),
        jobs: job_pages(plan.as_deref(), repository.as_deref(), &head).await?,
        ..Links::default()
    };
    let marker = Marker::new(&id);
    let body = report::comment(&view, &links, &marker.closing(github::run_id()), Budget::COMMENT);
    if dry_run {
        output::emit(&body)?;
        return Ok(Exit::Success);
    }
    if check_run {
        let input = VerdictInput {
            name: id,
            head_sha: head_sha(sha)?,
            changelog: annotate,
            details_url: github::run_url(),
        };
        let (client, repository) = github::connect(repository.as_deref())?;
        match github::put_check(&client, &repository, &github::verdict_check(&view, input)).await {
            Ok(url) => output::say(&format!("check run {url}")),
            Err(error) => say_read_only("check run", error)?,
        }
    }
    let Some(pull_request) = number_of(pr, repository.as_deref()).await? else {
        return Ok(Exit::Success);
    };
    let (client, repository) = github::connect(repository.as_deref())?;
    let change = match github::put_comment(&client, &repository, pull_request, &marker, &body).await {
        Ok(change) => change,
        Err(error) => {
            say_read_only("comment", error)?;
            // Show the report at least on the page of the workflow run.
            let files = WorkflowFiles::from_environment();
            if !files.has_summary() {
                files.add_summary(&body)?;
            }
            return Ok(Exit::Success);
        }
    };
    output::say(&match change {
        CommentChange::Created { url } => format!("created {url}"),
        CommentChange::Updated { url } => format!("updated {url}"),
        CommentChange::Unchanged => "comment not changed".to_owned(),
    });
    Ok(Exit::Success)
}

/// Prints a notice if the token lacks a permission inside GitHub Actions, because the token of a fork's pull request is read-only. Any
/// other error is returned.
fn say_read_only(what: &str, error: GithubError) -> Result<(), Failure> {
    if !matches!(error, GithubError::Forbidden { .. }) || !github::is_github_actions() {
        return Err(error.into());
    }
    let text = format!("no {what}: {}", with_causes(&error));
    output::say_commands(&github::workflow_command("notice", &[("title", "imax")], &text));
    Ok(())
}

/// URLs of the jobs of failed points. An error of GitHub is only a warning, because a comment without links is better than none.
async fn job_pages(plan: Option<&Path>, repository: Option<&str>, run: &Run) -> Result<BTreeMap<PointKey, String>, Failure> {
    let (Some(plan), Some(run_id), true) = (plan, github::run_id(), run.failures().next().is_some()) else {
        return Ok(BTreeMap::new());
    };
    let planned = github::planned_jobs(plan)?;
    let pages = match github::connect(repository) {
        Ok((client, repository)) => github::job_pages(&client, &repository, run_id, &planned).await,
        Err(error) => Err(error),
    };
    Ok(pages.unwrap_or_else(|error| {
        output::say(&format!("warning: no links to jobs: {}", with_causes(&error)));
        BTreeMap::new()
    }))
}

fn head_sha(given: Option<String>) -> Result<String, Failure> {
    let sha = match given {
        Some(sha) => Some(sha),
        None => github::head_sha()?,
    };
    sha.ok_or_else(|| Failure::new(Exit::Usage, "the commit of the check run is unknown; give it with --sha"))
}
