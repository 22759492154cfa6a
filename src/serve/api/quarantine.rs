//! `/quarantine`.

use std::sync::Arc;

use axum::response::Response;

use super::projects::StateParams;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::state;

/// Rows that were not understood, with the reasons
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "results", params(StateParams),
    responses((status = 200, description = "Rows, the oldest first; `payload` is what was found, cut to 64 KiB", body = inline(ObjectList))))]
pub(in crate::serve) async fn quarantine(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<StateParams>,
) -> Result<Response, ApiError> {
    let as_of = state(params.as_of.as_deref())?;
    let mut reader = app.reader().await?;
    let rows = reader.quarantined(as_of).await?;
    reader.give_back();
    answer::list(format, &answer::values(&rows)?, None)
}
