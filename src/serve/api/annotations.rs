//! `/annotations`.

use std::sync::Arc;

use axum::response::Response;

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;

/// What people know about runs, points and periods
#[utoipa::path(get, path = "/api/v1/annotations", tag = "results",
    responses((status = 200, description = "Annotations that hold, the oldest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn annotations(app: Arc<App>, format: Format, Form(Nothing {}, _): Form<Nothing>) -> Result<Response, ApiError> {
    let mut reader = app.reader().await?;
    let annotations = reader.annotations().await?;
    reader.give_back();
    answer::list(format, &answer::values(&annotations)?, None)
}
