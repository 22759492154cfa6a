//! The successful workflow runs of a branch.

use serde::Deserialize;

use super::client::{Client, RepositoryName, Request};
use super::error::GithubError;
use crate::model::percent_encode;

/// The permission for runs and artifacts.
pub(super) const PERMISSION: &str = "actions: read";
/// The number of newest runs that are requested; if all of them are from forks, the branch counts as having none.
const LISTED_RUNS: usize = 100;

/// A workflow run, with the fields that are used here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowRun {
    pub id: u64,
    pub head_sha: String,
    #[serde(default)]
    pub html_url: String,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
    event: String,
    #[serde(default)]
    head_repository: Option<HeadRepository>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct HeadRepository {
    full_name: String,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<WorkflowRun>,
}

impl WorkflowRun {
    /// Whether the run is of the repository itself. A pull request from a fork whose branch has the same name is listed as a run of the
    /// branch, but its artifacts come from a stranger.
    fn belongs_to(&self, repository: &RepositoryName) -> bool {
        let is_pull_request = self.event.starts_with("pull_request");
        let repository = repository.to_string();
        let is_own = self
            .head_repository
            .as_ref()
            .is_some_and(|head| head.full_name.eq_ignore_ascii_case(&repository));
        is_own && !is_pull_request
    }
}

/// The newest successful run of a branch, see [`runs_of_branch`]. `None` if there is none.
///
/// # Errors
/// As [`runs_of_branch`].
pub async fn newest_run(
    client: &Client,
    repository: &RepositoryName,
    workflow: Option<&str>,
    branch: &str,
) -> Result<Option<WorkflowRun>, GithubError> {
    Ok(runs_of_branch(client, repository, workflow, branch).await?.into_iter().next())
}

/// The successful runs of a branch, the newest first, not counting those of pull requests. `workflow` is the name of the
/// workflow's file (`sweep.yml`) or its number; without it every workflow counts.
///
/// # Errors
/// [`GithubError`] if GitHub refuses, does not answer, or knows no such workflow.
pub async fn runs_of_branch(
    client: &Client,
    repository: &RepositoryName,
    workflow: Option<&str>,
    branch: &str,
) -> Result<Vec<WorkflowRun>, GithubError> {
    let below = match workflow {
        Some(workflow) => format!("workflows/{}/runs", percent_encode(file_name(workflow))),
        None => "runs".to_owned(),
    };
    let branch = percent_encode(branch);
    let path = format!("/repos/{repository}/actions/{below}?branch={branch}&status=success&per_page={LISTED_RUNS}");
    let runs: Runs = client.read(Request::get(&path, PERMISSION)).await?;
    let mut own: Vec<WorkflowRun> = runs.workflow_runs.into_iter().filter(|run| run.belongs_to(repository)).collect();
    // GitHub lists the newest first, but does not document it.
    own.sort_by_key(|run| std::cmp::Reverse(run.id));
    Ok(own)
}

/// GitHub's variables name workflows by their path and ref, its routes by the file name.
fn file_name(workflow: &str) -> &str {
    let path = workflow.split('@').next().unwrap_or(workflow);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflow_is_named_by_its_file() {
        assert_eq!(file_name("octo/repo/.github/workflows/sweep.yml@refs/heads/main"), "sweep.yml");
        assert_eq!(file_name("sweep.yml"), "sweep.yml");
    }

    #[test]
    fn runs_of_pull_requests_and_forks_do_not_count() {
        let repository = RepositoryName::parse("octo/repo").unwrap();
        for (event, head, counts) in [
            ("push", "octo/repo", true),
            ("schedule", "Octo/Repo", true),
            ("pull_request", "octo/repo", false),
            ("push", "stranger/repo", false),
        ] {
            let run = serde_json::json!({ "id": 1, "head_sha": "a", "event": event, "head_repository": { "full_name": head } });
            let run: WorkflowRun = serde_json::from_value(run).unwrap();
            assert_eq!(run.belongs_to(&repository), counts, "{event} {head}");
        }
    }
}
