//! `/annotated`: annotations with the points of the newest curves that they are about, for charts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::model::CurveKey;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::Annotation;

/// Annotations of the points that a chart of newest curves shows
///
/// Of the newest curves of a branch (`main` without one), or with `run` of that run: each annotation that is about some of their points, with
/// those points.
#[utoipa::path(get, path = "/api/v1/annotated", tag = "results", params(SelectionParams),
    responses((status = 200, description = "Annotations with `points`", body = inline(ObjectList))))]
pub(in crate::serve) async fn annotated(
    app: Arc<App>,
    format: Format,
    Form(selection, Nothing {}): Form<SelectionParams>,
) -> Result<Response, ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    if selection.run.is_none() {
        selection.newest_on = Some(selection.branch.take().unwrap_or_else(|| "main".to_owned()));
    }
    let most = app.limits.points;
    let mut reader = app.reader().await?;
    let annotations = reader.annotations(as_of).await?;
    if annotations.is_empty() {
        reader.give_back();
        return answer::list(format, &[], None);
    }
    let points = reader.newest_points(&selection, as_of, most).await?;
    let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
    let mut runs: Vec<i64> = points.iter().map(|(run, _)| *run).collect();
    runs.sort_unstable();
    runs.dedup();
    let heads = reader.run_heads(&runs, as_of).await?;
    reader.give_back();
    let mut hashes: BTreeMap<&CurveKey, String> = BTreeMap::new();
    for (_, point) in &points {
        hashes
            .entry(&point.key.curve)
            .or_insert_with(|| point.key.curve.identity().to_string());
    }
    let rows = annotations.iter().filter_map(|annotation| {
        let about = points.iter().filter(|(run, point)| {
            let started_ms = heads.get(run).map_or(0, |head| head.started_ms);
            annotation.concerns(&point.key, [(*run, started_ms)], 0)
        });
        let about: Vec<Value> = about
            .map(|(run, point)| json!({ "run": run, "curve": hashes.get(&point.key.curve), "conc": point.key.conc }))
            .collect();
        (!about.is_empty()).then(|| row(annotation, about))
    });
    answer::list(format, &rows.collect::<Vec<_>>(), None)
}

fn row(annotation: &Annotation, points: Vec<Value>) -> Value {
    let mut row = json!(annotation);
    if let Some(row) = row.as_object_mut() {
        row.insert("points".to_owned(), Value::Array(points));
    }
    row
}
