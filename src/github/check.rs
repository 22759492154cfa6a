//! Check runs: the verdict beside the commit, where branch protection can ask for it.
//! Limits: <https://docs.github.com/en/rest/checks/runs>.

use serde::{Deserialize, Serialize};

use super::client::{Client, Method, Repository, Request};
use super::error::GithubError;
use crate::model::percent_encode;

/// What the token needs for check runs.
const PERMISSION: &str = "checks: write";
/// The most annotations that one request takes.
const ANNOTATIONS_A_REQUEST: usize = 50;
/// The most characters that a summary may have.
pub const LONGEST_CHECK_SUMMARY: usize = 65_535;

/// A check run as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRun {
    /// Its name in the list of checks; with the commit it identifies the check.
    pub name: String,
    /// The commit, 40 hex digits.
    pub head_sha: String,
    /// Where it is.
    pub state: CheckState,
    /// One line.
    pub title: String,
    /// Markdown of at most [`LONGEST_CHECK_SUMMARY`] characters.
    pub summary: String,
    /// The page with everything, for the link "Details".
    pub details_url: Option<String>,
    /// Remarks at lines of files, all of them: they are sent in as many requests as it takes.
    pub annotations: Vec<Annotation>,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// Not at its end.
    InProgress,
    /// At its end.
    Completed(Conclusion),
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All is well.
    Success,
    /// Something is not.
    Failure,
    /// Nobody is sure.
    Neutral,
}

/// A remark at a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// The file in the repository.
    pub path: String,
    /// Its first line, from 1.
    pub start_line: u64,
    /// Its last line.
    pub end_line: u64,
    /// How grave it is.
    pub annotation_level: AnnotationLevel,
    /// At most 255 characters.
    pub title: String,
    /// At most 64 KiB.
    pub message: String,
}

/// How grave a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// To know.
    Notice,
    /// To look at.
    Warning,
    /// To mend.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    conclusion: Option<Conclusion>,
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

/// Tells our check runs from those of other apps, which may have the same name.
const EXTERNAL_ID: &str = "imax";

/// Puts a check run to a commit and gives its page: one that is under way is updated, and beside one that is complete a new one is made, because
/// annotations can be added and never taken away.
///
/// # Errors
/// [`GithubError`] where GitHub refuses or does not answer.
pub async fn put_check(client: &Client, repository: &Repository, check: &CheckRun) -> Result<String, GithubError> {
    let (first, rest) = check.annotations.split_at(check.annotations.len().min(ANNOTATIONS_A_REQUEST));
    let known = match under_way(client, repository, check).await? {
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

async fn under_way(client: &Client, repository: &Repository, check: &CheckRun) -> Result<Option<Known>, GithubError> {
    let (sha, name) = (percent_encode(&check.head_sha), percent_encode(&check.name));
    let path = format!("/repos/{repository}/commits/{sha}/check-runs?check_name={name}&filter=latest&per_page=100");
    let list: List = client.read(Request::get(&path, PERMISSION)).await?;
    let ours = |known: &Known| known.external_id.as_deref() == Some(EXTERNAL_ID) && known.status != "completed";
    Ok(list.check_runs.into_iter().filter(ours).max_by_key(|known| known.id))
}

async fn update(client: &Client, repository: &Repository, id: u64, body: &Body<'_>) -> Result<Known, GithubError> {
    let path = format!("/repos/{repository}/check-runs/{id}");
    client.read(Request::write(Method::Patch, &path, body, PERMISSION)).await
}

fn body<'a>(check: &'a CheckRun, annotations: &'a [Annotation]) -> Body<'a> {
    let (status, conclusion) = match check.state {
        CheckState::InProgress => ("in_progress", None),
        CheckState::Completed(conclusion) => ("completed", Some(conclusion)),
    };
    Body {
        name: None,
        head_sha: None,
        external_id: EXTERNAL_ID,
        status,
        conclusion,
        details_url: check.details_url.as_deref(),
        output: Output {
            title: &check.title,
            summary: &check.summary,
            annotations,
        },
    }
}
