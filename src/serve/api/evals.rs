//! `/evals`.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing, number};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::state;

/// Which scores.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct EvalParams {
    /// Only runs of this project.
    pub project: Option<String>,
    /// Only runs of this branch.
    pub branch: Option<String>,
    /// Only scores of this task.
    pub task: Option<String>,
    /// The state at this time, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
    /// Scores at most [default: 1000].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    pub limit: Option<String>,
}

/// Scores of evaluations, the newest first
#[utoipa::path(get, path = "/api/v1/evals", tag = "results", params(EvalParams),
    responses((status = 200, description = "Scores", body = inline(ObjectList))))]
pub(in crate::serve) async fn evals(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<EvalParams>,
) -> Result<Response, ApiError> {
    let EvalParams {
        project,
        branch,
        task,
        as_of,
        limit,
    } = params;
    let most = number("limit", limit.as_deref(), 1000, 10_000)?;
    let as_of = state(as_of.as_deref())?;
    let mut reader = app.reader().await?;
    let scores = reader
        .scores(project.as_deref(), branch.as_deref(), task.as_deref(), as_of, most)
        .await?;
    reader.give_back();
    let rows: Vec<Value> = scores
        .iter()
        .map(|found| {
            let key = &found.score.key;
            json!({
                "run": found.run,
                "date": found.date,
                "commit": found.commit,
                "branch": found.branch,
                "model": key.model_prefix,
                "hardware": key.hardware,
                "framework": key.framework,
                "precision": key.precision,
                "spec_decoding": key.spec_decoding,
                "layout": key.layout,
                "conc": key.conc,
                "task": key.task,
                "score_name": key.score_name,
                "score": found.score.score,
                "stderr": found.score.stderr,
            })
        })
        .collect();
    answer::list(format, &rows, None)
}
