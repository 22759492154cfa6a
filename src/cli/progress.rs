//! `imax progress`: the pull request's comment while a sweep runs, from the plan and the jobs of the workflow run.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use tokio::time::{self, Instant};

use super::comment::{Target, pull_request};
use super::{Exit, Failure, github, output};
use crate::github::{CommentChange, Marker, WorkflowJob, jobs_of_run, put_comment_over, run_line};
use crate::planning::{PlannedJob, planned_jobs, workflow_jobs_of};
use crate::report::{self, JobLink, JobProgress, Links, Progress};

/// Show on the pull request how far a sweep is.
///
/// It writes the comment that `imax comment` replaces with the report. The token needs `pull-requests: write` and `actions: read`.
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
    target: Target,
    /// Go on, this many seconds apart, until all jobs are done.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..))]
    every: Option<u64>,
    /// Stop after this many minutes in any case.
    #[arg(long, value_name = "MINUTES", default_value_t = 350)]
    most_minutes: u64,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for a plan that is none; usage where the token may not; infrastructure where GitHub does not answer.
pub fn run(args: &ProgressArgs) -> Result<Exit, Failure> {
    let planned = planned_jobs(&args.plan)?;
    let Some(pull_request) = pull_request(args.target.pr)? else {
        output::say("no pull request in this event; nothing to comment on");
        return Ok(Exit::Success);
    };
    let marker = Marker::new(&args.target.id);
    // Only the comment of this very run is written over: the report may be faster than the last look.
    let own = format!("<!-- imax-progress:{} -->", args.run_id);
    // A run that is cancelled leaves this comment: `retry` finds the run by it.
    let run = run_line(args.run_id);
    let end = Duration::from_secs(args.most_minutes.saturating_mul(60));
    github::talk(args.target.repository.as_deref(), async |client, repository| {
        let started = Instant::now();
        let mut first = true;
        loop {
            let jobs = jobs_of_run(client, repository, args.run_id).await?;
            let progress = progress_of(&planned, &jobs, Utc::now());
            let body = report::progress(&progress, &[&own, &run, marker.as_str()]);
            let over = (!first).then_some(own.as_str());
            let change = put_comment_over(client, repository, pull_request, &marker, &body, over).await?;
            first = false;
            let replaced = change == CommentChange::Left;
            match args.every {
                Some(seconds) if !progress.is_over() && !replaced && started.elapsed() < end => {
                    time::sleep(Duration::from_secs(seconds)).await;
                }
                Some(_) | None => return Ok::<(), crate::github::GithubError>(()),
            }
        }
    })?;
    Ok(Exit::Success)
}

fn progress_of(planned: &[PlannedJob], jobs: &[WorkflowJob], now: DateTime<Utc>) -> Progress {
    let mut failed_jobs = Vec::new();
    let started = planned.iter().zip(workflow_jobs_of(planned, jobs));
    let progress = started.map(|(planned, job)| {
        let progress = job.map_or(JobProgress::Waiting, |job| state_of(job, now));
        if let (JobProgress::Failed, Some(url)) = (progress, job.and_then(|job| job.html_url.clone())) {
            let name = planned.name.clone();
            failed_jobs.push(JobLink { name, url });
        }
        progress
    });
    let jobs = progress.collect();
    Progress {
        jobs,
        links: Links {
            run: github::run_url(),
            failed_jobs,
            ..Links::default()
        },
    }
}

fn state_of(job: &WorkflowJob, now: DateTime<Utc>) -> JobProgress {
    let time = |text: &Option<String>| DateTime::parse_from_rfc3339(text.as_deref()?).ok();
    #[expect(clippy::cast_precision_loss, reason = "no job runs for 2^52 seconds")]
    let since = |end: DateTime<Utc>| time(&job.started_at).map_or(0.0, |start| (end - start.to_utc()).num_seconds().max(0) as f64);
    match (job.status.as_str(), job.conclusion.as_deref()) {
        ("completed", Some("success")) => JobProgress::Done(since(time(&job.completed_at).map_or(now, |end| end.to_utc()))),
        ("completed", _) => JobProgress::Failed,
        ("in_progress", _) => JobProgress::Running(since(now)),
        (_, _) => JobProgress::Waiting,
    }
}
