//! The pull request and the commit of a workflow run, from the event file.

use serde::Deserialize as _;
use serde_json::Value;

use super::run::WorkflowRun;

#[derive(Debug, thiserror::Error)]
#[error("invalid event file: {0}")]
pub(crate) struct EventError(#[from] serde_json::Error);

/// The number of an event's pull request; `None` for an event without one, such as a push.
///
/// # Errors
/// [`EventError`] for a text that is not JSON.
pub(super) fn pull_request_of_event(text: &str) -> Result<Option<u64>, EventError> {
    let event: Value = serde_json::from_str(text)?;
    let pointers = [
        // pull_request, pull_request_target, pull_request_review
        event.pointer("/pull_request/number"),
        // issue_comment on a pull request
        event.pointer("/issue/pull_request").and_then(|_| event.pointer("/issue/number")),
        // workflow_run; empty for a fork
        event.pointer("/workflow_run/pull_requests/0/number"),
        // check_run, check_suite
        event.pointer("/check_run/pull_requests/0/number"),
        event.pointer("/check_suite/pull_requests/0/number"),
    ];
    let of_event = pointers.into_iter().flatten().find_map(Value::as_u64);
    // workflow_dispatch of a fork's approved commit: only who has write access sets inputs.
    let dispatched = || event.pointer("/inputs/pull-request")?.as_str()?.parse().ok();
    Ok(of_event.or_else(dispatched))
}

/// The head commit of an event's pull request, for which `GITHUB_SHA` names a merge; `None` for events with the right commit in
/// `GITHUB_SHA`.
///
/// # Errors
/// [`EventError`] for a text that is not JSON.
pub(super) fn head_sha_of_event(text: &str) -> Result<Option<String>, EventError> {
    let event: Value = serde_json::from_str(text)?;
    let pointers = [
        "/pull_request/head/sha",
        "/workflow_run/head_sha",
        "/check_run/head_sha",
        "/check_suite/head_sha",
    ];
    // The approved commit of a fork.
    let of_input = event
        .pointer("/inputs/pull-request")
        .and_then(|_| event.pointer("/inputs/head-ref")?.as_str());
    let found = pointers.iter().find_map(|pointer| event.pointer(pointer)?.as_str());
    let found = found.or(of_input).filter(|commit| !commit.is_empty());
    Ok(found.map(str::to_owned))
}

/// The finished run of a `workflow_run` event; `None` for other events.
///
/// # Errors
/// [`EventError`] for a text that is not JSON, or a run without its number or commit.
pub(super) fn finished_run_of_event(text: &str) -> Result<Option<WorkflowRun>, EventError> {
    let event: Value = serde_json::from_str(text)?;
    Ok(event.get("workflow_run").map(WorkflowRun::deserialize).transpose()?)
}

/// The base commit of an event's pull request; `None` for other events.
///
/// # Errors
/// [`EventError`] for a text that is not JSON.
pub(super) fn base_sha_of_event(text: &str) -> Result<Option<String>, EventError> {
    let event: Value = serde_json::from_str(text)?;
    let of_input = event
        .pointer("/inputs/pull-request")
        .and_then(|_| event.pointer("/inputs/base-ref"));
    let found = event.pointer("/pull_request/base/sha").or(of_input).and_then(Value::as_str);
    Ok(found.filter(|base| !base.is_empty()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_pull_request_of_each_kind_of_event() {
        for (event, number) in [
            (r#"{"number": 7, "pull_request": {"number": 7}}"#, Some(7)),
            (r#"{"issue": {"number": 8, "pull_request": {}}}"#, Some(8)),
            (r#"{"issue": {"number": 8}}"#, None),
            (r#"{"workflow_run": {"pull_requests": [{"number": 9}]}}"#, Some(9)),
            (r#"{"workflow_run": {"pull_requests": []}}"#, None),
            (r#"{"ref": "refs/heads/main"}"#, None),
            (r#"{"inputs": {"pull-request": "10"}}"#, Some(10)),
            (r#"{"inputs": {"pull-request": ""}}"#, None),
        ] {
            assert_eq!(pull_request_of_event(event).unwrap(), number, "{event}");
        }
        assert!(pull_request_of_event("{").is_err());
    }
}
