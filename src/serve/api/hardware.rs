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

/// Prices of hardware
#[utoipa::path(get, path = "/api/v1/prices", tag = "costs",
    responses((status = 200, description = "US dollars for one GPU-hour, with provider, kind, day and source; the first of a kind of hardware counts unless a provider is named", body = inline(ObjectList))))]
pub(in crate::serve) async fn prices(_app: Arc<App>, format: Format, Form(Nothing {}, _): Form<Nothing>) -> Result<Response, ApiError> {
    let costs = CostModel::built_in(None).map_err(ApiError::internal)?;
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
