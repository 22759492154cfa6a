//! `/audit` and `/deliveries`: the logs of writes and of messages.

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
use crate::serve::readers::Reader;
use crate::store::database::Scope;

/// How many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct LogParams {
    /// Entries, the newest [default: 100].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    pub limit: Option<String>,
}

/// The log of writes, the newest first
///
/// For tokens with the scope admin that are not bound to a project.
#[utoipa::path(get, path = "/api/v1/audit", tag = "writes", security(("token" = [])), params(LogParams),
    responses((status = 200, description = "Writes that were asked for with a valid token, also those that were refused", body = inline(ObjectList)),
        (status = 403, description = "The token lacks the scope admin")))]
pub(in crate::serve) async fn audit(
    app: Arc<App>,
    format: Format,
    (headers, Form(params, Nothing {})): (HeaderMap, Form<LogParams>),
) -> Result<Response, ApiError> {
    let (mut reader, most) = log(&app, &headers, &params).await?;
    let writes = reader.writes(most).await?;
    reader.give_back();
    answer::list(format, &answer::values(&writes)?, None)
}

/// Messages of saved queries, the newest first
///
/// Those that wait, with the time of the next attempt, and those that were delivered or given up, with the last answer of their receiver. For
/// tokens with the scope admin that are not bound to a project.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "operation", security(("token" = [])), params(LogParams),
    responses((status = 200, description = "Messages with their receivers, attempts and states", body = inline(ObjectList)),
        (status = 403, description = "The token lacks the scope admin")))]
pub(in crate::serve) async fn deliveries(
    app: Arc<App>,
    format: Format,
    (headers, Form(params, Nothing {})): (HeaderMap, Form<LogParams>),
) -> Result<Response, ApiError> {
    let (mut reader, most) = log(&app, &headers, &params).await?;
    let deliveries = reader.deliveries(most).await?;
    reader.give_back();
    answer::list(format, &answer::values(&deliveries)?, None)
}

/// A connection for one who may read the logs, which are of all projects, and how many entries are wanted.
async fn log(app: &App, headers: &HeaderMap, params: &LogParams) -> Result<(Reader, usize), ApiError> {
    let most = number("limit", params.limit.as_deref(), 100, 10_000)?;
    let Holder { token, .. } = authorized(app, headers, Some(Scope::Admin)).await?;
    if token.project.is_some() || token.branch.is_some() {
        return Err(ApiError::Forbidden(
            "the log is of all projects and branches, and the token is bound to one; imax token create without --project and --branch makes another"
                .to_owned(),
        ));
    }
    Ok((app.reader().await?, most))
}
