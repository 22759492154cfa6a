//! Check runs: a verdict on a commit, which branch protection can require.
//! Limits: <https://docs.github.com/en/rest/checks/runs>.

use serde::{Deserialize, Serialize};

use super::client::{Client, Method, RepositoryName, Request};
use super::error::GithubError;
use crate::model::percent_encode;

/// The permission for check runs.
const PERMISSION: &str = "checks: write";
/// The most annotations of one request.
const ANNOTATIONS_A_REQUEST: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// Its name in the list of checks; with the commit it identifies the check.
    pub name: String,
    /// The commit, 40 hex digits.
    pub head_sha: String,
    /// A check run is created when the verdict is known, so it is completed from the beginning.
    pub conclusion: Conclusion,
    /// One line.
    pub title: String,
    /// Markdown of at most 65,535 characters.
    pub summary: String,
    /// The page with everything, for the link "Details".
    pub details_url: Option<String>,
    /// All annotations; they are sent in as many requests as needed.
    pub annotations: Vec<Annotation>,
}

/// The conclusion of a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Nothing got worse.
    Success,
    /// Something failed or got worse.
    Failure,
    /// The evidence is not sufficient.
    Neutral,
}

/// An annotation of lines in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    pub path: String,
    /// Its first line, from 1.
    pub start_line: u64,
    /// Its last line.
    pub end_line: u64,
    pub annotation_level: AnnotationLevel,
    /// At most 255 characters.
    pub title: String,
    /// At most 64 KiB.
    pub message: String,
}

/// The severity of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    Warning,
    Failure,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_sha: Option<&'a str>,
    external_id: &'static str,
    status: &'static str,
    conclusion: Conclusion,
    #[serde(skip_serializing_if = "Option::is_none")]
    details_url: Option<&'a str>,
    output: Output<'a>,
}

#[derive(Serialize)]
struct Output<'a> {
    title: &'a str,
    summary: &'a str,
    annotations: &'a [Annotation],
}

#[derive(Deserialize)]
struct Known {
    id: u64,
    #[serde(default)]
    html_url: Option<String>,
    status: String,
    #[serde(default)]
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct List {
    check_runs: Vec<Known>,
}

/// Distinguishes the check runs of imax from those of other apps with the same name.
const EXTERNAL_ID: &str = "imax";

/// Creates a check run, or updates the one in progress, and gives its page. A completed one is never updated, because annotations can
/// be added and not removed.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn put_check(client: &Client, repository: &RepositoryName, check: &CheckRun) -> Result<String, GithubError> {
    let (first, rest) = check.annotations.split_at(check.annotations.len().min(ANNOTATIONS_A_REQUEST));
    let known = match in_progress(client, repository, check).await? {
        Some(known) => update(client, repository, known.id, &body(check, first)).await?,
        None => {
            let path = format!("/repos/{repository}/check-runs");
            let body = Body {
                name: Some(&check.name),
                head_sha: Some(&check.head_sha),
                ..body(check, first)
            };
            client.read(Request::write(Method::Post, &path, &body, PERMISSION)).await?
        }
    };
    for more in rest.chunks(ANNOTATIONS_A_REQUEST) {
        update(client, repository, known.id, &body(check, more)).await?;
    }
    Ok(known.html_url.unwrap_or_default())
}

async fn in_progress(client: &Client, repository: &RepositoryName, check: &CheckRun) -> Result<Option<Known>, GithubError> {
    let (sha, name) = (percent_encode(&check.head_sha), percent_encode(&check.name));
    let path = format!("/repos/{repository}/commits/{sha}/check-runs?check_name={name}&filter=latest&per_page=100");
    let list: List = client.read(Request::get(&path, PERMISSION)).await?;
    Ok(list
        .check_runs
        .into_iter()
        .filter(|known| known.external_id.as_deref() == Some(EXTERNAL_ID) && known.status != "completed")
        .max_by_key(|known| known.id))
}

async fn update(client: &Client, repository: &RepositoryName, id: u64, body: &Body<'_>) -> Result<Known, GithubError> {
    let path = format!("/repos/{repository}/check-runs/{id}");
    client.read(Request::write(Method::Patch, &path, body, PERMISSION)).await
}

fn body<'a>(check: &'a CheckRun, annotations: &'a [Annotation]) -> Body<'a> {
    Body {
        name: None,
        head_sha: None,
        external_id: EXTERNAL_ID,
        status: "completed",
        conclusion: check.conclusion,
        details_url: check.details_url.as_deref(),
        output: Output {
            title: &check.title,
            summary: &check.summary,
            annotations,
        },
    }
}
