//! The report for programs: the run, and the comparison if there is one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::view::View;
use crate::analysis::{Comparison, Grouping, PointCost, Run};
use crate::model::PointKey;

/// The format; the number after the slash grows when a reader must change.
const SCHEMA: &str = "imax-report/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    headline: String,
    run: Cow<'a, Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<&'a Comparison>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupOfPoints<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    costs: Vec<Cost<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    answers: &'a [String],
}

/// Groups of points, if they are not the default ones.
#[derive(Serialize)]
struct GroupOfPoints<'a> {
    by: BTreeMap<&'static str, &'a str>,
    points: Vec<&'a PointKey>,
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
    serde_json::to_string_pretty(&document(view))
}

/// Several runs as indented JSON: the report of each, with its name.
///
/// # Errors
/// As [`json`].
pub fn json_of_several(runs: &[(&str, View)]) -> Result<String, serde_json::Error> {
    let named = runs.iter().map(|(name, view)| Named {
        name,
        report: document(view),
    });
    serde_json::to_string_pretty(&Several {
        schema: SEVERAL_SCHEMA,
        runs: named.collect(),
    })
}

/// The format of several reports, the first of which is the base of the others.
const SEVERAL_SCHEMA: &str = "imax-reports/1";

#[derive(Serialize)]
struct Several<'a> {
    schema: &'static str,
    runs: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    report: Document<'a>,
}

/// A run as reports have it: its records are for histories, and larger than all the rest.
fn without_records(run: &Run) -> Cow<'_, Run> {
    if run.records.is_empty() {
        return Cow::Borrowed(run);
    }
    let mut run = run.clone();
    run.records.clear();
    Cow::Owned(run)
}

fn document<'a>(view: &'a View) -> Document<'a> {
    let rows = view.groups.iter().flat_map(|group| &group.rows);
    let costs = rows.filter_map(|row| {
        let point = &row.point.key;
        row.cost.as_ref().map(|cost| Cost { point, cost })
    });
    let groups = view.groups.iter().filter(|_| view.grouping != Grouping::default());
    let groups = groups.map(|group| GroupOfPoints {
        by: group.values.iter().map(|(field, value)| (field.name(), value.as_str())).collect(),
        points: group.rows.iter().map(|row| &row.point.key).collect(),
    });
    Document {
        schema: SCHEMA,
        headline: view.headline(),
        run: without_records(view.run),
        comparison: view.comparison,
        groups: groups.collect(),
        costs: costs.collect(),
        answers: &view.answers,
    }
}
