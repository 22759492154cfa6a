//! GitHub's events, as far as the policy uses them. The payload is the content of the file in `GITHUB_EVENT_PATH`; its fields are
//! documented with GitHub's webhooks.

use serde::Deserialize;
use serde_json::Value;

/// An event, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Commits arrived on a branch or tag.
    Push {
        /// `refs/heads/main`.
        reference: String,
        /// The hash before the push; zeros for a new branch.
        before: String,
        /// The hash after the push; zeros for a deleted branch.
        after: String,
        default_branch: String,
        /// The last commit's message.
        message: String,
    },
    PullRequest {
        /// What happened: `opened`, `labeled`, `synchronize` and so on.
        action: String,
        /// The label that was added or removed, for these actions.
        label: Option<String>,
        /// The pull request after the action.
        pull_request: PullRequest,
    },
    /// Manual run (`workflow_dispatch`).
    Dispatch {
        inputs: Vec<(String, String)>,
    },
    Comment {
        /// `created`, `edited` or `deleted`.
        action: String,
        /// The pull request's number; none on an issue.
        pull_request: Option<u64>,
        author: String,
        body: String,
    },
    Schedule,
    /// Something happened to a release.
    Release {
        /// `published`, `created`, `edited` and so on.
        action: String,
        /// The release's tag.
        tag: String,
    },
    /// An event that triggers no plan.
    Other(String),
}

/// A pull request, as far as the policy uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it is open.
    pub open: bool,
    pub labels: Vec<String>,
    /// The base branch.
    pub base_branch: String,
    /// The tip of that branch.
    pub base: String,
    /// Its head commit.
    pub head: String,
    /// Whether it comes from another repository.
    pub from_fork: bool,
}

/// Why the payload of an event is invalid.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A documented field is missing, or has another type.
    #[error("invalid payload of the `{event}` event, expected the file that GITHUB_EVENT_PATH names")]
    Payload {
        /// Name of the event.
        event: String,
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct PushDocument {
    #[serde(rename = "ref")]
    reference: String,
    before: String,
    after: String,
    repository: RepositoryDocument,
    head_commit: Option<CommitDocument>,
}

#[derive(Deserialize)]
struct RepositoryDocument {
    default_branch: String,
}

#[derive(Deserialize)]
struct CommitDocument {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct PullRequestEventDocument {
    action: String,
    label: Option<LabelDocument>,
    pull_request: PullRequestDocument,
}

#[derive(Deserialize)]
struct LabelDocument {
    name: String,
}

#[derive(Deserialize)]
struct PullRequestDocument {
    number: u64,
    #[serde(default)]
    draft: bool,
    state: String,
    #[serde(default)]
    labels: Vec<LabelDocument>,
    base: SideDocument,
    head: SideDocument,
}

#[derive(Deserialize)]
struct SideDocument {
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
    /// Absent if the fork was deleted.
    repo: Option<SideRepositoryDocument>,
}

#[derive(Deserialize)]
struct SideRepositoryDocument {
    full_name: String,
}

#[derive(Deserialize)]
struct DispatchDocument {
    inputs: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
struct ReleaseEventDocument {
    action: String,
    release: ReleaseDocument,
}

#[derive(Deserialize)]
struct ReleaseDocument {
    tag_name: String,
}

#[derive(Deserialize)]
struct CommentEventDocument {
    action: String,
    issue: IssueDocument,
    comment: CommentDocument,
}

#[derive(Deserialize)]
struct IssueDocument {
    number: u64,
    pull_request: Option<Value>,
}

#[derive(Deserialize)]
struct CommentDocument {
    #[serde(default)]
    body: String,
    user: UserDocument,
}

#[derive(Deserialize)]
struct UserDocument {
    login: String,
}

impl Event {
    /// Parses an event from its name (`GITHUB_EVENT_NAME`) and its payload.
    ///
    /// # Errors
    /// If the payload lacks fields of the event.
    pub fn parse(name: &str, payload: &str) -> Result<Self, EventError> {
        let read = match name {
            "push" => serde_json::from_str::<PushDocument>(payload).map(Into::into),
            "pull_request" | "pull_request_target" => serde_json::from_str::<PullRequestEventDocument>(payload).map(Into::into),
            "workflow_dispatch" => serde_json::from_str::<DispatchDocument>(payload).map(Into::into),
            "issue_comment" => serde_json::from_str::<CommentEventDocument>(payload).map(Into::into),
            "schedule" => Ok(Self::Schedule),
            "release" => serde_json::from_str::<ReleaseEventDocument>(payload).map(Into::into),
            other => Ok(Self::Other(other.to_owned())),
        };
        read.map_err(|source| EventError::Payload {
            event: name.to_owned(),
            source,
        })
    }
}

impl PullRequest {
    /// Parses a pull request of GitHub's API, in the same way as those of events.
    ///
    /// # Errors
    /// If a field is missing.
    pub fn parse(document: &str) -> Result<Self, EventError> {
        let read = serde_json::from_str::<PullRequestDocument>(document).map(Into::into);
        read.map_err(|source| EventError::Payload {
            event: "pull_request".to_owned(),
            source,
        })
    }
}

impl From<PushDocument> for Event {
    fn from(document: PushDocument) -> Self {
        Self::Push {
            reference: document.reference,
            before: document.before,
            after: document.after,
            default_branch: document.repository.default_branch,
            message: document.head_commit.map(|commit| commit.message).unwrap_or_default(),
        }
    }
}

impl From<PullRequestEventDocument> for Event {
    fn from(document: PullRequestEventDocument) -> Self {
        Self::PullRequest {
            action: document.action,
            label: document.label.map(|label| label.name),
            pull_request: document.pull_request.into(),
        }
    }
}

impl From<PullRequestDocument> for PullRequest {
    fn from(document: PullRequestDocument) -> Self {
        let [head, base] = [&document.head, &document.base].map(|side| side.repo.as_ref().map(|repo| repo.full_name.as_str()));
        // A head without a repository was in a deleted fork.
        let from_fork = head.is_none() || head != base;
        Self {
            number: document.number,
            draft: document.draft,
            open: document.state == "open",
            labels: document.labels.into_iter().map(|label| label.name).collect(),
            base_branch: document.base.reference,
            base: document.base.sha,
            head: document.head.sha,
            from_fork,
        }
    }
}

impl From<DispatchDocument> for Event {
    fn from(document: DispatchDocument) -> Self {
        let inputs = document.inputs.unwrap_or_default().into_iter().filter_map(|(name, value)| {
            let text = match value {
                Value::String(text) => (!text.is_empty()).then_some(text),
                Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            };
            Some((name, text?))
        });
        Self::Dispatch { inputs: inputs.collect() }
    }
}

impl From<ReleaseEventDocument> for Event {
    fn from(document: ReleaseEventDocument) -> Self {
        Self::Release {
            action: document.action,
            tag: document.release.tag_name,
        }
    }
}

impl From<CommentEventDocument> for Event {
    fn from(document: CommentEventDocument) -> Self {
        Self::Comment {
            action: document.action,
            pull_request: document.issue.pull_request.is_some().then_some(document.issue.number),
            author: document.comment.user.login,
            body: document.comment.body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pull_request_with_foreign_or_deleted_head_is_from_a_fork() {
        for (head, from_fork) in [
            (json!({ "full_name": "org/repo" }), false),
            (json!({ "full_name": "me/repo" }), true),
            (Value::Null, true),
        ] {
            let payload = json!({
                "action": "labeled", "label": { "name": "x" },
                "pull_request": {
                    "number": 7, "draft": false, "state": "open", "labels": [{ "name": "x" }],
                    "base": { "ref": "main", "sha": "b", "repo": { "full_name": "org/repo" } },
                    "head": { "ref": "fix", "sha": "h", "repo": head }
                }
            });
            let Event::PullRequest { pull_request, .. } = Event::parse("pull_request", &payload.to_string()).unwrap() else {
                panic!("not read as a pull request: {payload}");
            };
            assert_eq!(pull_request.from_fork, from_fork);
        }
    }

    #[test]
    fn payload_without_required_fields_is_an_error() {
        let error = Event::parse("push", "{}").unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            error.to_string().contains("`push` event") && cause.contains("missing field"),
            "{error}: {cause}"
        );
        assert_eq!(Event::parse("fork", "{}").unwrap(), Event::Other("fork".to_owned()));
    }
}
