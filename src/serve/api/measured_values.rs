//! Measured values of a metric and where they come from, for what is shown over time.

use std::collections::HashMap;

use serde::Deserialize;

use crate::analysis::{INTERVAL_COLUMNS, value_columns};
use crate::model::{Concurrency, CurveKey, Metric, PointKey};
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::store::database::{AsOf, PointColumn, PointRow, PointSelection, PointSort, point_column};
use crate::store::export::Cell;

/// Points of one statement.
const PAGE: usize = 2000;

/// What of the points is read.
pub(super) struct WantedValues<'a> {
    pub metric: Metric,
    /// Columns of numbers besides those of the metric.
    pub further: &'a [&'static str],
    /// The most points of runs, where the server's own limit is not lower.
    pub most: usize,
}

/// What a run measured at a point, in the units of the columns.
pub(super) struct MeasuredValue {
    pub key: PointKey,
    pub run: i64,
    /// Start of the run, RFC 3339.
    pub date: String,
    pub commit: String,
    pub image: Option<String>,
    pub mean: Option<f64>,
    pub median: Option<f64>,
    /// Ends of the 95 % interval.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// In the order in which they were wanted.
    pub further: Vec<Option<f64>>,
    /// Metrics without a column and the provenance, as JSON.
    extra: Option<String>,
}

/// The part of a point's `extra` that values over time need: series have a hundred thousand of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extra {
    provenance: Origin,
}

/// What a value was measured with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Origin {
    pub engine_version: Option<String>,
    /// The program that measured, or the table that the number came from.
    pub producer: Option<String>,
}

impl MeasuredValue {
    /// What its provenance says that decides whether values can be compared.
    pub fn origin(&self) -> Origin {
        let extra = self.extra.as_deref().and_then(|extra| serde_json::from_str::<Extra>(extra).ok());
        extra.unwrap_or_default().provenance
    }

    fn of(keys: &HashMap<i64, CurveKey>, row: PointRow, further: usize) -> Option<Self> {
        let curve = keys.get(&row.curve)?.clone();
        let mut cells = row.cells.into_iter();
        let conc = u32::try_from(whole(cells.next().as_ref())).ok().and_then(Concurrency::new)?;
        Some(Self {
            key: PointKey { curve, conc },
            run: whole(cells.next().as_ref()),
            date: text(cells.next()).unwrap_or_default(),
            commit: text(cells.next()).unwrap_or_default(),
            image: text(cells.next()),
            extra: text(cells.next()),
            mean: number(cells.next().as_ref()),
            median: number(cells.next().as_ref()),
            further: cells.by_ref().take(further).map(|cell| number(Some(&cell))).collect(),
            low: number(cells.next().as_ref()),
            high: number(cells.next().as_ref()),
        })
    }
}

/// Passes the values of all measured points, the oldest first. Pull requests are left out where no kind of run is selected.
///
/// # Errors
/// [`ApiError::TooMany`], and those of the history.
pub(super) async fn measured_values(
    app: &App,
    mut selection: PointSelection,
    as_of: AsOf,
    wanted: WantedValues<'_>,
    mut take: impl FnMut(MeasuredValue),
) -> Result<(), ApiError> {
    selection.without_pull_requests = selection.kind.is_none();
    selection.outcome = Some("measured".to_owned());
    let most = wanted.most.min(app.limits.points);
    let columns = columns(&wanted)?;
    let started = point_column("started").ok_or_else(|| ApiError::Invalid("no dates".to_owned()))?;
    let sort = PointSort::By {
        column: started,
        descending: false,
    };
    let mut reader = app.reader().await?;
    let keys = reader.curve_keys(&selection).await?;
    let mut points = reader.read_points(selection, columns, sort, None, as_of).await?;
    let mut read = 0;
    loop {
        let page = points.page(&mut reader, PAGE).await?;
        if page.is_empty() {
            break;
        }
        read += page.len();
        if read > most {
            return Err(ApiError::TooMany { most, what: "points" });
        }
        let values = page
            .into_iter()
            .filter_map(|row| MeasuredValue::of(&keys, row, wanted.further.len()));
        values.for_each(&mut take);
    }
    reader.give_back();
    Ok(())
}

/// Columns in the order in which [`MeasuredValue::of`] takes them.
fn columns(wanted: &WantedValues<'_>) -> Result<Vec<&'static PointColumn>, ApiError> {
    let (mean, median) = value_columns(wanted.metric);
    let interval = INTERVAL_COLUMNS.iter().find(|(known, _)| *known == wanted.metric);
    let ends = interval.map(|(_, name)| [format!("ci_low_{name}"), format!("ci_high_{name}")]);
    let names = ["conc", "run", "started", "commit", "image", "extra", mean, median];
    let names = names.iter().chain(wanted.further).map(|name| (*name).to_owned());
    let columns: Option<Vec<_>> = names.chain(ends.into_iter().flatten()).map(|name| point_column(&name)).collect();
    columns.ok_or_else(|| ApiError::Invalid(format!("{} is not kept in columns", wanted.metric.id())))
}

fn whole(cell: Option<&Cell>) -> i64 {
    match cell {
        Some(Cell::Whole(number)) => number.unwrap_or_default(),
        Some(Cell::Text(_) | Cell::Number(_)) | None => 0,
    }
}

fn text(cell: Option<Cell>) -> Option<String> {
    match cell {
        Some(Cell::Text(text)) => text,
        Some(Cell::Whole(_) | Cell::Number(_)) | None => None,
    }
}

fn number(cell: Option<&Cell>) -> Option<f64> {
    match cell {
        Some(Cell::Number(number)) => *number,
        Some(Cell::Text(_) | Cell::Whole(_)) | None => None,
    }
}
