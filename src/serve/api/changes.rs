//! `/changes`: where levels changed.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::series::metric;
use crate::analysis::Level;
use crate::model::{Better, PointKey};
use crate::result::Metric;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::{SelectionParams, date};
use crate::store::database::Annotation;

/// Of which metric.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct ChangeParams {
    /// The metric [default: all that are compared].
    pub metric: Option<String>,
}

/// How near an annotation is to a change, milliseconds: three days.
const NEAR_MS: i64 = 3 * 86_400_000;

/// Change points of a branch
///
/// The change of the level happened after `after_run` and at the latest with `run`; the method is that of the kept levels. With `as_of`, levels are
/// computed from what held then. Without `branch`, it is `main`. Annotations of the point within three days stand beside it.
#[utoipa::path(get, path = "/api/v1/changes", tag = "results", params(SelectionParams, ChangeParams),
    responses((status = 200, description = "Changes, the newest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn changes(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, ChangeParams>,
) -> Result<Response, ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    let wanted = params.metric.as_deref().map(|text| metric(Some(text))).transpose()?;
    let branch = selection.branch.take().unwrap_or_else(|| "main".to_owned());
    let (since, until) = (selection.since, selection.until);
    let mut reader = app.reader().await?;
    let most = app.limits.points;
    let points = reader.levels_at(&selection, &branch, as_of, most).await?;
    let annotations = reader.annotations(as_of).await?;
    reader.give_back();
    let points = points.ok_or(ApiError::TooMany { most, what: "values" })?;
    let mut found: Vec<(i64, Value)> = Vec::new();
    for point in &points {
        for levels in point
            .levels
            .iter()
            .filter(|levels| wanted.is_none_or(|wanted| wanted == levels.metric))
        {
            for pair in levels.levels.windows(2) {
                let is_in = since.is_none_or(|since| pair[1].from_ms >= since.timestamp_millis())
                    && until.is_none_or(|until| pair[1].from_ms < until.timestamp_millis());
                if is_in {
                    found.push((
                        pair[1].from_ms,
                        change(&point.key, levels.metric, pair, &point.method, &annotations),
                    ));
                }
            }
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let rows: Vec<Value> = found.into_iter().map(|(_, row)| row).collect();
    answer::list(format, &rows, None)
}

fn change(key: &PointKey, metric: Metric, pair: &[Level], method: &str, annotations: &[Annotation]) -> Value {
    let (before, after) = (&pair[0], &pair[1]);
    let relative = after.mean / before.mean - 1.0;
    let is_better = match metric.better() {
        Better::Higher => relative > 0.0,
        Better::Lower => relative < 0.0,
    };
    let near: Vec<&Annotation> = annotations
        .iter()
        .filter(|annotation| annotation.concerns(key, [(after.from_run, after.from_ms)], NEAR_MS))
        .collect();
    json!({
        "point": key.to_string(),
        "key": key,
        "metric": metric,
        "after_run": before.to_run,
        "run": after.from_run,
        "after": date(before.to_ms),
        "at": date(after.from_ms),
        "before": before.mean,
        "now": after.mean,
        "relative": relative,
        "sd": after.sd,
        "runs_before": before.runs,
        "runs_since": after.runs,
        "verdict": if is_better { "better" } else { "worse" },
        "method": method,
        "annotations": near,
    })
}
