//! `/projects`.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::state;

/// Which state.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct StateParams {
    /// The state at this time, RFC 3339: without later additions, corrections and retractions.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
}

/// Projects with their runs
#[utoipa::path(get, path = "/api/v1/projects", tag = "results", params(StateParams),
    responses((status = 200, description = "Projects by name", body = inline(ObjectList))))]
pub(in crate::serve) async fn projects(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<StateParams>,
) -> Result<Response, ApiError> {
    let as_of = state(params.as_of.as_deref())?;
    let mut reader = app.reader().await?;
    let projects = reader.projects(as_of).await?;
    reader.give_back();
    answer::list(format, &answer::values(&projects)?, None)
}
