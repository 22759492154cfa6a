//! The progress of a sweep as a comment on its pull request, until `imax comment` replaces it with the report.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{self, Instant};

use super::client::{Client, RepositoryName};
use super::comment::{CommentChange, Marker, put_comment_over, run_line};
use super::error::GithubError;
use super::jobs::{WorkflowJob, jobs_of_run};
use super::planned_jobs::{PlannedJob, workflow_jobs_of};
use crate::report::{self, JobLink, JobProgress, Links, Progress};

/// Content, target and update interval of the comment.
#[derive(Debug)]
pub(crate) struct ProgressInput {
    /// The jobs of the plan.
    pub planned: Vec<PlannedJob>,
    pub run_id: u64,
    pub run_url: Option<String>,
    pub pull_request: u64,
    /// The marker of the comment.
    pub marker: Marker,
    /// The time between two updates; `None` for a single one.
    pub interval: Option<Duration>,
    /// The longest time for all updates.
    pub deadline: Duration,
}

/// Writes the comment. With an interval, it is updated until all jobs are completed, the report has replaced the comment, or the
/// deadline has passed.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn show_progress(client: &Client, repository: &RepositoryName, input: &ProgressInput) -> Result<(), GithubError> {
    // Later updates overwrite only a comment with this line: the report of the run may be posted between two updates.
    let progress_line = format!("<!-- imax-progress:{} -->", input.run_id);
    // If the run is cancelled, this comment stays, and `/sweep retry` finds the run by it.
    let run_line = run_line(input.run_id);
    let started = Instant::now();
    let mut overwrites = None;
    loop {
        let jobs = jobs_of_run(client, repository, input.run_id).await?;
        let progress = progress_of(input, &jobs, Utc::now());
        let body = report::progress(&progress, &[&progress_line, &run_line, input.marker.as_str()]);
        let change = put_comment_over(client, repository, input.pull_request, &input.marker, &body, overwrites).await?;
        overwrites = Some(progress_line.as_str());
        let is_over = progress.is_over() || change == CommentChange::Unchanged || started.elapsed() >= input.deadline;
        match input.interval {
            Some(interval) if !is_over => time::sleep(interval).await,
            Some(_) | None => return Ok(()),
        }
    }
}

fn progress_of(input: &ProgressInput, jobs: &[WorkflowJob], now: DateTime<Utc>) -> Progress {
    let mut failed_jobs = Vec::new();
    let mut progress = Vec::new();
    for (planned, job) in input.planned.iter().zip(workflow_jobs_of(&input.planned, jobs)) {
        let of_job = job.map_or(JobProgress::Waiting, |job| job_progress(job, now));
        if let (JobProgress::Failed, Some(url)) = (of_job, job.and_then(|job| job.html_url.clone())) {
            let name = planned.name.clone();
            failed_jobs.push(JobLink { name, url });
        }
        progress.push(of_job);
    }
    Progress {
        jobs: progress,
        links: Links {
            run: input.run_url.clone(),
            failed_jobs,
            ..Links::default()
        },
    }
}

fn job_progress(job: &WorkflowJob, now: DateTime<Utc>) -> JobProgress {
    match (job.status.as_str(), job.conclusion.as_deref()) {
        ("completed", Some("success")) => JobProgress::Done(seconds_until(job, time_of(job.completed_at.as_deref()).unwrap_or(now))),
        ("completed", _) => JobProgress::Failed,
        ("in_progress", _) => JobProgress::Running(seconds_until(job, now)),
        (_, _) => JobProgress::Waiting,
    }
}

/// The time since the job's start; 0 if GitHub does not report it.
fn seconds_until(job: &WorkflowJob, end: DateTime<Utc>) -> f64 {
    let Some(start) = time_of(job.started_at.as_deref()) else {
        return 0.0;
    };
    #[expect(clippy::cast_precision_loss, reason = "no job runs for 2^52 seconds")]
    let seconds = (end - start).num_seconds().max(0) as f64;
    seconds
}

fn time_of(text: Option<&str>) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(text?).ok()?.to_utc())
}
