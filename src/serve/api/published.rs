//! `/mlperf`, `/mlperf-derived` and `/mlperf-datasets`: results of MLPerf and other benchmarks, and what follows from them.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::analysis::{DerivedResult, derived_results};
use crate::result::PublishedResult;
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

/// Numbers derived from results of MLPerf †
///
/// By accelerator, node and 8 accelerators; Server and Interactive against Offline of the same submission; against the best of the round before.
/// None of them is an official result of MLCommons. A measurement that was submitted at 99 % and at 99.9 % is here once.
#[utoipa::path(get, path = "/api/v1/mlperf-derived", tag = "results", params(PublishedParams),
    responses((status = 200, description = "Results with derived numbers, the oldest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn derived(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<PublishedParams>,
) -> Result<Response, ApiError> {
    answer::list(format, &derived_rows(&app, &params).await?, None)
}

/// The rows of `/mlperf-derived`.
pub(in crate::serve) async fn derived_rows(app: &App, params: &PublishedParams) -> Result<Vec<Value>, ApiError> {
    let as_of = state(params.as_of.as_deref())?;
    let mut reader = app.reader().await?;
    let all = reader.published(params.project.as_deref(), as_of).await?;
    reader.give_back();
    // Which round is before another one does not depend on what is shown, nor whose Offline result a Server result has.
    let all: Vec<PublishedResult> = all
        .into_iter()
        .map(|stored| stored.result)
        .filter(|result| is_of_suite(result, params))
        .collect();
    let found: Vec<DerivedResult> = derived_results(&all)
        .into_iter()
        .filter(|result| {
            is_chosen(params.model.as_deref(), Some(&result.model))
                && is_chosen(params.round.as_deref(), result.round.as_deref())
                && is_chosen(params.scenario.as_deref(), result.scenario.as_deref())
                && is_chosen(params.submitter.as_deref(), result.submitter.as_deref())
                && is_chosen(params.hardware.as_deref(), result.hardware.as_deref())
        })
        .collect();
    answer::values(&found)
}

/// Lengths of the requests in MLPerf's data sets: histograms, with the file that they are counted from.
const DATA_SETS: &str = include_str!("mlperf_datasets.json");

/// Lengths of the requests in MLPerf's data sets
///
/// Tokens of inputs and outputs: mean, percentiles and a histogram. `bins[i]` counts lengths from `i * bin_width` on; the last bin has all longer
/// ones.
#[utoipa::path(get, path = "/api/v1/mlperf-datasets", tag = "results",
    responses((status = 200, description = "Data sets with the models that are measured with them", body = inline(ObjectList))))]
pub(in crate::serve) async fn data_sets(_app: Arc<App>, format: Format, Form(Nothing {}, _): Form<Nothing>) -> Result<Response, ApiError> {
    let rows: Vec<Value> = serde_json::from_str(DATA_SETS).map_err(ApiError::internal)?;
    answer::list(format, &rows, None)
}

/// Whether a value is the wanted one, or any is.
fn is_chosen(wanted: Option<&str>, found: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| found == Some(wanted))
}

fn is_of_suite(result: &PublishedResult, params: &PublishedParams) -> bool {
    match &params.suite {
        Some(suite) => result.suite == *suite,
        None => result.suite.starts_with("mlperf"),
    }
}

fn is_wanted(stored: &StoredPublished, params: &PublishedParams) -> bool {
    let PublishedParams {
        project: _,
        suite: _,
        round,
        model,
        scenario,
        submitter,
        hardware,
        as_of: _,
    } = params;
    let result = &stored.result;
    is_of_suite(result, params)
        && is_chosen(model.as_deref(), Some(&result.model))
        && is_chosen(round.as_deref(), result.round.as_deref())
        && is_chosen(scenario.as_deref(), result.scenario.as_deref())
        && is_chosen(submitter.as_deref(), result.submitter.as_deref())
        && is_chosen(hardware.as_deref(), result.hardware.as_deref())
}
