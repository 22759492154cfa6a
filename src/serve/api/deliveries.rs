//! `/deliveries`: the log of messages.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::authorization::{Holder, authorized};
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing, number};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::store::database::Scope;

/// How many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct DeliveryParams {
    /// Messages, the newest [default: 100].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    pub limit: Option<String>,
}

/// Messages of saved queries, the newest first
///
/// Those that wait, with the time of the next attempt, and those that were delivered or given up, with the last answer of their receiver. For
/// tokens with the scope admin that are not bound to a project.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "operation", security(("token" = [])), params(DeliveryParams),
    responses((status = 200, description = "Messages with their receivers, attempts and states", body = inline(ObjectList)),
        (status = 403, description = "The token lacks the scope admin")))]
pub(in crate::serve) async fn deliveries(
    app: Arc<App>,
    format: Format,
    (headers, Form(params, Nothing {})): (HeaderMap, Form<DeliveryParams>),
) -> Result<Response, ApiError> {
    let most = number("limit", params.limit.as_deref(), 100, 10_000)?;
    let Holder { token, .. } = authorized(&app, &headers, Some(Scope::Admin)).await?;
    if token.project.is_some() || token.branch.is_some() {
        return Err(ApiError::Forbidden(
            "the log is of all projects; the token is bound to one".to_owned(),
        ));
    }
    let mut reader = app.reader().await?;
    let deliveries = reader.deliveries(most).await?;
    reader.give_back();
    answer::list(format, &answer::values(&deliveries)?, None)
}
