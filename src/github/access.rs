//! What the policy asks GitHub before it obeys a comment: may its author write, and which commits is the pull request of.

use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, Repository, Request};
use super::error::GithubError;
use crate::matrix::policy::{Permission, PullRequest};

#[derive(Deserialize)]
struct PermissionDocument {
    permission: String,
}

/// What somebody may do in a repository. A name that can be no account's may do nothing.
///
/// # Errors
/// [`GithubError`] where GitHub refuses or does not answer.
pub async fn permission_of(client: &Client, repository: &Repository, login: &str) -> Result<Permission, GithubError> {
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
        // GitHub says so of accounts that have nothing to do with the repository.
        Err(GithubError::NotFound { .. }) => Ok(Permission::Read),
        Err(error) => Err(error),
    }
}

/// A pull request as it is now.
///
/// # Errors
/// [`GithubError`] where GitHub refuses, does not answer, or answers something else.
pub async fn pull_request(client: &Client, repository: &Repository, number: u64) -> Result<PullRequest, GithubError> {
    let path = format!("/repos/{repository}/pulls/{number}");
    let request = Request::get(&path, "pull-requests: read");
    let document: Value = client.read::<Value, ()>(request).await?;
    PullRequest::parse(&document.to_string()).map_err(|error| GithubError::Answer {
        request: format!("GET {path}"),
        reason: error.to_string(),
    })
}
