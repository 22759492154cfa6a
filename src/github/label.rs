//! Labels of pull requests, which trigger sweeps.

use serde::{Deserialize, Serialize};

use super::client::{Client, Method, RepositoryName, Request};
use super::error::GithubError;
use crate::model::percent_encode;

/// The permission for labels of pull requests.
const PERMISSION: &str = "pull-requests: write";
/// GitHub's limit of items on a page; an issue cannot have that many labels.
const PAGE: usize = 100;

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Serialize)]
struct NewLabels<'a> {
    labels: [&'a str; 1],
}

/// The names of a pull request's labels.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn labels(client: &Client, repository: &RepositoryName, pull_request: u64) -> Result<Vec<String>, GithubError> {
    let path = format!("/repos/{repository}/issues/{pull_request}/labels?per_page={PAGE}");
    let labels: Vec<Label> = client.read(Request::get(&path, PERMISSION)).await?;
    Ok(labels.into_iter().map(|label| label.name).collect())
}

/// Adds a label to a pull request.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn add_label(client: &Client, repository: &RepositoryName, pull_request: u64, label: &str) -> Result<(), GithubError> {
    let path = format!("/repos/{repository}/issues/{pull_request}/labels");
    let labels = NewLabels { labels: [label] };
    client
        .send(Request::write(Method::Post, &path, &labels, PERMISSION))
        .await
        .map(drop)
}

/// Removes a label from a pull request; a missing label is not an error.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn remove_label(client: &Client, repository: &RepositoryName, pull_request: u64, label: &str) -> Result<(), GithubError> {
    let path = format!("/repos/{repository}/issues/{pull_request}/labels/{}", percent_encode(label));
    match client.send(Request::delete(&path, PERMISSION)).await {
        Ok(_) | Err(GithubError::NotFound { .. }) => Ok(()),
        Err(other) => Err(other),
    }
}
