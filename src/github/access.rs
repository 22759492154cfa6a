//! Facts that the policy needs before a command in a comment is executed: the author's permission, and the pull request's commits.

use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, RepositoryName, Request};
use super::error::GithubError;
use super::run::WorkflowRun;
use crate::matrix::policy::{Permission, PullRequest};

#[derive(Deserialize)]
struct PermissionDocument {
    permission: String,
}

/// The permission of an account in a repository; `Read` for a text that is not the name of an account.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn permission_of(client: &Client, repository: &RepositoryName, login: &str) -> Result<Permission, GithubError> {
    if login.is_empty() || !login.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Ok(Permission::Read);
    }
    let path = format!("/repos/{repository}/collaborators/{login}/permission");
    let request = Request::get(&path, "metadata: read");
    match client.read::<PermissionDocument, ()>(request).await {
        Ok(document) => Ok(match document.permission.as_str() {
            "admin" | "maintain" | "write" => Permission::Write,
            "triage" => Permission::Triage,
            _ => Permission::Read,
        }),
        // GitHub's response for accounts without any relation to the repository.
        Err(GithubError::NotFound { .. }) => Ok(Permission::Read),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct ListedPullRequest {
    number: u64,
    head: ListedHead,
}

#[derive(Deserialize)]
struct ListedHead {
    sha: String,
}

/// The open pull request whose head is the commit of a finished run. An event about a fork's run does not name it, and what the run's
/// artifacts say is the fork's word. `None` where there is none, as after a later push.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn pull_request_of_run(
    client: &Client,
    repository: &RepositoryName,
    run: &WorkflowRun,
) -> Result<Option<u64>, GithubError> {
    let Some(head) = run.head_label() else { return Ok(None) };
    let path = format!("/repos/{repository}/pulls?state=open&head={head}&per_page=100");
    let listed: Vec<ListedPullRequest> = client.read(Request::get(&path, "pull-requests: read")).await?;
    let of_commit = listed.into_iter().find(|listed| listed.head.sha == run.head_sha);
    Ok(of_commit.map(|listed| listed.number))
}

/// The current state of a pull request.
///
/// # Errors
/// [`GithubError`] if GitHub refuses, does not respond, or the response is invalid.
pub async fn pull_request(client: &Client, repository: &RepositoryName, number: u64) -> Result<PullRequest, GithubError> {
    let path = format!("/repos/{repository}/pulls/{number}");
    let request = Request::get(&path, "pull-requests: read");
    let document: Value = client.read::<Value, ()>(request).await?;
    PullRequest::parse(&document.to_string()).map_err(|error| GithubError::Response {
        request: format!("GET {path}"),
        reason: error.to_string(),
    })
}
