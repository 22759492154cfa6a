//! `/hardware` and `/prices`: what costs are computed from.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::analysis::CostModel;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::store::database::AsOf;

/// Hardware with its power
#[utoipa::path(get, path = "/api/v1/hardware", tag = "costs",
    responses((status = 200, description = "Hardware by name; power in watts, null where it is not known", body = inline(ObjectList))))]
pub(in crate::serve) async fn hardware(_app: Arc<App>, format: Format, Form(Nothing {}, _): Form<Nothing>) -> Result<Response, ApiError> {
    let costs = CostModel::built_in(None).map_err(ApiError::internal)?;
    let rows: Vec<Value> = costs
        .names()
        .map(|name| {
            let cost = costs.cost_of(name);
            json!({ "hardware": name, "tdp_w": cost.map(|cost| cost.tdp_w), "host_w": cost.map(|cost| cost.host_w) })
        })
        .collect();
    answer::list(format, &rows, None)
}

/// The costs with the prices of the history.
pub(in crate::serve) async fn cost_model(app: &App, as_of: AsOf) -> Result<CostModel, ApiError> {
    let mut reader = app.reader().await?;
    let prices = reader.prices(as_of).await?;
    reader.give_back();
    Ok(CostModel::built_in(None).map_err(ApiError::internal)?.with_prices(&prices))
}

/// Prices of hardware
#[utoipa::path(get, path = "/api/v1/prices", tag = "costs",
    responses((status = 200, description = "US dollars for one GPU-hour, with provider, kind, day and source: those that the history keeps (imax history prices), and the list prices of other hardware; the first of a kind of hardware counts unless a provider is named", body = inline(ObjectList))))]
pub(in crate::serve) async fn prices(app: Arc<App>, format: Format, Form(Nothing {}, _): Form<Nothing>) -> Result<Response, ApiError> {
    let costs = cost_model(&app, AsOf::Now).await?;
    let mut rows: Vec<Value> = Vec::new();
    for name in costs.names() {
        for price in costs.cost_of(name).into_iter().flat_map(|cost| &cost.prices) {
            rows.push(json!({
                "hardware": name,
                "provider": price.provider,
                "date": price.date,
                "usd_per_gpu_hour": price.usd_per_gpu_hour,
                "kind": price.kind,
                "source": price.source,
            }));
        }
    }
    answer::list(format, &rows, None)
}
