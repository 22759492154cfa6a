//! The self-hosted runners of a repository and of its organisation, and the jobs that they run.

use serde::Deserialize;

use super::client::{Client, RepositoryName, Request};
use super::error::GithubError;
use super::jobs::jobs_of_run;
use super::run::PERMISSION;

/// `GITHUB_TOKEN` cannot have this permission: a token of a person or an app is needed.
const RUNNERS: &str = "administration: read";
/// A permission of an app or a person in the organisation.
const ORGANISATION_RUNNERS: &str = "organization_self_hosted_runners: read";
/// GitHub's limit of items on a page.
const PAGE: usize = 100;
/// Pages of runners: ten thousand.
const MAX_PAGES: usize = 100;
/// Runs in progress whose jobs are looked up.
const MAX_RUNS: usize = 20;

/// A runner as GitHub knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runner {
    pub name: String,
    pub is_online: bool,
    /// Whether it runs a job.
    pub is_busy: bool,
    pub labels: Vec<String>,
}

#[derive(Deserialize)]
struct RunnerPage {
    runners: Vec<RunnerDocument>,
}

#[derive(Deserialize)]
struct RunnerDocument {
    name: String,
    status: String,
    #[serde(default)]
    busy: bool,
    #[serde(default)]
    labels: Vec<LabelDocument>,
}

#[derive(Deserialize)]
struct LabelDocument {
    name: String,
}

/// The runners of a repository, by name.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn runners(client: &Client, repository: &RepositoryName) -> Result<Vec<Runner>, GithubError> {
    runners_at(client, &format!("/repos/{repository}/actions/runners"), RUNNERS).await
}

#[derive(Deserialize)]
struct GroupPage {
    runner_groups: Vec<GroupDocument>,
}

#[derive(Deserialize)]
struct GroupDocument {
    id: u64,
}

/// The runners of the repository's organisation that take its jobs, by name: those of the groups that it sees.
///
/// # Errors
/// [`GithubError`] if GitHub refuses, as it does for the repository of a person, or does not answer.
pub(crate) async fn organisation_runners(client: &Client, repository: &RepositoryName) -> Result<Vec<Runner>, GithubError> {
    let full = repository.to_string();
    let (owner, name) = full.split_once('/').unwrap_or_default();
    let path = format!("/orgs/{owner}/actions/runner-groups?visible_to_repository={name}&per_page={PAGE}");
    let groups: GroupPage = client.read(Request::get(&path, ORGANISATION_RUNNERS)).await?;
    let mut found = Vec::new();
    for GroupDocument { id } in groups.runner_groups {
        let path = format!("/orgs/{owner}/actions/runner-groups/{id}/runners");
        found.extend(runners_at(client, &path, ORGANISATION_RUNNERS).await?);
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(found)
}

async fn runners_at(client: &Client, list: &str, permission: &'static str) -> Result<Vec<Runner>, GithubError> {
    let mut found = Vec::new();
    for page in 1..=MAX_PAGES {
        let path = format!("{list}?per_page={PAGE}&page={page}");
        let listed: RunnerPage = client.read(Request::get(&path, permission)).await?;
        let is_last = listed.runners.len() < PAGE;
        found.extend(listed.runners.into_iter().map(|document| Runner {
            name: document.name,
            is_online: document.status == "online",
            is_busy: document.busy,
            labels: document.labels.into_iter().map(|label| label.name).collect(),
        }));
        if is_last {
            break;
        }
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(found)
}

#[derive(Deserialize)]
struct RunPage {
    workflow_runs: Vec<RunDocument>,
}

#[derive(Deserialize)]
struct RunDocument {
    id: u64,
}

/// The names of jobs in progress by the runner that runs each, of the twenty newest runs in progress.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn jobs_by_runner(client: &Client, repository: &RepositoryName) -> Result<Vec<(String, String)>, GithubError> {
    let path = format!("/repos/{repository}/actions/runs?status=in_progress&per_page={MAX_RUNS}");
    let runs: RunPage = client.read(Request::get(&path, PERMISSION)).await?;
    let mut jobs = Vec::new();
    for run in runs.workflow_runs {
        let of_run = jobs_of_run(client, repository, run.id).await?;
        jobs.extend(
            of_run
                .into_iter()
                .filter_map(|job| Some((job.runner_name.filter(|name| !name.is_empty())?, job.name))),
        );
    }
    Ok(jobs)
}
