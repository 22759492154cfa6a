//! Facts about a merged pull request, and the runs that measured it.

use serde::Deserialize;

use super::client::{Client, RepositoryName, Request};
use super::error::GithubError;
use super::run::{PERMISSION, WorkflowRun, file_name};
use crate::model::percent_encode;

const PULL_REQUESTS: &str = "pull-requests: read";
const CONTENTS: &str = "contents: read";
/// GitHub's limit of items on a page.
const PAGE: usize = 100;
/// GitHub lists at most 250 commits of a pull request.
const MAX_COMMIT_PAGES: usize = 3;
/// GitHub's limit of files on the first page of a commit.
const MAX_FILES: usize = 300;

/// A pull request that was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MergedPullRequest {
    pub number: u64,
    pub labels: Vec<String>,
    /// The name of its branch.
    pub head_branch: String,
    /// Its newest commit.
    pub head: String,
}

#[derive(Deserialize)]
struct PullRequestDocument {
    number: u64,
    #[serde(default)]
    merged_at: Option<String>,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    #[serde(default)]
    labels: Vec<LabelDocument>,
    base: SideDocument,
    head: SideDocument,
}

#[derive(Deserialize)]
struct LabelDocument {
    name: String,
}

#[derive(Deserialize)]
struct SideDocument {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
}

/// The pull request whose merge into `branch` made the commit; `None` for any other commit. An open pull request that contains the
/// commit, as one that is stacked on it, is not meant.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn merged_as(
    client: &Client,
    repository: &RepositoryName,
    commit: &str,
    branch: &str,
) -> Result<Option<MergedPullRequest>, GithubError> {
    let path = format!("/repos/{repository}/commits/{commit}/pulls?per_page={PAGE}");
    let listed: Vec<PullRequestDocument> = client.read(Request::get(&path, PULL_REQUESTS)).await?;
    let merged = listed.into_iter().find(|pull_request| {
        let is_merge = pull_request.merge_commit_sha.as_deref() == Some(commit) && pull_request.merged_at.is_some();
        is_merge && pull_request.base.branch == branch
    });
    Ok(merged.map(|document| MergedPullRequest {
        number: document.number,
        labels: document.labels.into_iter().map(|label| label.name).collect(),
        head_branch: document.head.branch,
        head: document.head.sha,
    }))
}

/// A commit of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullRequestCommit {
    pub sha: String,
    /// Whether it has several parents, as the merge of the base into the branch.
    pub is_merge: bool,
}

#[derive(Deserialize)]
struct CommitDocument {
    sha: String,
    #[serde(default)]
    parents: Vec<ParentDocument>,
}

#[derive(Deserialize)]
struct ParentDocument {}

/// The commits of a pull request, the oldest first; at most 250.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn commits_of(
    client: &Client,
    repository: &RepositoryName,
    pull_request: u64,
) -> Result<Vec<PullRequestCommit>, GithubError> {
    let mut commits = Vec::new();
    for page in 1..=MAX_COMMIT_PAGES {
        let path = format!("/repos/{repository}/pulls/{pull_request}/commits?per_page={PAGE}&page={page}");
        let listed: Vec<CommitDocument> = client.read(Request::get(&path, PULL_REQUESTS)).await?;
        let is_last = listed.len() < PAGE;
        commits.extend(listed.into_iter().map(|commit| PullRequestCommit {
            sha: commit.sha,
            is_merge: commit.parents.len() > 1,
        }));
        if is_last {
            break;
        }
    }
    Ok(commits)
}

#[derive(Deserialize)]
struct FilesDocument {
    #[serde(default)]
    files: Vec<FileDocument>,
}

#[derive(Deserialize)]
struct FileDocument {
    filename: String,
}

/// The files that a commit changes; `None` where they are more than GitHub lists at once.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn files_of_commit(
    client: &Client,
    repository: &RepositoryName,
    commit: &str,
) -> Result<Option<Vec<String>>, GithubError> {
    let path = format!("/repos/{repository}/commits/{}", percent_encode(commit));
    let document: FilesDocument = client.read(Request::get(&path, CONTENTS)).await?;
    let files: Vec<String> = document.files.into_iter().map(|file| file.filename).collect();
    Ok(Some(files).filter(|files| files.len() < MAX_FILES))
}

/// A workflow run by its number; `None` where there is none.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn run_by_id(client: &Client, repository: &RepositoryName, id: u64) -> Result<Option<WorkflowRun>, GithubError> {
    let path = format!("/repos/{repository}/actions/runs/{id}");
    match client.read(Request::get(&path, PERMISSION)).await {
        Ok(run) => Ok(Some(run)),
        Err(GithubError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The newest successful runs of a workflow that pull requests of a branch started, the newest first; at most a page.
///
/// # Errors
/// [`GithubError`] if GitHub refuses, does not answer, or knows no such workflow.
pub(crate) async fn successful_runs_of_branch(
    client: &Client,
    repository: &RepositoryName,
    workflow: &str,
    branch: &str,
) -> Result<Vec<WorkflowRun>, GithubError> {
    #[derive(Deserialize)]
    struct Runs {
        workflow_runs: Vec<WorkflowRun>,
    }
    let (workflow, branch) = (percent_encode(file_name(workflow)), percent_encode(branch));
    let path =
        format!("/repos/{repository}/actions/workflows/{workflow}/runs?event=pull_request&branch={branch}&status=success&per_page={PAGE}");
    let mut runs: Vec<WorkflowRun> = client.read::<Runs, ()>(Request::get(&path, PERMISSION)).await?.workflow_runs;
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    Ok(runs)
}
