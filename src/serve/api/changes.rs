//! `/changes`: where levels changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use super::series::metric;
use crate::analysis::{Level, LevelChange, MetricLevels};
use crate::model::PointKey;
use crate::result::Metric;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::{SelectionParams, date};
use crate::store::database::{Annotation, RunHead};

/// Of which metric.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct ChangeParams {
    /// The metric [default: all that are compared].
    pub metric: Option<String>,
}

/// How near an annotation is to a change at least, milliseconds: three days.
const NEAR_MS: i64 = 3 * 86_400_000;

/// Change points of a branch
///
/// The change of the level happened after `after_run` and at the latest with `run`; the method is that of the kept levels. With `as_of`, levels are
/// computed from what held then. Without `branch`, it is `main`. `low` and `high` are the 95 % interval of `relative`.
/// Annotations of the point between the two runs and within three days stand beside it, with where the two runs come from.
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
    let points = points.ok_or(ApiError::TooMany { most, what: "values" })?;
    let mut edges: Vec<i64> = points.iter().flat_map(|point| &point.levels).flat_map(edges_of).collect();
    edges.sort_unstable();
    edges.dedup();
    let heads = reader.run_heads(&edges, as_of).await?;
    reader.give_back();
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
                        change(&point.key, levels.metric, pair, &point.method, &annotations, &heads),
                    ));
                }
            }
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let rows: Vec<Value> = found.into_iter().map(|(_, row)| row).collect();
    answer::list(format, &rows, None)
}

/// The runs on both sides of each change.
fn edges_of(levels: &MetricLevels) -> Vec<i64> {
    levels
        .levels
        .windows(2)
        .flat_map(|pair| [pair[0].to_run, pair[1].from_run])
        .collect()
}

fn change(
    key: &PointKey,
    metric: Metric,
    pair: &[Level],
    method: &str,
    annotations: &[Annotation],
    heads: &BTreeMap<i64, RunHead>,
) -> Value {
    let (before, after) = (&pair[0], &pair[1]);
    let change = LevelChange {
        key: key.clone(),
        metric,
        before: *before,
        after: *after,
        newest: *after,
    };
    let (relative, interval) = (change.relative(), change.interval());
    let is_better = change.gain() > 0.0;
    let (good, bad) = (heads.get(&before.to_run), heads.get(&after.from_run));
    let near: Vec<&Annotation> = annotations
        .iter()
        .filter(|annotation| annotation.concerns(key, [(after.from_run, after.from_ms)], (after.from_ms - before.to_ms).max(NEAR_MS)))
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
        "low": interval.map(|interval| interval.low),
        "high": interval.map(|interval| interval.high),
        "sd": after.sd,
        "runs_before": before.runs,
        "runs_since": after.runs,
        "verdict": if is_better { "better" } else { "worse" },
        "method": method,
        "annotations": near,
        "good": good,
        "bad": bad,
        "compare_url": good.zip(bad).and_then(|(good, bad)| good.compare_url(bad)),
    })
}
