//! The jobs of a workflow run.

use serde::Deserialize;

use super::client::{Client, RepositoryName, Request};
use super::error::GithubError;
use super::run::PERMISSION;

/// GitHub's limit of items on a page.
const PAGE: usize = 100;
/// The most pages: the largest sweep has about two thousand jobs.
const MAX_PAGES: usize = 100;

/// A job, with the fields that are used here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowJob {
    /// Its name, with those of the workflows that call it in front: `run / batch 1 / dsr1 fp8 h200`.
    pub name: String,
    /// `queued`, `in_progress`, `completed` and others.
    pub status: String,
    /// `success`, `failure`, `cancelled`, `skipped` and others, once it is complete.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub started_at: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub completed_at: Option<String>,
    #[serde(default)]
    pub html_url: Option<String>,
    /// The runner that runs it.
    #[serde(default)]
    pub runner_name: Option<String>,
}

#[derive(Deserialize)]
struct Jobs {
    jobs: Vec<WorkflowJob>,
}

/// The jobs of a run's latest attempt.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn jobs_of_run(client: &Client, repository: &RepositoryName, run: u64) -> Result<Vec<WorkflowJob>, GithubError> {
    let mut found = Vec::new();
    for page in 1..=MAX_PAGES {
        let path = format!("/repos/{repository}/actions/runs/{run}/jobs?filter=latest&per_page={PAGE}&page={page}");
        let jobs: Jobs = client.read(Request::get(&path, PERMISSION)).await?;
        let last = jobs.jobs.len() < PAGE;
        found.extend(jobs.jobs);
        if last {
            break;
        }
    }
    Ok(found)
}
