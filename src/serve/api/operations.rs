//! `/operations`: jobs, waits, GPU hours and failures by day, machine and run.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use crate::analysis::{JobGroup, JobOfRun, jobs_by_day, jobs_by_machine, jobs_by_run};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, number};
use crate::serve::format::Format;
use crate::serve::selection_params::{SelectionParams, date};

/// When a machine counts as silent.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct OperationParams {
    /// Days without a job, while others of the same hardware had some, after which a machine is silent [default: 3].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 365)]
    pub silent_days: Option<String>,
}

/// The most jobs that are summed.
const MOST_JOBS: usize = 50_000;
/// The most runs and failed jobs that are listed.
const MOST_LISTED: usize = 200;
const DAY_MS: i64 = 86_400_000;

/// How the machines that measure are doing
///
/// From the job records that runs keep: queue times, GPU hours, failure classes and retries by day, by machine and by run, and the newest failed
/// jobs with the pages of their workflow runs. `outcomes` has the points by day and outcome, which histories without job records have as well. A
/// machine is silent if others of its hardware had jobs since: the history does not ask the platform which runners are online.
#[utoipa::path(get, path = "/api/v1/operations", tag = "results", params(SelectionParams, OperationParams),
    responses((status = 200, description = "The sums; in other formats than JSON the machines", body = Object)))]
pub(in crate::serve) async fn operations(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, OperationParams>,
) -> Result<Response, ApiError> {
    let (selection, as_of) = selection.parse()?;
    let silent_days = number("silent_days", params.silent_days.as_deref(), 3, 365)?;
    let silent_ms = i64::try_from(silent_days).unwrap_or(3) * DAY_MS;
    let mut reader = app.reader().await?;
    let (jobs, is_cut) = reader.jobs(&selection, as_of, MOST_JOBS).await?;
    let outcomes = reader.outcomes_by_day(&selection, as_of).await?;
    let by_run: Vec<_> = jobs_by_run(&jobs).into_iter().take(MOST_LISTED).collect();
    let failed: Vec<&JobOfRun> = jobs.iter().filter(|job| job.job.outcome != "ok").take(MOST_LISTED).collect();
    let mut ids: Vec<i64> = by_run
        .iter()
        .map(|(run, ..)| *run)
        .chain(failed.iter().map(|job| job.run))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let heads = reader.run_heads(&ids, as_of).await?;
    reader.give_back();
    let days: Vec<Value> = jobs_by_day(&jobs)
        .iter()
        .map(|(day, group)| with(group, [("day", json!(date(*day)))]))
        .collect();
    let machines: Vec<Value> = jobs_by_machine(&jobs, silent_ms)
        .iter()
        .map(|machine| {
            let members = [
                ("machine", json!(machine.machine)),
                ("hardware", json!(machine.hardware)),
                ("last", json!(date(machine.last_ms))),
                ("last_good", json!(machine.last_good_ms.and_then(date))),
                ("is_silent", json!(machine.is_silent)),
            ];
            with(&machine.group, members)
        })
        .collect();
    let runs: Vec<Value> = by_run
        .iter()
        .map(|(run, _, group)| with(group, [("run", json!(heads.get(run)))]))
        .collect();
    let failures: Vec<Value> = failed
        .iter()
        .map(|found| {
            json!({
                "run": heads.get(&found.run), "class": found.job.outcome, "reason": found.job.reason, "job": found.job.job_id,
                "curve": found.job.curve.to_string(), "machine": found.machine(), "seconds": found.job.seconds,
                "phase": found.job.phases.iter().find(|phase| !matches!(phase.ending.as_str(), "done" | "skipped")).map(|phase| &phase.phase),
            })
        })
        .collect();
    let document = json!({
        "total": with(&JobGroup::of(&jobs), []),
        "days": days,
        "machines": machines,
        "runs": runs,
        "failures": failures,
        "outcomes": outcomes,
        "is_cut": is_cut,
    });
    answer::document(format, &document, "machines")
}

/// The sums of jobs with more members.
fn with<const N: usize>(group: &JobGroup, members: [(&str, Value); N]) -> Value {
    let mut row = match json!(group) {
        Value::Object(row) => row,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    row.insert("success".to_owned(), json!(group.success()));
    row.extend(members.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(row)
}
