//! `/cheapest`: objectives and tokens to configurations with their costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::hardware::cost_model;
use crate::analysis::{
    CostError, CostModel, CostQuestion, PriceKind, Slo, TokenKind, Unreachable, cheapest as cheapest_points, cheapest_of_curves,
    unreachable,
};
use crate::model::PointKey;
use crate::result::{Metric, Point};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Both, Form, flag, number};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::{AsOf, PointSelection};

/// Objectives and prices.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct PriceParams {
    /// Objectives that must all be met: METRIC:STATISTIC<BOUND with ttft, tpot, itl or e2el in milliseconds, or interactivity:median>BOUND.
    #[param(value_type = Vec<String>, example = json!(["ttft:p99<500", "interactivity:median>30"]))]
    pub slo: Vec<String>,
    /// Which tokens are paid for: total, input, output [default: total].
    pub tokens: Option<String>,
    /// Whose prices count [default: the first of each kind of hardware].
    pub provider: Option<String>,
    /// Only prices of this kind: on-demand, spot, reserved, estimate.
    pub price_kind: Option<String>,
}

impl PriceParams {
    /// `costs` has the prices that may count.
    pub(in crate::serve) fn parse(self, costs: CostModel) -> Result<(Vec<Slo>, TokenKind, CostModel), ApiError> {
        let Self {
            slo,
            tokens,
            provider,
            price_kind,
        } = self;
        let slos: Result<Vec<Slo>, _> = slo.iter().map(|slo| slo.parse::<Slo>()).collect();
        let slos = slos.map_err(|error| ApiError::Invalid(error.to_string()))?;
        let costs = costs.of_provider(provider.as_deref()).map_err(|error| match error {
            error @ CostError::Provider { .. } => ApiError::Invalid(error.to_string()),
            error @ (CostError::Form(_) | CostError::Number { .. }) => ApiError::internal(error),
        })?;
        let price_kind = price_kind.as_deref().map(kind_of_price).transpose()?;
        Ok((slos, token_kind(tokens.as_deref())?, costs.with_price_kind(price_kind)))
    }
}

/// What it is wanted for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct DemandParams {
    /// How many of these tokens are served a month.
    #[param(value_type = Option<f64>, example = 1_000_000_000.0)]
    pub tokens_per_month: Option<String>,
    /// Instead of tokens, the power that a site has, kilowatts.
    #[param(value_type = Option<f64>)]
    pub power_kw: Option<String>,
    /// The share of the time that deployments may be busy on average [default: 1].
    #[param(value_type = Option<f64>, exclusive_minimum = 0, maximum = 1)]
    pub utilisation: Option<String>,
    /// What an API asks for a million of these tokens, US dollars: `break_even` compares with it.
    #[param(value_type = Option<f64>)]
    pub api_usd_per_million: Option<String>,
    /// Whether of each curve only the cheapest load is listed.
    #[param(value_type = Option<bool>)]
    pub configurations: Option<String>,
    /// Whether curves are listed, last, of which no load meets the objectives: with the load that comes nearest.
    #[param(value_type = Option<bool>)]
    pub unreachable: Option<String>,
    /// Whether results without a branch, as imports are, count like those of the branch.
    #[param(value_type = Option<bool>)]
    pub imports: Option<String>,
    /// Configurations at most [default: 20].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
}

/// The cheapest configurations that meet objectives
///
/// From the newest curves of a branch (`main` without one). The interval of a cost is that of the throughput that it is computed from. Hardware
/// without a price has no cost and is not listed, see `/prices`. `limited_by` is the objective with the least `headroom`, `next` the next load of
/// the curve where it is cheaper and misses objectives. `fleet` is made of whole deployments that are paid for a month of 730 hours;
/// `break_even.utilisation` is the share of a deployment's capacity from which on it is cheaper than the API. Power has hosts and facility,
/// `joules_per_million` the GPUs alone, at the measured power or the design power (`power_source`).
#[utoipa::path(get, path = "/api/v1/cheapest", tag = "costs", params(SelectionParams, PriceParams, DemandParams),
    responses((status = 200, description = "Configurations, the cheapest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn cheapest(
    app: Arc<App>,
    format: Format,
    Form(selection, Both(prices, demand)): Form<SelectionParams, Both<PriceParams, DemandParams>>,
) -> Result<Response, ApiError> {
    answer::list(format, &cheapest_rows(&app, selection, prices, demand).await?, None)
}

/// The rows of `/cheapest`.
pub(in crate::serve) async fn cheapest_rows(
    app: &App,
    selection: SelectionParams,
    prices: PriceParams,
    demand: DemandParams,
) -> Result<Vec<Value>, ApiError> {
    let (selection, as_of) = selection.parse()?;
    let (slos, kind, costs) = prices.parse(cost_model(app, as_of).await?)?;
    let DemandParams {
        tokens_per_month,
        power_kw,
        utilisation,
        api_usd_per_million,
        configurations,
        unreachable: lists_unreachable,
        imports,
        limit,
    } = demand;
    let question = CostQuestion {
        slos,
        kind,
        tokens_per_month: above_zero("tokens_per_month", tokens_per_month.as_deref())?,
        power_kw: above_zero("power_kw", power_kw.as_deref())?,
        utilisation: utilisation.as_deref().map(share).transpose()?.unwrap_or(1.0),
        api_usd_per_million: above_zero("api_usd_per_million", api_usd_per_million.as_deref())?,
    };
    let limit = number("limit", limit.as_deref(), 20, 1000)?;
    let (is_by_curve, lists_unreachable) = (
        flag("configurations", configurations.as_deref())?,
        flag("unreachable", lists_unreachable.as_deref())?,
    );
    let points = read(app, selection, as_of, flag("imports", imports.as_deref())?).await?;
    let mut found = cheapest_points(&points, &question, &costs);
    if is_by_curve {
        found = cheapest_of_curves(found);
    }
    let mut rows: Vec<Value> = found
        .iter()
        .take(limit)
        .map(|(point, cost)| merged(row(point, kind, true), json!(cost)))
        .collect();
    if lists_unreachable && !question.slos.is_empty() {
        let missed = unreachable(&points, &question.slos);
        let room = limit - rows.len();
        rows.extend(missed.iter().take(room).map(|found| {
            let Unreachable { nearest, objectives } = found;
            merged(
                row(nearest, kind, false),
                json!({ "usd_per_million": null, "objectives": objectives }),
            )
        }));
    }
    Ok(rows)
}

/// The newest points of the branch, and of the runs without one.
async fn read(app: &App, selection: PointSelection, as_of: AsOf, has_imports: bool) -> Result<Vec<Point>, ApiError> {
    let most = app.limits.points;
    let mut selection = selection;
    let branch = selection.branch.take().unwrap_or_else(|| "main".to_owned());
    let branches = if has_imports && !branch.is_empty() {
        vec![branch, String::new()]
    } else {
        vec![branch]
    };
    let mut reader = app.reader().await?;
    let mut points: BTreeMap<PointKey, Point> = BTreeMap::new();
    for branch in branches {
        selection.newest_on = Some(branch);
        let found = reader.newest_points(&selection, as_of, most).await?;
        let found = found.ok_or(ApiError::TooMany { most, what: "points" })?;
        for (_, point) in found {
            points.entry(point.key.clone()).or_insert(point);
        }
    }
    reader.give_back();
    Ok(points.into_values().collect())
}

fn row(point: &Point, kind: TokenKind, is_met: bool) -> Value {
    json!({
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
        "is_met": is_met,
        "throughput_per_gpu": point.get(Metric::ThroughputPerGpu),
        "interactivity": point.get(Metric::Interactivity),
        "ttft_s": point.get(Metric::Ttft),
    })
}

fn merged(mut row: Value, more: Value) -> Value {
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    row
}

fn token_kind(text: Option<&str>) -> Result<TokenKind, ApiError> {
    let Some(text) = text else { return Ok(TokenKind::Total) };
    let found = TokenKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| ApiError::parameter("tokens", text, "total, input or output"))
}

fn kind_of_price(text: &str) -> Result<PriceKind, ApiError> {
    let found = PriceKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| ApiError::parameter("price_kind", text, PriceKind::ALL.map(PriceKind::as_str).join(", ")))
}

fn above_zero(name: &str, text: Option<&str>) -> Result<Option<f64>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.map(Some).ok_or_else(|| ApiError::parameter(name, text, "a number above 0"))
}

fn share(text: &str) -> Result<f64, ApiError> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number <= 1.0);
    number.ok_or_else(|| ApiError::parameter("utilisation", text, "a number above 0 and at most 1"))
}
