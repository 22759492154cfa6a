//! `/cheapest`: objectives and tokens to configurations with their costs.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::analysis::{CostError, CostModel, Slo, TokenKind, cheapest as cheapest_points};
use crate::result::{Metric, Point};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, number};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;

/// What is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct CheapestParams {
    /// Objectives that must all be met: METRIC:STATISTIC<BOUND with ttft, tpot, itl or e2el in milliseconds, or interactivity:median>BOUND.
    #[param(value_type = Vec<String>, example = json!(["ttft:p99<500", "interactivity:median>30"]))]
    pub slo: Vec<String>,
    /// Which tokens are paid for: total, input, output [default: total].
    pub tokens: Option<String>,
    /// How many of these tokens are served a month.
    #[param(value_type = Option<f64>, example = 1_000_000_000.0)]
    pub tokens_per_month: Option<String>,
    /// Whose prices count [default: the first of each kind of hardware].
    pub provider: Option<String>,
    /// Configurations at most [default: 20].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
}

/// The cheapest configurations that meet objectives
///
/// From the newest curves of a branch (`main` without one). The interval of a cost is that of the throughput that it is computed from. Hardware
/// without a price has no cost and is not listed, see `/prices`.
#[utoipa::path(get, path = "/api/v1/cheapest", tag = "costs", params(SelectionParams, CheapestParams),
    responses((status = 200, description = "Configurations, the cheapest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn cheapest(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, CheapestParams>,
) -> Result<Response, ApiError> {
    let CheapestParams {
        slo,
        tokens,
        tokens_per_month,
        provider,
        limit,
    } = params;
    let (mut selection, as_of) = selection.parse()?;
    let slos: Result<Vec<Slo>, _> = slo.iter().map(|slo| slo.parse::<Slo>()).collect();
    let slos = slos.map_err(|error| ApiError::Invalid(error.to_string()))?;
    let kind = token_kind(tokens.as_deref())?;
    let per_month = tokens_per_month.as_deref().map(positive).transpose()?;
    let limit = number("limit", limit.as_deref(), 20, 1000)?;
    let costs = CostModel::built_in(provider.as_deref()).map_err(|error| match error {
        error @ CostError::Provider { .. } => ApiError::Invalid(error.to_string()),
        error @ (CostError::Form(_) | CostError::Number { .. }) => ApiError::internal(error),
    })?;
    selection.newest_on = Some(selection.branch.take().unwrap_or_else(|| "main".to_owned()));
    let most = app.limits.points;
    let mut reader = app.reader().await?;
    let points = reader.newest_points(&selection, as_of, most).await?;
    reader.give_back();
    let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
    let found = cheapest_points(points.iter().map(|(_, point)| point), &slos, kind, per_month, &costs);
    let row = |(point, cost): &(&Point, _)| {
        let mut row = json!({
            "point": point.key.to_string(),
            "model": point.key.curve.model_prefix,
            "hardware": point.key.curve.runner,
            "framework": point.key.curve.framework,
            "precision": point.key.curve.precision,
            "sequence": point.key.curve.workload.to_string(),
            "layout": point.key.curve.layout,
            "conc": point.key.conc,
            "gpus": point.gpus,
            "image": point.image,
            "tokens": kind,
            "throughput_per_gpu": point.get(Metric::ThroughputPerGpu),
            "interactivity": point.get(Metric::Interactivity),
            "ttft_s": point.get(Metric::Ttft),
        });
        let cost: Value = json!(cost as &crate::analysis::Cheapest);
        if let (Some(row), Some(cost)) = (row.as_object_mut(), cost.as_object()) {
            row.extend(cost.clone());
        }
        row
    };
    let rows: Vec<Value> = found.iter().take(limit).map(row).collect();
    answer::list(format, &rows, None)
}

fn token_kind(text: Option<&str>) -> Result<TokenKind, ApiError> {
    let Some(text) = text else { return Ok(TokenKind::Total) };
    let found = TokenKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| ApiError::parameter("tokens", text, "total, input or output"))
}

fn positive(text: &str) -> Result<f64, ApiError> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| ApiError::parameter("tokens_per_month", text, "a number above 0"))
}
