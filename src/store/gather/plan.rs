//! The plan as a manifest: each concurrency of each row in the JSON that `imax plan` wrote is an expected point.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::analysis::{PlannedRow, RunPlan};
use crate::matrix::Row;
use crate::model::{FailureClass, MeasuredChange};
use crate::result::{Point, PointFailure};
use crate::system::files::FileError;
use crate::system::untrusted;

/// Parts of the search space with rows to measure; the other parts are evaluations.
const PARTS: [&str; 2] = ["single_node", "multi_node"];

/// Why the expected points of a plan cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Read(#[from] FileError),
    /// The file is not JSON.
    #[error("{}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    /// The JSON is neither a search space nor a list of rows.
    #[error("{}", path.display())]
    Content { path: PathBuf, source: PlanContentError },
}

/// An error in the content of a plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanContentError {
    #[error("found no plan, expected the JSON that imax plan writes, or a list of rows")]
    NoPlan,
    #[error("{0} is not an object of lists of rows")]
    NotGroups(&'static str),
    #[error("{0} is not a list of rows")]
    NotRows(String),
    #[error("{list}[{index}]")]
    Row {
        list: String,
        index: usize,
        source: serde_json::Error,
    },
}

/// What a plan says of the run that follows it.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// A failed point, of the class [`FailureClass::Missing`], for each point of the plan.
    pub points: Vec<Point>,
    /// The entries of the changelog that it measures.
    pub changes: Vec<MeasuredChange>,
    /// What a history keeps of it.
    pub kept: Option<RunPlan>,
}

/// Reads a plan.
///
/// # Errors
/// [`PlanError`] for a file that is neither a search space nor a list of rows.
pub(super) fn read_plan(path: &Path) -> Result<Planned, PlanError> {
    let text = untrusted::read_text(path)?;
    let plan: Value = serde_json::from_str(&text).map_err(|source| PlanError::Json {
        path: path.to_owned(),
        source,
    })?;
    let rows = rows_of(&plan).map_err(|source| PlanError::Content {
        path: path.to_owned(),
        source,
    })?;
    let to_measure = rows.iter().filter(|row| row.eval.only != Some(true));
    Ok(Planned {
        points: to_measure.flat_map(missing_points).collect(),
        changes: changes_of(&plan),
        kept: kept_plan(&rows),
    })
}

/// The most entries and curves that are kept, and the longest text of an entry, characters: plans of artifacts are files from outside.
const MOST_CHANGES: usize = 1000;
const MOST_CURVES: usize = 20_000;
const LONGEST_TEXT: usize = 2000;

/// The most rows of a plan that is kept. GitHub runs 256 jobs of a matrix; others have run up to thousands.
const MOST_ROWS: usize = 20_000;

/// The rows as a history keeps them; `None` for too many, because a part would pass for the whole.
fn kept_plan(rows: &[Row]) -> Option<RunPlan> {
    (!rows.is_empty() && rows.len() <= MOST_ROWS).then(|| RunPlan {
        rows: rows.iter().map(planned_row).collect(),
    })
}

fn planned_row(row: &Row) -> PlannedRow {
    let to_measure = if row.is_evaluated_alone() { &[] } else { row.conc.as_slice() };
    let evaluated = if row.is_evaluated() { row.eval_concurrencies() } else { Vec::new() };
    PlannedRow {
        name: shortened(&row.exp_name),
        curve: row.curve_key(),
        concurrencies: to_measure.iter().map(|conc| conc.get()).collect(),
        evaluated: evaluated.iter().map(|conc| conc.get()).collect(),
        image: row.image.as_str().to_owned(),
    }
}

/// The entries of the changelog; those of another form are left out, because they explain results and decide nothing.
fn changes_of(plan: &Value) -> Vec<MeasuredChange> {
    let changes = plan.get("changes").and_then(Value::as_array).into_iter().flatten();
    let read = changes.filter_map(|change| serde_json::from_value::<MeasuredChange>(change.clone()).ok());
    read.take(MOST_CHANGES).map(bounded).collect()
}

fn bounded(change: MeasuredChange) -> MeasuredChange {
    let MeasuredChange {
        config_keys,
        description,
        pr_link,
        mut curves,
    } = change;
    curves.truncate(MOST_CURVES);
    MeasuredChange {
        config_keys: shortened_all(&config_keys),
        description: shortened_all(&description),
        pr_link: shortened(&pr_link),
        curves,
    }
}

fn shortened_all(texts: &[String]) -> Vec<String> {
    texts.iter().take(MOST_CHANGES).map(|text| shortened(text)).collect()
}

/// A text of bounded length without NUL, which PostgreSQL cannot hold.
fn shortened(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(LONGEST_TEXT).collect()
}

fn missing_points(row: &Row) -> impl Iterator<Item = Point> + '_ {
    row.conc.as_slice().iter().map(move |conc| {
        let failure = PointFailure {
            class: FailureClass::Missing,
            reason: "planned, but neither a result nor a job record is among the artifacts".to_owned(),
        };
        Point::failed(row, *conc, failure)
    })
}

fn rows_of(plan: &Value) -> Result<Vec<Row>, PlanContentError> {
    let mut rows = Vec::new();
    match plan {
        Value::Array(_) => add_rows(&mut rows, plan, "the list")?,
        Value::Object(plan) => {
            // The plan file contains the search space, which is also accepted by itself.
            let space = plan.get("search-space").and_then(Value::as_object).unwrap_or(plan);
            for part in PARTS {
                let Some(content) = space.get(part) else { continue };
                let groups = content.as_object().ok_or(PlanContentError::NotGroups(part))?;
                for (group, list) in groups {
                    add_rows(&mut rows, list, &format!("{part}.{group}"))?;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(PlanContentError::NoPlan),
    }
    Ok(rows)
}

fn add_rows(rows: &mut Vec<Row>, list: &Value, name: &str) -> Result<(), PlanContentError> {
    let elements = list.as_array().ok_or_else(|| PlanContentError::NotRows(name.to_owned()))?;
    for (index, row) in elements.iter().enumerate() {
        let row = serde_json::from_value(row.clone()).map_err(|source| PlanContentError::Row {
            list: name.to_owned(),
            index,
            source,
        })?;
        rows.push(row);
    }
    Ok(())
}
