//! `/runs` and one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::files::{digest_of, files_of_folder, source_row};
use super::projects::StateParams;
use crate::analysis::{JobSummary, RunPlan};
use crate::model::CurveKey;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing, flag, number};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::{run_number, state, time};
use crate::store::database::{FailedPoint, RunFilter, RunOutline};

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct RunParams {
    /// Only runs of this project.
    pub project: Option<String>,
    /// Only runs of this branch.
    pub branch: Option<String>,
    /// Only runs that were measured from then on, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<String>,
    /// Only runs that were measured before.
    #[param(value_type = Option<String>, format = DateTime)]
    pub until: Option<String>,
    /// The state at this time, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
    /// Also runs that were retracted.
    #[param(value_type = Option<bool>)]
    pub retracted: Option<String>,
    /// Runs of a page [default: 100].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// Runs, the newest first
#[utoipa::path(get, path = "/api/v1/runs", tag = "results", params(RunParams),
    responses((status = 200, description = "Runs", body = inline(ObjectList))))]
pub(in crate::serve) async fn runs(app: Arc<App>, format: Format, Form(params, Nothing {}): Form<RunParams>) -> Result<Response, ApiError> {
    let RunParams {
        project,
        branch,
        since,
        until,
        as_of,
        retracted,
        limit,
        cursor,
    } = params;
    let is_bounded = format == Format::Json || limit.is_some();
    let most = if is_bounded {
        number("limit", limit.as_deref(), 100, 1000)?
    } else {
        // The other formats have no `next`: a part would pass for the whole.
        app.limits.points
    };
    let after = cursor.as_deref().map(place).transpose()?;
    let filter = RunFilter {
        project,
        branch,
        since: time("since", since.as_deref())?,
        until: time("until", until.as_deref())?,
        as_of: state(as_of.as_deref())?,
        with_retracted: flag("retracted", retracted.as_deref())?,
        behind: after,
        newest: Some(most + 1),
        ..RunFilter::default()
    };
    let mut reader = app.reader().await?;
    let mut runs = reader.runs(&filter).await?;
    reader.give_back();
    let has_more = runs.len() > most;
    if has_more && !is_bounded {
        return Err(ApiError::TooMany { most, what: "runs" });
    }
    runs.truncate(most);
    let last = runs.last().filter(|_| has_more);
    let next = last.map(|run| format!("{}.{}", run.started_ms, run.id));
    answer::list(format, &answer::values(&runs)?, next.as_deref())
}

/// The time and number of a run.
fn place(cursor: &str) -> Result<(i64, i64), ApiError> {
    let place = cursor
        .split_once('.')
        .and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    place.ok_or_else(|| ApiError::parameter("cursor", cursor, "the `next` of an answer"))
}

/// A run with its plan, jobs, verdicts and files
///
/// `plan` is what was to be measured: of each curve the concurrencies, those that were measured, and the jobs. `planned` has the rows of the plan
/// that was published with the run, and is null without one; `plan` is of the run's points then. `jobs` tell where their time went,
/// `verdicts` are those that were given when the run was compared. `problems` has the contradictions between plan and results, `failures` the
/// points without numbers, `files` the digests of what was read and `sources` what is known of these files. Other formats than JSON have the
/// failures. With `as_of`, plan, results and failures are those of that time.
#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "results",
    params(("run" = i64, Path, minimum = 1, description = "The number of the run in this history"), StateParams),
    responses((status = 200, description = "The run", body = Object), (status = 404, description = "There is no such run")))]
pub(in crate::serve) async fn run(
    app: Arc<App>,
    format: Format,
    (Path(run), Form(params, Nothing {})): (Path<String>, Form<StateParams>),
) -> Result<Response, ApiError> {
    let id = run_number("run", &run)?;
    let filter = RunFilter {
        id: Some(id),
        with_retracted: true,
        as_of: state(params.as_of.as_deref())?,
        ..RunFilter::default()
    };
    let served = app.served();
    let mut reader = served.readers.take().await?;
    let summaries = reader.runs(&filter).await?;
    let Some(summary) = summaries.into_iter().next() else {
        reader.give_back();
        return Err(ApiError::no_run(id));
    };
    let outline = reader.run_outline(&summary).await?;
    let planned = reader.run_plan(&summary).await?;
    let (jobs, verdicts) = (reader.run_jobs(id).await?, reader.run_verdicts(id).await?);
    let files = reader.files_of_run(id).await?;
    let mut sources = files_of_folder(&served);
    for digest in files
        .iter()
        .filter(|digest| sources.iter().all(|known| known["digest"] != json!(digest)))
        .cloned()
        .collect::<Vec<_>>()
    {
        let digest = digest_of(&digest)?;
        if let Some(file) = reader.source_file(&digest).await? {
            sources.push(source_row(&served, &digest, json!(file)));
        }
    }
    reader.give_back();
    let failures: Vec<Value> = outline.failures.iter().map(failure).collect();
    let document = json!({
        "run": summary,
        "context": outline.run.context,
        "plan": plan(&outline, planned.as_ref(), &jobs),
        "planned": planned.map(|planned| planned.rows),
        "jobs": jobs,
        "verdicts": verdicts,
        "problems": outline.run.run.problems,
        "evals": outline.run.run.evals,
        "stats": outline.stats(),
        "failures": failures,
        "files": files,
        "sources": sources,
    });
    answer::document(format, &document, "failures")
}

fn failure(failed: &FailedPoint) -> Value {
    let FailedPoint { key, class, reason } = failed;
    json!({ "point": key.to_string(), "key": key, "class": class, "reason": reason })
}

/// What was to be measured of a curve.
#[derive(Default)]
struct PlannedCurve {
    concurrencies: BTreeSet<u32>,
    measured: Vec<u32>,
    jobs: Vec<String>,
}

/// What was to be measured: by the plan that was kept, and by the points: a planned point without a result is a failed one, and a part of the run
/// may have been measured by another plan.
fn plan(outline: &RunOutline, planned: Option<&RunPlan>, jobs: &[JobSummary]) -> Vec<Value> {
    let mut curves: BTreeMap<&CurveKey, PlannedCurve> = BTreeMap::new();
    for (curve, points) in &outline.curves {
        let of_curve = curves.entry(curve).or_default();
        of_curve.concurrencies.extend(points.iter().map(|(conc, _)| conc.get()));
        let measured = points.iter().filter(|(_, is_measured)| *is_measured);
        of_curve.measured.extend(measured.map(|(conc, _)| conc.get()));
    }
    for row in planned.iter().flat_map(|planned| &planned.rows) {
        if !row.concurrencies.is_empty() {
            curves.entry(&row.curve).or_default().concurrencies.extend(&row.concurrencies);
        }
    }
    for job in jobs {
        if let Some(of_curve) = curves.get_mut(&job.curve) {
            of_curve.jobs.push(job.job_id.clone());
        }
    }
    let row = |(curve, of_curve): (&CurveKey, PlannedCurve)| {
        let PlannedCurve {
            concurrencies,
            measured,
            jobs,
        } = of_curve;
        json!({ "curve": curve.to_string(), "key": curve, "concurrencies": concurrencies, "measured": measured, "jobs": jobs })
    };
    curves.into_iter().map(row).collect()
}
