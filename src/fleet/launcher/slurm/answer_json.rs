//! Parsers for `squeue --json` and `sacct --json`. The form changed with Slurm's versions: a state is a text or a list of base
//! state and flags, a number is bare or an object with `set` and `number`. All of these forms are accepted.

use serde_json::Value;

use super::answer::{AnswerError, JobView, SlurmState};

/// From `squeue --json` ([`super::command::queue_json`]); `None` if Slurm does not know the job.
///
/// # Errors
/// For invalid JSON, or another form.
pub(super) fn parse_queue_json(text: &str, job: u64) -> Result<Option<JobView>, AnswerError> {
    let Some(found) = find(text, job)? else { return Ok(None) };
    Ok(Some(JobView {
        state: state(found.get("job_state"))?,
        reason: known(text_of(found.get("state_reason"))),
        nodes: known(text_of(found.get("nodes"))),
        batch_host: known(text_of(found.get("batch_host"))),
        exit: found.get("exit_code").and_then(exit),
    }))
}

/// From `sacct --json` ([`super::command::accounting_json`]); `None` if accounting does not know the job.
///
/// # Errors
/// For invalid JSON, or another form.
pub(super) fn parse_accounting_json(text: &str, job: u64) -> Result<Option<JobView>, AnswerError> {
    let Some(found) = find(text, job)? else { return Ok(None) };
    Ok(Some(JobView {
        state: state(found.pointer("/state/current"))?,
        reason: known(text_of(found.pointer("/state/reason"))),
        nodes: known(text_of(found.get("nodes"))),
        batch_host: String::new(),
        exit: found.get("exit_code").and_then(exit),
    }))
}

fn find(text: &str, job: u64) -> Result<Option<Value>, AnswerError> {
    let form = || AnswerError::Form {
        found: text.chars().take(200).collect(),
    };
    let mut answer: Value = serde_json::from_str(text).map_err(|_| form())?;
    let jobs = answer.get_mut("jobs").map(Value::take);
    let Some(Value::Array(jobs)) = jobs else { return Err(form()) };
    Ok(jobs
        .into_iter()
        .find(|found| found.get("job_id").and_then(number) == i64::try_from(job).ok()))
}

/// A text, or a list in which a flag (`COMPLETING`, `CONFIGURING`) follows the base state and takes precedence.
fn state(found: Option<&Value>) -> Result<SlurmState, AnswerError> {
    let names: Vec<&str> = match found {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(_) | None => Vec::new(),
    };
    let states: Vec<SlurmState> = names.iter().filter_map(|name| SlurmState::parse(name)).collect();
    let passing = [SlurmState::Completing, SlurmState::Configuring];
    let state = states.iter().find(|state| passing.contains(state)).or_else(|| states.first());
    state.copied().ok_or_else(|| AnswerError::State(names.join(",")))
}

/// Exit status and signal: the raw status of wait(2) before 23.02, an object since.
fn exit(found: &Value) -> Option<(i32, i32)> {
    if let Some(raw) = number(found) {
        return Some((i32::try_from((raw >> 8) & 0xff).ok()?, i32::try_from(raw & 0x7f).ok()?));
    }
    let status = number(found.get("return_code")?).unwrap_or(0);
    let signal = found
        .pointer("/signal/id")
        .or_else(|| found.pointer("/signal/signal_id"))
        .and_then(number);
    Some((i32::try_from(status).ok()?, i32::try_from(signal.unwrap_or(0)).ok()?))
}

fn number(found: &Value) -> Option<i64> {
    if !found.is_object() {
        return found.as_i64();
    }
    let is_set = found.get("set") != Some(&Value::Bool(false));
    found.get("number").filter(|_| is_set)?.as_i64()
}

fn text_of(found: Option<&Value>) -> &str {
    found.and_then(Value::as_str).unwrap_or_default()
}

fn known(text: &str) -> String {
    if text == "None" || text == "None assigned" {
        String::new()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn old_and_new_forms_of_the_queue() {
        let unset = json!({ "set": false, "infinite": false, "number": 0 });
        let set = |number: i64| json!({ "set": true, "infinite": false, "number": number });
        let old = json!({ "job_id": 7, "job_state": "FAILED", "state_reason": "NonZeroExitCode", "nodes": "h100-0", "batch_host": "h100-0", "exit_code": 1792 });
        let new = json!({
            "job_id": 7, "job_state": ["FAILED"], "state_reason": "NonZeroExitCode", "nodes": "h100-0", "batch_host": "h100-0",
            "exit_code": { "status": ["ERROR"], "return_code": set(7), "signal": { "id": unset, "name": "" } }
        });
        let stranger = json!({ "job_id": 8, "job_state": ["RUNNING"] });
        for job in [old, new] {
            let text = json!({ "jobs": [stranger, job] }).to_string();
            let view = parse_queue_json(&text, 7).unwrap().unwrap();
            assert_eq!((view.state, view.exit), (SlurmState::Failed, Some((7, 0))));
            assert_eq!((view.reason.as_str(), view.batch_host.as_str()), ("NonZeroExitCode", "h100-0"));
        }
        for (job, state, exit) in [
            (
                json!({ "job_id": 7, "job_state": ["CANCELLED", "COMPLETING"] }),
                SlurmState::Completing,
                None,
            ),
            (
                json!({ "job_id": 7, "job_state": ["RUNNING", "CONFIGURING"] }),
                SlurmState::Configuring,
                None,
            ),
            (
                json!({ "job_id": 7, "job_state": ["FAILED"], "exit_code": { "return_code": unset, "signal": { "id": set(9), "name": "KILL" } } }),
                SlurmState::Failed,
                Some((0, 9)),
            ),
        ] {
            let view = parse_queue_json(&json!({ "jobs": [job] }).to_string(), 7).unwrap().unwrap();
            assert_eq!((view.state, view.exit), (state, exit));
        }
        assert_eq!(parse_queue_json("{\"jobs\": []}", 7), Ok(None));
        assert!(parse_queue_json("{}", 7).is_err() && parse_queue_json("error", 7).is_err());
    }

    #[test]
    fn accounting() {
        let old = json!({ "jobs": [{ "job_id": 7, "state": { "current": "NODE_FAIL", "reason": "NodeDown" }, "nodes": "h100-0",
            "exit_code": { "status": "SUCCESS", "return_code": 0 } }] });
        let new = json!({ "jobs": [{ "job_id": 7, "state": { "current": ["NODE_FAIL"], "reason": "NodeDown" }, "nodes": "h100-0",
            "exit_code": { "status": ["SUCCESS"], "return_code": { "set": true, "number": 0 } } }] });
        for text in [old, new] {
            let view = parse_accounting_json(&text.to_string(), 7).unwrap().unwrap();
            assert_eq!(
                (view.state, view.reason.as_str(), view.exit),
                (SlurmState::NodeFail, "NodeDown", Some((0, 0)))
            );
        }
    }
}
