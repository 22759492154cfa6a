//! The workflow run that this process is a step of, from the environment and the event file.

use std::path::PathBuf;

use super::event::{EventError, base_sha_of_event, finished_run_of_event, head_sha_of_event, pull_request_of_event};
use super::run::WorkflowRun;
use crate::system::environment;
use crate::system::files::{self, FileError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum EventFileError {
    #[error(transparent)]
    Read(#[from] FileError),
    #[error("GITHUB_EVENT_PATH")]
    Event(#[from] EventError),
}

/// The number of the workflow run that measured: the finished one in a `workflow_run` event, else this one.
pub(crate) fn run_id() -> Option<u64> {
    match finished_run() {
        Ok(Some(run)) => Some(run.id),
        Ok(None) | Err(_) => environment::text("GITHUB_RUN_ID")?.parse().ok(),
    }
}

/// The page of the workflow run that measured.
pub(crate) fn run_url() -> Option<String> {
    let server = environment::text("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    let (repository, run) = (environment::text("GITHUB_REPOSITORY")?, run_id()?);
    Some(format!("{server}/{repository}/actions/runs/{run}"))
}

/// The finished run that a `workflow_run` event names; `None` for other events.
///
/// # Errors
/// [`EventFileError`].
pub(crate) fn finished_run() -> Result<Option<WorkflowRun>, EventFileError> {
    match event()? {
        Some(text) => Ok(finished_run_of_event(&text)?),
        None => Ok(None),
    }
}

/// The fork that the finished run's commit comes from, owner/name; `None` for a run of this repository and for other events.
///
/// # Errors
/// [`EventFileError`].
pub(crate) fn measured_fork() -> Result<Option<String>, EventFileError> {
    let Some(run) = finished_run()? else { return Ok(None) };
    if environment::text("GITHUB_REPOSITORY").is_some_and(|own| run.is_of_repository(&own)) {
        return Ok(None);
    }
    Ok(Some(run.head_repository().unwrap_or("a deleted repository").to_owned()))
}

/// The pull request of the event.
///
/// # Errors
/// [`EventFileError`].
pub(crate) fn event_pull_request() -> Result<Option<u64>, EventFileError> {
    match event()? {
        Some(text) => Ok(pull_request_of_event(&text)?),
        None => Ok(None),
    }
}

/// The commit that is measured: the head of the event's pull request, else `GITHUB_SHA`, which for pull requests is a merge.
///
/// # Errors
/// [`EventFileError`].
pub(crate) fn head_sha() -> Result<Option<String>, EventFileError> {
    let of_event = match event()? {
        Some(text) => head_sha_of_event(&text)?,
        None => None,
    };
    Ok(of_event.or_else(|| environment::text("GITHUB_SHA")))
}

/// The base of the event's pull request; `None` for other events.
///
/// # Errors
/// [`EventFileError`].
pub(crate) fn base_sha() -> Result<Option<String>, EventFileError> {
    match event()? {
        Some(text) => Ok(base_sha_of_event(&text)?),
        None => Ok(None),
    }
}

fn event() -> Result<Option<String>, EventFileError> {
    match environment::text("GITHUB_EVENT_PATH").map(PathBuf::from) {
        Some(path) => Ok(Some(files::read_text(&path)?)),
        None => Ok(None),
    }
}
