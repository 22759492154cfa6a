//! `/annotations`.

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

/// What people know about runs, points and periods
#[utoipa::path(get, path = "/api/v1/annotations", tag = "results", params(StateParams),
    responses((status = 200, description = "Annotations that hold, the oldest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn annotations(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<StateParams>,
) -> Result<Response, ApiError> {
    let as_of = state(params.as_of.as_deref())?;
    let mut reader = app.reader().await?;
    let annotations = reader.annotations(as_of).await?;
    reader.give_back();
    answer::list(format, &answer::values(&annotations)?, None)
}
