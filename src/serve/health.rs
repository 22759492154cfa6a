//! Probes of orchestrators and load balancers.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::app::Shared;
use super::blocking::on_blocking_thread;
use super::error::ApiError;
use crate::store::database::AsOf;

/// A probe waits less than its sender.
const PROBE_TIME: Duration = Duration::from_secs(5);

/// The process answers
#[utoipa::path(get, path = "/healthz", tag = "operation",
    responses((status = 200, description = "ok", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> Response {
    ok()
}

/// The history answers
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "ok", body = String, content_type = "text/plain")))]
pub(super) async fn readyz(State(app): Shared) -> Result<Response, ApiError> {
    let read = move || async move {
        let mut reader = app.reader().await?;
        reader.generation(AsOf::Now).await?;
        reader.give_back();
        Ok(ok())
    };
    on_blocking_thread(PROBE_TIME, read).await
}

fn ok() -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "ok\n").into_response()
}
