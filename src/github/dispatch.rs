//! Starts workflows (`workflow_dispatch`), and tells a repository that something happened (`repository_dispatch`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::client::{Client, Method, RepositoryName, Request};
use super::error::GithubError;
use crate::model::percent_encode;

#[derive(Serialize)]
struct WorkflowDispatch<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
    inputs: BTreeMap<&'a str, &'a str>,
}

/// Starts a workflow, named by its file, at a branch with these inputs.
///
/// # Errors
/// [`GithubError`] if GitHub refuses, as it does for an input that the workflow does not have, or does not answer.
pub(crate) async fn dispatch_workflow(
    client: &Client,
    repository: &RepositoryName,
    workflow: &str,
    branch: &str,
    inputs: &[(String, String)],
) -> Result<(), GithubError> {
    let path = format!("/repos/{repository}/actions/workflows/{}/dispatches", percent_encode(workflow));
    let body = WorkflowDispatch {
        reference: branch,
        inputs: inputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
    };
    client
        .send(Request::write(Method::Post, &path, &body, "actions: write"))
        .await
        .map(drop)
}

#[derive(Serialize)]
struct RepositoryDispatch<'a> {
    event_type: &'a str,
    client_payload: &'a BTreeMap<String, String>,
}

/// Sends an event to a repository, whose workflows with `on: repository_dispatch` may start.
///
/// # Errors
/// [`GithubError`] if GitHub refuses, as it does without write access to the repository, or does not answer.
pub(crate) async fn dispatch_event(
    client: &Client,
    repository: &RepositoryName,
    event_type: &str,
    client_payload: &BTreeMap<String, String>,
) -> Result<(), GithubError> {
    let path = format!("/repos/{repository}/dispatches");
    let body = RepositoryDispatch {
        event_type,
        client_payload,
    };
    client
        .send(Request::write(Method::Post, &path, &body, "contents: write"))
        .await
        .map(drop)
}
