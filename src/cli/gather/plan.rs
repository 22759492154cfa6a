//! The plan as a manifest: the rows in the JSON that `imax plan` wrote, each of their concurrencies a point to come.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use crate::cli::{Exit, Failure, OrExit as _};
use crate::matrix::Row;
use crate::model::FailureClass;
use crate::result::{Point, PointFailure};
use crate::system::files;

/// Parts of the search space that hold rows to be measured; its other parts are evaluations.
const PARTS: [&str; 2] = ["single_node", "multi_node"];

/// A point without numbers for each planned one.
///
/// # Errors
/// Invalid input for a file that is neither a search space nor a list of rows.
pub fn planned_points(path: &Path) -> Result<Vec<Point>, Failure> {
    let name = || path.display().to_string();
    let text = files::read_text(path).or_exit(Exit::InvalidInput)?;
    let plan: Value = serde_json::from_str(&text).with_context(name).or_exit(Exit::InvalidInput)?;
    let rows = rows_of(&plan).with_context(name).or_exit(Exit::InvalidInput)?;
    let to_measure = rows.iter().filter(|row| row.eval.only != Some(true));
    Ok(to_measure.flat_map(points_of_row).collect())
}

fn points_of_row(row: &Row) -> impl Iterator<Item = Point> + '_ {
    let failure = || PointFailure {
        class: FailureClass::Missing,
        reason: "planned, but neither a result nor a job record is among the artifacts".to_owned(),
    };
    row.conc.as_slice().iter().map(move |conc| Point::failed(row, *conc, failure()))
}

fn rows_of(plan: &Value) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    match plan {
        Value::Array(_) => add_rows(&mut rows, plan, "the list")?,
        Value::Object(plan) => {
            // The plan file has the search space in it.
            let plan = plan.get("search-space").and_then(Value::as_object).unwrap_or(plan);
            let parts = PARTS.iter().filter_map(|part| Some((*part, plan.get(*part)?)));
            for (part, content) in parts {
                let groups = content
                    .as_object()
                    .with_context(|| format!("{part} is no object of lists of rows"))?;
                for (group, list) in groups {
                    add_rows(&mut rows, list, &format!("{part}.{group}"))?;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(anyhow!("found no plan, expected the JSON that imax plan writes, or a list of rows"));
        }
    }
    Ok(rows)
}

fn add_rows(rows: &mut Vec<Row>, list: &Value, place: &str) -> anyhow::Result<()> {
    let list = list.as_array().with_context(|| format!("{place} is no list of rows"))?;
    for (index, row) in list.iter().enumerate() {
        let row = serde_json::from_value(row.clone()).with_context(|| format!("{place}[{index}]"))?;
        rows.push(row);
    }
    Ok(())
}
