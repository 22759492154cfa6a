//! Dispatches the sweep of a fork's pull request that a maintainer has approved by a label. Nothing of the fork is checked out or run.

use std::path::PathBuf;

use serde::Deserialize;

use super::Warn;
use super::settings_file::{SettingsFile, SettingsFileError};
use crate::github::{self, GithubError, Marker};
use crate::matrix::policy::{Approval, Event, EventError, approval};
use crate::system::files::{self, FileError};

#[derive(Debug)]
pub(crate) struct ApproveRequest {
    /// The event's name, `GITHUB_EVENT_NAME`.
    pub event: String,
    /// The file of its payload, `GITHUB_EVENT_PATH`.
    pub payload: PathBuf,
    /// Who set the label, `GITHUB_ACTOR`.
    pub actor: String,
    /// `owner/name`.
    pub repository: Option<String>,
    /// The file of the workflow that is dispatched, `benchmark.yml`.
    pub workflow: String,
    /// The settings of the base.
    pub settings: SettingsFile,
}

/// Why the approval of a commit is unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApproveError {
    #[error(transparent)]
    ReadEvent(FileError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("invalid payload of the event: {0}")]
    Payload(#[from] serde_json::Error),
    #[error(transparent)]
    Settings(#[from] SettingsFileError),
    #[error(transparent)]
    Github(#[from] GithubError),
}

/// The part of the payload that names the default branch.
#[derive(Deserialize)]
struct Payload {
    repository: PayloadRepository,
}

#[derive(Deserialize)]
struct PayloadRepository {
    default_branch: String,
}

/// Dispatches the sweep, or says why not. The pull request gets a comment about a dispatch.
///
/// # Errors
/// [`ApproveError`].
pub(crate) async fn approve(request: &ApproveRequest, warn: Warn<'_>) -> Result<Approval, ApproveError> {
    let text = files::read_text(&request.payload).map_err(ApproveError::ReadEvent)?;
    let event = Event::parse(&request.event, &text)?;
    let Event::PullRequest { pull_request, .. } = &event else {
        return Ok(Approval::Skip {
            reason: format!("Event `{}` approves nothing; `pull_request_target` does.", request.event),
        });
    };
    let policy = request.settings.load(warn)?.policy;
    let (client, repository) = github::connect(request.repository.as_deref())?;
    let permission = github::permission_of(&client, &repository, &request.actor).await?;
    let current = github::pull_request(&client, &repository, pull_request.number).await?;
    let approval = approval(&event, &policy, &request.actor, permission, &current);
    if let Approval::Dispatch {
        pull_request,
        head,
        inputs,
    } = &approval
    {
        let branch = serde_json::from_str::<Payload>(&text)?.repository.default_branch;
        github::dispatch_workflow(&client, &repository, &request.workflow, &branch, inputs).await?;
        let marker = Marker::new("imax approve");
        let body = format!(
            "{} has approved {head}: its sweep runs in `{}` on `{branch}`. A push withdraws the approval; then remove the label, and set it again.\n\n{}",
            request.actor,
            request.workflow,
            marker.as_str()
        );
        if let Err(error) = github::put_comment(&client, &repository, *pull_request, &marker, &body).await {
            warn(&format!("the sweep is dispatched, and the comment is not written: {error}"));
        }
    }
    Ok(approval)
}
