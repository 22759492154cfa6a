//! The comment of a workflow on a pull request. It is found by a hidden marker and updated in place; if two jobs create it at the
//! same time, the older comment is kept.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::client::{Client, Method, RepositoryName, Request};
use super::error::GithubError;

/// The permission for comments on pull requests.
const PERMISSION: &str = "pull-requests: write";
/// GitHub's limit of items on a page.
const PAGE: usize = 100;
/// The most pages: ten thousand comments. A longer discussion is not searched further.
const MAX_PAGES: usize = 100;

/// The hidden text by which a workflow's comment is found among all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// The marker of a workflow, by its name or another constant text.
    #[must_use]
    pub fn new(workflow: &str) -> Self {
        const DIGITS: usize = 8;
        let readable: String = workflow.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let readable: Vec<&str> = readable.split('-').filter(|word| !word.is_empty()).collect();
        // The hash distinguishes names that are equal after other characters are removed; `--` would end an HTML comment.
        let mut digits = hex::encode(Sha256::digest(workflow.as_bytes()));
        digits.truncate(DIGITS);
        Self(format!("<!-- imax:{}:{digits} -->", readable.join("-")))
    }

    /// The marker as text of the comment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hidden last lines of a comment, by which it and its workflow run are found again.
    pub(crate) fn closing(&self, run_id: Option<u64>) -> String {
        match run_id {
            Some(run) => format!("{}\n{}", run_line(run), self.0),
            None => self.0.clone(),
        }
    }
}

/// The beginning of the hidden line that names the workflow run.
const RUN_LINE: &str = "<!-- imax:run:";

/// A hidden line that names the workflow run whose results a comment shows, so that a later run can complete it.
#[must_use]
pub fn run_line(run: u64) -> String {
    format!("{RUN_LINE}{run} -->")
}

/// The workflow run that a comment's hidden line names.
fn run_of(body: &str) -> Option<u64> {
    body.lines()
        .find_map(|line| line.trim().strip_prefix(RUN_LINE)?.strip_suffix(" -->")?.parse().ok())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentChange {
    /// It did not exist.
    Created {
        url: String,
    },
    Updated {
        url: String,
    },
    /// It existed and was not to be overwritten.
    Unchanged,
}

/// A comment, with the fields that are used here.
#[derive(Debug, Clone, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    user: Option<User>,
}

/// An account, with the fields that are used here.
#[derive(Debug, Clone, Deserialize)]
struct User {
    login: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// The account whose comments may be updated. Anyone can write a marker into a comment, so the marker alone proves nothing.
enum Author {
    Login(String),
    /// GitHub does not tell which app a workflow's own token belongs to, only that it is an app.
    AnyApp,
}

#[derive(Serialize)]
struct NewBody<'a> {
    body: &'a str,
}

/// Creates the comment or updates it. `body` must hold the marker.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn put_comment(
    client: &Client,
    repository: &RepositoryName,
    pull_request: u64,
    marker: &Marker,
    body: &str,
) -> Result<CommentChange, GithubError> {
    put_comment_over(client, repository, pull_request, marker, body, None).await
}

/// As [`put_comment`], but a comment without the text `over` in it is left as it is.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn put_comment_over(
    client: &Client,
    repository: &RepositoryName,
    pull_request: u64,
    marker: &Marker,
    body: &str,
    over: Option<&str>,
) -> Result<CommentChange, GithubError> {
    let thread = Thread {
        client,
        repository,
        pull_request,
        author: author(client).await?,
    };
    if let Some(oldest) = thread.with_marker(marker).await?.first() {
        if over.is_some_and(|over| !oldest.body.as_deref().unwrap_or_default().contains(over)) {
            return Ok(CommentChange::Unchanged);
        }
        let url = thread.update(oldest.id, body).await?.html_url;
        return Ok(CommentChange::Updated { url });
    }
    let created = thread.create(body).await?;
    thread.keep_oldest(created, marker, body).await
}

/// The workflow run that the comment on a pull request shows; `None` if there is no comment or it names no run.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub async fn commented_run(
    client: &Client,
    repository: &RepositoryName,
    pull_request: u64,
    marker: &Marker,
) -> Result<Option<u64>, GithubError> {
    let thread = Thread {
        client,
        repository,
        pull_request,
        author: author(client).await?,
    };
    let ours = thread.with_marker(marker).await?;
    Ok(ours.iter().find_map(|comment| run_of(comment.body.as_deref()?)))
}

/// A comment as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenComment {
    /// The login.
    pub author: String,
    pub body: String,
}

/// The comments on a pull request, the oldest first; at most ten thousand.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn comments(client: &Client, repository: &RepositoryName, pull_request: u64) -> Result<Vec<WrittenComment>, GithubError> {
    let mut listed = list(client, repository, pull_request).await?;
    listed.sort_by_key(|comment| comment.id);
    let written = listed.into_iter().filter_map(|comment| {
        Some(WrittenComment {
            author: comment.user?.login,
            body: comment.body?,
        })
    });
    Ok(written.collect())
}

async fn list(client: &Client, repository: &RepositoryName, pull_request: u64) -> Result<Vec<Comment>, GithubError> {
    let mut found = Vec::new();
    for page in 1..=MAX_PAGES {
        let path = format!("/repos/{repository}/issues/{pull_request}/comments?per_page={PAGE}&page={page}");
        let comments: Vec<Comment> = client.read(Request::get(&path, PERMISSION)).await?;
        let last = comments.len() < PAGE;
        found.extend(comments);
        if last {
            break;
        }
    }
    Ok(found)
}

async fn author(client: &Client) -> Result<Author, GithubError> {
    let request = Request::get("/user", PERMISSION);
    match client.read::<User, ()>(request).await {
        Ok(user) => Ok(Author::Login(user.login)),
        Err(GithubError::Forbidden { .. } | GithubError::NotFound { .. }) => Ok(Author::AnyApp),
        Err(other) => Err(other),
    }
}

impl Author {
    fn wrote(&self, comment: &Comment) -> bool {
        match (self, &comment.user) {
            (Self::Login(login), Some(user)) => user.login == *login,
            (Self::AnyApp, Some(user)) => user.kind == "Bot",
            (_, None) => false,
        }
    }
}

/// The comments of one pull request.
struct Thread<'a> {
    client: &'a Client,
    repository: &'a RepositoryName,
    pull_request: u64,
    author: Author,
}

impl Thread<'_> {
    /// The account's comments with the marker, the oldest first.
    async fn with_marker(&self, marker: &Marker) -> Result<Vec<Comment>, GithubError> {
        let mut found = list(self.client, self.repository, self.pull_request).await?;
        found.retain(|comment| {
            let has_marker = comment.body.as_deref().is_some_and(|body| body.contains(marker.as_str()));
            has_marker && self.author.wrote(comment)
        });
        found.sort_by_key(|comment| comment.id);
        Ok(found)
    }

    async fn create(&self, body: &str) -> Result<Comment, GithubError> {
        let path = format!("/repos/{}/issues/{}/comments", self.repository, self.pull_request);
        let body = NewBody { body };
        self.client.read(Request::write(Method::Post, &path, &body, PERMISSION)).await
    }

    async fn update(&self, id: u64, body: &str) -> Result<Comment, GithubError> {
        let path = format!("/repos/{}/issues/comments/{id}", self.repository);
        let body = NewBody { body };
        self.client.read(Request::write(Method::Patch, &path, &body, PERMISSION)).await
    }

    async fn delete(&self, id: u64) -> Result<(), GithubError> {
        let path = format!("/repos/{}/issues/comments/{id}", self.repository);
        let request = Request::delete(&path, PERMISSION);
        match self.client.send(request).await {
            // Another job of the same workflow deleted it first.
            Ok(_) | Err(GithubError::NotFound { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Deletes all but the oldest comment. There are several if another job created one at the same time, or this job created two because
    /// a response was lost. All jobs see the same oldest comment, so they agree without further coordination.
    async fn keep_oldest(&self, created: Comment, marker: &Marker, body: &str) -> Result<CommentChange, GithubError> {
        let ours = self.with_marker(marker).await?;
        let oldest = ours.first().map_or(created.id, |comment| comment.id);
        for comment in ours.iter().filter(|comment| comment.id != oldest) {
            self.delete(comment.id).await?;
        }
        if oldest == created.id {
            return Ok(CommentChange::Created { url: created.html_url });
        }
        let url = self.update(oldest, body).await?.html_url;
        Ok(CommentChange::Updated { url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_of_a_comment_is_read_back() {
        let body = format!("words\n{}\n{}\n", Marker::new("sweep").as_str(), run_line(16_890_123_456));
        assert_eq!(run_of(&body), Some(16_890_123_456));
        assert_eq!(run_of("<!-- imax:run:x -->\n<!-- imax:sweep:1 -->"), None);
    }

    #[test]
    fn marker_is_hidden_and_unique() {
        let marker = Marker::new("Sweep --> <b>");
        assert!(
            marker.as_str().starts_with("<!-- imax:Sweep-b:") && marker.as_str().ends_with(" -->"),
            "{marker:?}"
        );
        assert_eq!(marker.as_str().matches("--").count(), 2);
        assert_ne!(Marker::new("a b"), Marker::new("a-b"));
        assert_eq!(Marker::new("a b"), Marker::new("a b"));
    }
}
