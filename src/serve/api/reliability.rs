//! `/reliability`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::analysis::{FieldFilter, Filter, PointField};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::{SelectionParams, date};
use crate::store::database::CurveCounts;

/// Points by hardware, engine and outcome
#[utoipa::path(get, path = "/api/v1/reliability", tag = "results", params(SelectionParams),
    responses((status = 200, description = "One object for each hardware and engine; `outcomes` has the numbers of points by failure class", body = inline(ObjectList))))]
pub(in crate::serve) async fn reliability(
    app: Arc<App>,
    format: Format,
    Form(selection, Nothing {}): Form<SelectionParams>,
) -> Result<Response, ApiError> {
    let (selection, as_of) = selection.parse()?;
    let mut reader = app.reader().await?;
    let curves = reader.point_counts(&selection, as_of).await?;
    reader.give_back();
    let rows: Vec<Value> = tally(&curves, &selection.filters)
        .into_iter()
        .map(|((hardware, framework), outcomes)| row(hardware, framework, &outcomes))
        .collect();
    answer::list(format, &rows, None)
}

/// Points with an outcome.
#[derive(Default)]
struct Tally {
    points: i64,
    newest_ms: i64,
}

/// By failure class, or `measured`.
type Outcomes<'a> = BTreeMap<&'a str, Tally>;

fn tally<'a>(curves: &'a [CurveCounts], filters: &[Filter]) -> BTreeMap<(&'a str, &'a str), Outcomes<'a>> {
    let mut concurrency = FieldFilter::new(PointField::Concurrency, filters);
    let mut of_curve: Vec<(PointField, FieldFilter<'_>)> = PointField::ALL
        .into_iter()
        .map(|field| (field, FieldFilter::new(field, filters)))
        .collect();
    let mut found: BTreeMap<(&str, &str), Outcomes<'_>> = BTreeMap::new();
    for curve in curves {
        let is_selected = of_curve
            .iter_mut()
            .all(|(field, filter)| curve.value(*field).is_none_or(|value| filter.matches(value)));
        if !is_selected {
            continue;
        }
        for load in &curve.loads {
            if concurrency.matches(&load.load.to_string()) {
                let row = found.entry((&curve.hardware, &curve.framework)).or_default();
                let tally = row.entry(load.outcome.as_str()).or_default();
                tally.points += load.points;
                tally.newest_ms = tally.newest_ms.max(load.newest_ms);
            }
        }
    }
    found
}

fn row(hardware: &str, framework: &str, outcomes: &Outcomes<'_>) -> Value {
    let points: i64 = outcomes.values().map(|tally| tally.points).sum();
    let measured = outcomes.get("measured").map_or(0, |tally| tally.points);
    let failed = outcomes.iter().filter(|(outcome, _)| **outcome != "measured");
    let newest_failed = failed.map(|(_, tally)| tally.newest_ms).max();
    let counts: BTreeMap<&str, i64> = outcomes.iter().map(|(outcome, tally)| (*outcome, tally.points)).collect();
    json!({
        "hardware": hardware,
        "framework": framework,
        "points": points,
        "measured": measured,
        "failed": points - measured,
        "outcomes": counts,
        "newest_measured": outcomes.get("measured").map(|tally| date(tally.newest_ms)),
        "newest_failed": newest_failed.map(date),
    })
}
