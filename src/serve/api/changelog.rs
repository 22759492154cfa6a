//! `/changelog`: which entries of the changelog made runs measure which curves.

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
use crate::serve::selection_params::filters;
use crate::store::database::ChangelogFilter;

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct ChangelogParams {
    /// Only entries about such curves: `KEY=GLOB` with KEY one of model, hardware, framework, precision, sequence, layout. Several filters of one key
    /// are alternatives, several keys must all match.
    #[param(value_type = Vec<String>, example = json!(["model=dsr1", "hardware=h200*"]))]
    pub filter: Vec<String>,
    /// Only runs of this project.
    pub project: Option<String>,
    /// Only runs of this branch.
    pub branch: Option<String>,
}

/// Entries of the changelog that were measured
///
/// Newest first, each with the run that measured it, the pull request, and the curves that it made the run measure.
#[utoipa::path(get, path = "/api/v1/changelog", tag = "results", params(ChangelogParams),
    responses((status = 200, description = "Entries with their runs and curves", body = inline(ObjectList))))]
pub(in crate::serve) async fn changelog(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<ChangelogParams, Nothing>,
) -> Result<Response, ApiError> {
    let ChangelogParams { filter, project, branch } = params;
    let filter = ChangelogFilter {
        project,
        branch,
        curves: filters(&filter)?,
    };
    let mut reader = app.reader().await?;
    let entries = reader.changelog(&filter).await?;
    reader.give_back();
    answer::list(format, &answer::values(&entries)?, None)
}
