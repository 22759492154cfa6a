//! `/accuracy`: points beside the scores of their configurations.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::analysis::{RunEval, accuracy as accuracy_of};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::point_object::{point_object, with};
use crate::serve::selection_params::SelectionParams;
use crate::store::database::PointSelection;

/// The most scores that are looked at, the newest.
const MOST_SCORES: usize = 10_000;

/// Points beside the accuracy of their configurations
///
/// Of the newest curves of a branch (`main` without one). `place` is `on` the frontier of throughput per GPU and interactivity of those points
/// whose accuracy holds, `struck` (it would be on it, and its accuracy fell) or `behind`. `scores` are the newest of the configuration; each is
/// judged against the score of the same model and task, of any configuration, with the highest lower bound. It fell where a z-test says so with
/// 99 %. A configuration without scores has none, and is not struck.
#[utoipa::path(get, path = "/api/v1/accuracy", tag = "results", params(SelectionParams),
    responses((status = 200, description = "Points with the columns of `/points`, `scores`, `has_fallen` and `place`", body = inline(ObjectList))))]
pub(in crate::serve) async fn accuracy(
    app: Arc<App>,
    format: Format,
    Form(selection, Nothing {}): Form<SelectionParams>,
) -> Result<Response, ApiError> {
    answer::list(format, &accuracy_rows(&app, selection).await?, None)
}

/// The rows of `/accuracy`.
pub(in crate::serve) async fn accuracy_rows(app: &App, selection: SelectionParams) -> Result<Vec<Value>, ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    let branch = selection.branch.take().unwrap_or_else(|| "main".to_owned());
    let project = selection.project.clone();
    let selection = PointSelection {
        newest_on: Some(branch.clone()),
        ..selection
    };
    let most = app.limits.points;
    let mut reader = app.reader().await?;
    let points = reader.run_points(&selection, as_of, most).await?;
    let branch = Some(branch.as_str()).filter(|branch| !branch.is_empty());
    let scores = reader.scores(project.as_deref(), branch, None, as_of, MOST_SCORES).await?;
    reader.give_back();
    let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
    let scores: Vec<RunEval> = scores
        .into_iter()
        .map(|found| RunEval {
            run: found.run,
            date: found.date,
            score: found.score,
        })
        .collect();
    accuracy_of(points, &scores)
        .iter()
        .map(|found| {
            let judged = json!({ "scores": found.scores, "has_fallen": found.has_fallen, "place": found.place });
            with(point_object(&found.point), &judged)
        })
        .collect()
}
