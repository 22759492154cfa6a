//! Workflow runs: which one of a branch is the newest whose numbers can be trusted.

use serde::Deserialize;

use super::client::{Client, Repository, Request};
use super::error::GithubError;
use crate::model::percent_encode;

/// What the token needs for runs and artifacts.
pub(super) const PERMISSION: &str = "actions: read";
/// Runs that are looked at, the newest first. A branch whose last hundred successful runs are all of strangers has none.
const LOOKED_AT: usize = 100;

/// A workflow run, as much of it as is needed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowRun {
    /// Its number, by which its artifacts are found.
    pub id: u64,
    /// The commit that it ran on.
    pub head_sha: String,
    /// Its page.
    #[serde(default)]
    pub html_url: String,
    /// When it was created, RFC 3339.
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
    /// A pull request from a fork whose branch has the name of ours is listed as a run of that branch, and its artifacts are
    /// a stranger's.
    fn is_of(&self, repository: &Repository) -> bool {
        let of_pull_request = self.event.starts_with("pull_request");
        let repository = repository.to_string();
        let own = self
            .head_repository
            .as_ref()
            .is_some_and(|head| head.full_name.eq_ignore_ascii_case(&repository));
        own && !of_pull_request
    }
}

/// The newest successful run of a branch, see [`runs_of_branch`]. `None` where there is none.
///
/// # Errors
/// As [`runs_of_branch`].
pub async fn newest_run(
    client: &Client,
    repository: &Repository,
    workflow: Option<&str>,
    branch: &str,
) -> Result<Option<WorkflowRun>, GithubError> {
    Ok(runs_of_branch(client, repository, workflow, branch).await?.into_iter().next())
}

/// The successful runs of a branch, the newest first, not counting those of pull requests. `workflow` is the name of the
/// workflow's file (`sweep.yml`) or its number; without it every workflow counts.
///
/// # Errors
/// [`GithubError`] where GitHub refuses, does not answer, or knows no such workflow.
pub async fn runs_of_branch(
    client: &Client,
    repository: &Repository,
    workflow: Option<&str>,
    branch: &str,
) -> Result<Vec<WorkflowRun>, GithubError> {
    let below = match workflow {
        Some(workflow) => format!("workflows/{}/runs", percent_encode(file_name(workflow))),
        None => "runs".to_owned(),
    };
    let branch = percent_encode(branch);
    let path = format!("/repos/{repository}/actions/{below}?branch={branch}&status=success&per_page={LOOKED_AT}");
    let runs: Runs = client.read(Request::get(&path, PERMISSION)).await?;
    let mut own: Vec<WorkflowRun> = runs.workflow_runs.into_iter().filter(|run| run.is_of(repository)).collect();
    // GitHub lists the newest first and does not promise it.
    own.sort_by_key(|run| std::cmp::Reverse(run.id));
    Ok(own)
}

/// GitHub's variables name workflows by their whole path, its routes by the file alone.
fn file_name(workflow: &str) -> &str {
    let path = workflow.split('@').next().unwrap_or(workflow);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_named_by_its_file() {
        assert_eq!(file_name("octo/repo/.github/workflows/sweep.yml@refs/heads/main"), "sweep.yml");
        assert_eq!(file_name("sweep.yml"), "sweep.yml");
    }

    #[test]
    fn runs_of_pull_requests_and_forks_do_not_count() {
        let repository = Repository::parse("octo/repo").unwrap();
        for (event, head, counts) in [
            ("push", "octo/repo", true),
            ("schedule", "Octo/Repo", true),
            ("pull_request", "octo/repo", false),
            ("push", "stranger/repo", false),
        ] {
            let run = serde_json::json!({ "id": 1, "head_sha": "a", "event": event, "head_repository": { "full_name": head } });
            let run: WorkflowRun = serde_json::from_value(run).unwrap();
            assert_eq!(run.is_of(&repository), counts, "{event} {head}");
        }
    }
}
