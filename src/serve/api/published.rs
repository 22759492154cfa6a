//! `/mlperf`: results of MLPerf and other benchmarks.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::state;
use crate::store::database::StoredPublished;

/// Which results.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct PublishedParams {
    /// Only results of this project.
    pub project: Option<String>,
    /// Only this benchmark, such as `mlperf-inference`; another one than MLPerf is possible.
    pub suite: Option<String>,
    /// Only this round.
    pub round: Option<String>,
    /// Only this model.
    pub model: Option<String>,
    /// Only this scenario, such as `Offline`.
    pub scenario: Option<String>,
    /// Only this submitter.
    pub submitter: Option<String>,
    /// Only this accelerator.
    pub hardware: Option<String>,
    /// The state at this time, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
}

/// Results of MLPerf
///
/// As their sources have them. Numbers for an accelerator are not official results of MLCommons, and are therefore not here.
#[utoipa::path(get, path = "/api/v1/mlperf", tag = "results", params(PublishedParams),
    responses((status = 200, description = "Results, the oldest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn mlperf(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<PublishedParams>,
) -> Result<Response, ApiError> {
    let as_of = state(params.as_of.as_deref())?;
    let mut reader = app.reader().await?;
    let all = reader.published(params.project.as_deref(), as_of).await?;
    reader.give_back();
    let found: Vec<StoredPublished> = all.into_iter().filter(|stored| is_wanted(stored, &params)).collect();
    let rows: Vec<Value> = answer::values(&found)?;
    answer::list(format, &rows, None)
}

fn is_wanted(stored: &StoredPublished, params: &PublishedParams) -> bool {
    let PublishedParams {
        project: _,
        suite,
        round,
        model,
        scenario,
        submitter,
        hardware,
        as_of: _,
    } = params;
    let result = &stored.result;
    let is_of_suite = match suite {
        Some(suite) => result.suite == *suite,
        None => result.suite.starts_with("mlperf"),
    };
    let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    is_of_suite
        && is(model, Some(&result.model))
        && is(round, result.round.as_deref())
        && is(scenario, result.scenario.as_deref())
        && is(submitter, result.submitter.as_deref())
        && is(hardware, result.hardware.as_deref())
}
