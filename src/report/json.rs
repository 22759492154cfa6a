//! The report for programs: the run, and the comparison where there is one.

use serde::Serialize;

use super::view::View;
use crate::analysis::{Comparison, PointCost, Run};
use crate::model::PointKey;

/// The format; the number after the slash grows when a reader must change.
const SCHEMA: &str = "imax-report/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    headline: String,
    run: &'a Run,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    costs: Vec<Cost<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    answers: &'a [String],
}

#[derive(Serialize)]
struct Cost<'a> {
    point: &'a PointKey,
    #[serde(flatten)]
    cost: &'a PointCost,
}

/// The report as indented JSON.
///
/// # Errors
/// None in practice: all values of a run are finite and all keys are texts.
pub fn json(view: &View) -> Result<String, serde_json::Error> {
    let rows = view.groups.iter().flat_map(|group| &group.rows);
    let costs = rows.filter_map(|row| {
        let point = &row.point.key;
        row.cost.as_ref().map(|cost| Cost { point, cost })
    });
    serde_json::to_string_pretty(&Document {
        schema: SCHEMA,
        headline: view.headline(),
        run: view.run,
        comparison: view.comparison,
        costs: costs.collect(),
        answers: &view.answers,
    })
}
