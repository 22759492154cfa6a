//! `/frontier`: what can be had at an interactivity.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::analysis::FrontierKey;
use crate::analysis::pareto::{FrontierReading, Place, frontier as pareto_frontier, read_at};
use crate::result::{Metric, Point};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;

/// At which interactivity.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct FrontierParams {
    /// Interactivities, output tokens a second that a user sees.
    #[param(value_type = Vec<f64>, example = json!([30, 50]))]
    pub at: Vec<String>,
}

/// The most interactivities of a request.
const MOST_READINGS: usize = 20;

/// Pareto frontiers of throughput per GPU and interactivity
///
/// From the newest curves of a branch (`main` without one). `readings` tell the throughput at an interactivity: `measured`, `between` two
/// measured points on the straight line between them, `unreachable` above the largest, `below-measured` below the least, the last two with null.
#[utoipa::path(get, path = "/api/v1/frontier", tag = "results", params(SelectionParams, FrontierParams),
    responses((status = 200, description = "Frontiers; in other formats than JSON their readings, or points without `at`", body = inline(ObjectList))))]
pub(in crate::serve) async fn frontier(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, FrontierParams>,
) -> Result<Response, ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    let at = interactivities(&params.at)?;
    selection.newest_on = Some(selection.branch.take().unwrap_or_else(|| "main".to_owned()));
    let most = app.limits.points;
    let mut reader = app.reader().await?;
    let points = reader.newest_points(&selection, as_of, most).await?;
    reader.give_back();
    let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
    let mut groups: BTreeMap<FrontierKey, Vec<&(i64, Point)>> = BTreeMap::new();
    for found in &points {
        groups.entry(FrontierKey::of(&found.1.key.curve)).or_default().push(found);
    }
    let mut frontiers = Vec::new();
    let mut rows = Vec::new();
    for (key, points) in groups {
        let places: Vec<Place> = points.iter().filter_map(|(_, point)| place(point)).collect();
        let line = pareto_frontier(&places);
        let on_line: Vec<Value> = line.iter().filter_map(|on| shown(on, &points)).collect();
        let readings: Vec<Value> = at.iter().map(|at| reading(*at, &line)).collect();
        let name = key.to_string();
        rows.extend(if at.is_empty() { &on_line } else { &readings }.iter().map(|row| named(&name, row)));
        frontiers.push(json!({ "frontier": name, "key": key, "points": on_line, "readings": readings }));
    }
    match format {
        Format::Json => answer::list(format, &frontiers, None),
        Format::Csv | Format::Ndjson | Format::Parquet => answer::list(format, &rows, None),
    }
}

fn interactivities(texts: &[String]) -> Result<Vec<f64>, ApiError> {
    if texts.len() > MOST_READINGS {
        return Err(ApiError::Invalid(format!("more than {MOST_READINGS} interactivities")));
    }
    let parse = |text: &String| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        number.ok_or_else(|| ApiError::parameter("at", text, "a number above 0"))
    };
    texts.iter().map(parse).collect()
}

fn place(point: &Point) -> Option<Place> {
    Some(Place {
        interactivity: point.get(Metric::Interactivity)?,
        throughput: point.get(Metric::ThroughputPerGpu)?,
    })
}

/// The point at a place of the frontier.
fn shown(on: &Place, points: &[&(i64, Point)]) -> Option<Value> {
    let (run, point) = points.iter().find(|(_, point)| place(point) == Some(*on))?;
    Some(json!({
        "interactivity": on.interactivity,
        "throughput_per_gpu": on.throughput,
        "layout": point.key.curve.layout,
        "conc": point.key.conc,
        "gpus": point.gpus,
        "run": run,
        "image": point.image,
    }))
}

fn reading(at: f64, line: &[Place]) -> Value {
    let row = |kind: &str, throughput: Option<f64>, between: Option<[Place; 2]>| {
        json!({
            "at": at,
            "kind": kind,
            "throughput_per_gpu": throughput,
            "low": between.map(|[_, right]| right.throughput),
            "high": between.map(|[left, _]| left.throughput),
        })
    };
    match read_at(line, at) {
        Some(FrontierReading::Measured(throughput)) => row("measured", Some(throughput), None),
        Some(FrontierReading::Between { throughput, left, right }) => row("between", Some(throughput), Some([left, right])),
        Some(FrontierReading::BelowMeasured) => row("below-measured", None, None),
        Some(FrontierReading::Unreachable) | None => row("unreachable", None, None),
    }
}

fn named(name: &str, row: &Value) -> Value {
    let mut named = json!({ "frontier": name });
    if let (Some(named), Some(row)) = (named.as_object_mut(), row.as_object()) {
        named.extend(row.clone());
    }
    named
}
