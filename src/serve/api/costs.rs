//! `/costs`: past measurements at the prices of today and of their day.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::cheapest::PriceParams;
use super::hardware::cost_model;
use crate::analysis::{CostQuestion, costs_then};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::point_object::{point_object, with};
use crate::serve::selection_params::SelectionParams;

/// Costs over time
///
/// Of each run of a branch (`main` without one) and each model, hardware, engine, precision and workload the point that costs least among those
/// that meet the objectives: at the price that counts today, and at the newest price of the same provider and kind that was known on the day of
/// the measurement (null where the list of prices begins later).
#[utoipa::path(get, path = "/api/v1/costs", tag = "costs", params(SelectionParams, PriceParams),
    responses((status = 200, description = "Points with the columns of `/points`, the oldest first; `today` and `then` with the price", body = inline(ObjectList))))]
pub(in crate::serve) async fn costs(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, PriceParams>,
) -> Result<Response, ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    let (slos, kind, costs) = params.parse(cost_model(&app, as_of).await?)?;
    selection.branch.get_or_insert_with(|| "main".to_owned());
    selection.without_pull_requests = selection.kind.is_none();
    let most = app.limits.points;
    let mut reader = app.reader().await?;
    let points = reader.run_points(&selection, as_of, most).await?;
    reader.give_back();
    let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
    let question = CostQuestion {
        slos,
        ..CostQuestion::of(kind)
    };
    let rows: Result<Vec<Value>, ApiError> = costs_then(&points, &question, &costs)
        .iter()
        .map(|found| {
            let prices = json!({ "tokens": kind, "today": found.today, "then": found.then });
            with(point_object(found.found), &prices)
        })
        .collect();
    answer::list(format, &rows?, None)
}
