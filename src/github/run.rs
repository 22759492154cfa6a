//! The successful workflow runs of a branch.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::client::{Client, RepositoryName, Request};
use super::error::GithubError;
use crate::model::percent_encode;

/// The permission for runs and artifacts.
pub(super) const PERMISSION: &str = "actions: read";
/// Runs of a page, the most that GitHub gives.
const PAGE_SIZE: usize = 100;
/// GitHub lists at most 1,000 runs for a filter.
const MAX_PAGES: u32 = 10;
/// The events whose runs are of the branch itself. Those of a comment (`issue_comment`) are listed under the default branch, but measure
/// a pull request.
const BRANCH_EVENTS: [&str; 4] = ["push", "schedule", "workflow_dispatch", "merge_group"];

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
    /// What started it: `pull_request`, `push`.
    event: String,
    /// How it ended: `success`, `failure`, `cancelled`; `None` while it runs.
    #[serde(default)]
    pub(crate) conclusion: Option<String>,
    /// The file of its workflow, `.github/workflows/sweep.yml`.
    #[serde(default)]
    path: Option<String>,
    /// The branch in its repository, whose owner chooses its name.
    #[serde(default)]
    pub head_branch: Option<String>,
    /// The repository of the branch; `None` where it was deleted.
    #[serde(default)]
    head_repository: Option<HeadRepository>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct HeadRepository {
    /// owner/name
    full_name: String,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<WorkflowRun>,
}

impl WorkflowRun {
    /// Whether the run is of the branch under which it is listed. A pull request from a fork whose branch has the same name is listed
    /// there, too, but its artifacts come from a stranger.
    fn is_of_branch(&self, repository: &RepositoryName) -> bool {
        self.is_of_repository(&repository.to_string()) && BRANCH_EVENTS.contains(&self.event.as_str())
    }

    /// Whether its commit is of this repository, owner/name, and not of a fork.
    pub(super) fn is_of_repository(&self, repository: &str) -> bool {
        self.head_repository().is_some_and(|head| head.eq_ignore_ascii_case(repository))
    }

    /// The repository of its commit, owner/name; `None` where it was deleted.
    pub(super) fn head_repository(&self) -> Option<&str> {
        self.head_repository.as_ref().map(|head| head.full_name.as_str())
    }

    /// Its branch as GitHub's lists of pull requests name it, escaped for a query: `owner:branch`.
    pub(super) fn head_label(&self) -> Option<String> {
        let (owner, _) = self.head_repository()?.split_once('/')?;
        let branch = self.head_branch.as_deref()?;
        Some(format!("{}:{}", percent_encode(owner), percent_encode(branch)))
    }

    /// Whether it is a run of the workflow, which is named by its file or by a reference to it.
    pub(crate) fn is_of_workflow(&self, workflow: &str) -> bool {
        self.path.as_deref().is_none_or(|path| file_name(path) == file_name(workflow))
    }

    /// Whether a pull request started it.
    pub(crate) fn is_of_pull_request(&self) -> bool {
        self.event.starts_with("pull_request")
    }
}

/// The newest successful run of a branch, see [`BranchRuns`]. `None` where there is none.
///
/// # Errors
/// As [`BranchRuns::next_page`].
pub async fn newest_run(
    client: &Client,
    repository: &RepositoryName,
    workflow: Option<&str>,
    branch: &str,
) -> Result<Option<WorkflowRun>, GithubError> {
    let mut runs = BranchRuns::new(client, repository, workflow, branch);
    while let Some(page) = runs.next_page().await? {
        if let Some(newest) = page.into_iter().next() {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}

/// The successful runs of a branch that count for it, page by page, the newest first. Runs of pull requests and of comments do not count:
/// anybody can start thirty of them, and what they measure is not on the branch.
#[derive(Debug)]
pub(crate) struct BranchRuns<'a> {
    client: &'a Client,
    repository: &'a RepositoryName,
    /// Path and query without the page.
    path: String,
    page: u32,
    /// Pages that show these again end the list.
    seen: BTreeSet<u64>,
    is_last: bool,
}

impl<'a> BranchRuns<'a> {
    /// `workflow` is the name of the workflow's file (`sweep.yml`) or its number; without it every workflow counts.
    pub(crate) fn new(client: &'a Client, repository: &'a RepositoryName, workflow: Option<&str>, branch: &str) -> Self {
        let below = match workflow {
            Some(workflow) => format!("workflows/{}/runs", percent_encode(file_name(workflow))),
            None => "runs".to_owned(),
        };
        let branch = percent_encode(branch);
        Self {
            client,
            repository,
            path: format!("/repos/{repository}/actions/{below}?branch={branch}&status=success&per_page={PAGE_SIZE}"),
            page: 0,
            seen: BTreeSet::new(),
            is_last: false,
        }
    }

    /// The runs of the next page that count; `None` after the last one, and after [`MAX_PAGES`].
    ///
    /// # Errors
    /// [`GithubError`] where GitHub refuses, does not answer, or knows no such workflow.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Vec<WorkflowRun>>, GithubError> {
        if self.is_last || self.page >= MAX_PAGES {
            return Ok(None);
        }
        self.page += 1;
        let path = format!("{}&page={}", self.path, self.page);
        let runs: Runs = self.client.read(Request::get(&path, PERMISSION)).await?;
        let listed = runs.workflow_runs.len();
        let new: Vec<WorkflowRun> = runs.workflow_runs.into_iter().filter(|run| self.seen.insert(run.id)).collect();
        self.is_last = listed < PAGE_SIZE || new.is_empty();
        let mut counted: Vec<WorkflowRun> = new.into_iter().filter(|run| run.is_of_branch(self.repository)).collect();
        // GitHub lists the newest first and does not promise it.
        counted.sort_by_key(|run| std::cmp::Reverse(run.id));
        Ok(Some(counted))
    }
}

/// Whether a commit is on a branch: its tip, or behind it.
///
/// # Errors
/// [`GithubError`] where GitHub refuses or does not answer.
pub(crate) async fn is_on_branch(client: &Client, repository: &RepositoryName, branch: &str, commit: &str) -> Result<bool, GithubError> {
    if commit.is_empty() || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(false);
    }
    let path = format!("/repos/{repository}/compare/{}...{commit}?per_page=1", percent_encode(branch));
    match client.read::<Compared, ()>(Request::get(&path, "contents: read")).await {
        Ok(compared) => Ok(matches!(compared.status.as_str(), "identical" | "behind")),
        // No such commit, or no common ancestor.
        Err(GithubError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct Compared {
    status: String,
}

/// GitHub's variables name workflows by their path and ref, its routes by the file name.
pub(super) fn file_name(workflow: &str) -> &str {
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
    fn only_runs_of_the_branch_count() {
        let repository = RepositoryName::parse("octo/repo").unwrap();
        for (event, head, counts) in [
            ("push", "octo/repo", true),
            ("schedule", "Octo/Repo", true),
            ("workflow_dispatch", "octo/repo", true),
            ("merge_group", "octo/repo", true),
            ("issue_comment", "octo/repo", false),
            ("pull_request_target", "octo/repo", false),
            ("workflow_run", "octo/repo", false),
            ("repository_dispatch", "octo/repo", false),
            ("pull_request", "octo/repo", false),
            ("push", "stranger/repo", false),
        ] {
            let run = serde_json::json!({ "id": 1, "head_sha": "a", "event": event, "head_repository": { "full_name": head } });
            let run: WorkflowRun = serde_json::from_value(run).unwrap();
            assert_eq!(run.is_of_branch(&repository), counts, "{event} {head}");
        }
    }
}
