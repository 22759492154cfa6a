//! `/series`: a metric of points over runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::analysis::{INTERVAL_COLUMNS, value_columns};
use crate::model::{Concurrency, CurveKey, Metric, PointKey, suggestion};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::{AsOf, PointColumn, PointRow, PointSelection, PointSort, point_column};
use crate::store::export::Cell;

/// Points of one statement.
const PAGE: usize = 2000;
/// The most points of runs that series are made of.
const MOST_VALUES: usize = 100_000;

/// What is shown over what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct SeriesParams {
    /// The metric [default: throughput-per-gpu].
    #[param(example = "interactivity")]
    pub metric: Option<String>,
    /// What `x` is: date, commit, version (of the engine) or image [default: date].
    pub by: Option<String>,
}

/// A value of a run.
#[derive(Debug, Clone, Serialize)]
pub(in crate::serve) struct SeriesValue {
    /// By date, commit, version or image; null where that is not known.
    pub x: Option<String>,
    pub run: i64,
    pub date: String,
    pub commit: String,
    pub image: Option<String>,
    pub value: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Date,
    Commit,
    Version,
    Image,
}

/// A metric of points over the runs that measured them
///
/// One series for each point. The value is the mean, or the median for a series in which some run has no mean. With `branch`, it has the
/// levels between change points.
#[utoipa::path(get, path = "/api/v1/series", tag = "results", params(SelectionParams, SeriesParams),
    responses((status = 200, description = "Series, sorted by their points; in other formats than JSON one row for each value", body = inline(ObjectList))))]
pub(in crate::serve) async fn series(
    app: Arc<App>,
    format: Format,
    Form(selection, shown): Form<SelectionParams, SeriesParams>,
) -> Result<Response, ApiError> {
    let (selection, as_of) = selection.parse()?;
    let metric = metric(shown.metric.as_deref())?;
    let by = by(shown.by.as_deref())?;
    let levels = match &selection.branch {
        Some(branch) => {
            let most = MOST_VALUES.min(app.limits.points);
            let mut reader = app.reader().await?;
            let levels = reader.levels_at(&selection, branch, as_of, most).await?;
            reader.give_back();
            levels.ok_or(ApiError::TooMany { most, what: "points" })?
        }
        None => Vec::new(),
    };
    let found = read(&app, selection, as_of, metric).await?;
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for (key, points) in found {
        let values = values(&points, by);
        let kept = levels
            .binary_search_by(|kept| kept.key.cmp(&key))
            .ok()
            .and_then(|at| levels.get(at));
        let of_metric = kept.and_then(|kept| kept.levels.iter().find(|levels| levels.metric == metric));
        if format == Format::Json {
            series.push(json!({
                "point": key.to_string(),
                "key": key,
                "metric": metric,
                "values": values,
                "levels": of_metric.map(|levels| levels.levels.clone()).unwrap_or_default(),
                "method": kept.map(|kept| &kept.method),
            }));
        } else {
            rows.extend(values.iter().map(|value| SeriesRow {
                point: key.to_string(),
                metric,
                value: value.clone(),
            }));
        }
    }
    match format {
        Format::Json => answer::list(format, &series, None),
        Format::Csv | Format::Ndjson | Format::Parquet => answer::list(format, &answer::values(&rows)?, None),
    }
}

/// The values of a metric by points, over time.
///
/// # Errors
/// [`ApiError::TooMany`], and those of the history.
pub(in crate::serve) async fn collect(
    app: &App,
    selection: PointSelection,
    as_of: AsOf,
    metric: Metric,
) -> Result<Vec<(PointKey, Vec<SeriesValue>)>, ApiError> {
    let found = read(app, selection, as_of, metric).await?;
    let series = found.into_iter().map(|(key, points)| (key, values(&points, By::Date)));
    Ok(series.filter(|(_, values)| !values.is_empty()).collect())
}

/// The rows of points, the oldest first.
async fn read(
    app: &App,
    mut selection: PointSelection,
    as_of: AsOf,
    metric: Metric,
) -> Result<BTreeMap<PointKey, Vec<PointRow>>, ApiError> {
    selection.without_pull_requests = selection.kind.is_none();
    selection.outcome = Some("measured".to_owned());
    let columns = columns(metric)?;
    let (Some(started), most) = (point_column("started"), MOST_VALUES.min(app.limits.points)) else {
        return Err(ApiError::Invalid("no dates".to_owned()));
    };
    let sort = PointSort::By {
        column: started,
        descending: false,
    };
    let mut reader = app.reader().await?;
    let keys = reader.curve_keys(&selection).await?;
    let mut points = reader.read_points(selection, columns, sort, None, as_of).await?;
    let mut found: BTreeMap<PointKey, Vec<PointRow>> = BTreeMap::new();
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
        for row in page {
            if let Some(key) = key_of(&keys, &row) {
                found.entry(key).or_default().push(row);
            }
        }
    }
    reader.give_back();
    Ok(found)
}

/// A value in a format of rows.
#[derive(Debug, Serialize)]
struct SeriesRow {
    point: String,
    metric: Metric,
    #[serde(flatten)]
    value: SeriesValue,
}

/// Columns in the order in which [`values`] takes them.
fn columns(metric: Metric) -> Result<Vec<&'static PointColumn>, ApiError> {
    let (mean, median) = value_columns(metric);
    let interval = INTERVAL_COLUMNS.iter().find(|(known, _)| *known == metric);
    let ends = interval.map(|(_, name)| [format!("ci_low_{name}"), format!("ci_high_{name}")]);
    let names = ["conc", "run", "started", "commit", "image", "extra", mean, median];
    let names = names.into_iter().map(str::to_owned).chain(ends.into_iter().flatten());
    let columns: Option<Vec<_>> = names.map(|name| point_column(&name)).collect();
    columns.ok_or_else(|| ApiError::Invalid(format!("{} is not kept in columns", metric.id())))
}

pub(super) fn key_of(keys: &HashMap<i64, CurveKey>, row: &PointRow) -> Option<PointKey> {
    let conc = u32::try_from(whole(row.cells.first())).ok().and_then(Concurrency::new)?;
    Some(PointKey {
        curve: keys.get(&row.curve)?.clone(),
        conc,
    })
}

fn values(points: &[PointRow], by: By) -> Vec<SeriesValue> {
    // A change of the statistic would look like a change of the level.
    let at = if points.iter().any(|point| number(point.cells.get(6)).is_none()) {
        7
    } else {
        6
    };
    let value = |point: &PointRow| {
        let (date, commit) = (
            text(point.cells.get(2)).unwrap_or_default(),
            text(point.cells.get(3)).unwrap_or_default(),
        );
        let image = text(point.cells.get(4));
        Some(SeriesValue {
            x: match by {
                By::Date => Some(date.clone()),
                By::Commit => Some(commit.clone()),
                By::Image => image.clone(),
                By::Version => engine_version(text(point.cells.get(5)).as_deref()),
            },
            run: whole(point.cells.get(1)),
            value: number(point.cells.get(at))?,
            low: number(point.cells.get(8)),
            high: number(point.cells.get(9)),
            date,
            commit,
            image,
        })
    };
    points.iter().filter_map(value).collect()
}

/// The engine's version, which is in a point's provenance.
pub(super) fn engine_version(extra: Option<&str>) -> Option<String> {
    let extra: Value = serde_json::from_str(extra?).ok()?;
    extra["provenance"]["engine_version"].as_str().map(str::to_owned)
}

pub(super) fn whole(cell: Option<&Cell>) -> i64 {
    match cell {
        Some(Cell::Whole(number)) => number.unwrap_or_default(),
        Some(Cell::Text(_) | Cell::Number(_)) | None => 0,
    }
}

pub(super) fn text(cell: Option<&Cell>) -> Option<String> {
    match cell {
        Some(Cell::Text(text)) => text.clone(),
        Some(Cell::Whole(_) | Cell::Number(_)) | None => None,
    }
}

pub(super) fn number(cell: Option<&Cell>) -> Option<f64> {
    match cell {
        Some(Cell::Number(number)) => *number,
        Some(Cell::Text(_) | Cell::Whole(_)) | None => None,
    }
}

/// A metric by its name in documents.
pub(in crate::serve) fn metric(text: Option<&str>) -> Result<Metric, ApiError> {
    let text = text.unwrap_or("throughput-per-gpu");
    let found = Metric::ALL.into_iter().find(|metric| metric.id() == text);
    found.ok_or_else(|| ApiError::parameter("metric", text, suggestion(text, &Metric::ALL.map(Metric::id))))
}

fn by(text: Option<&str>) -> Result<By, ApiError> {
    match text {
        None | Some("date") => Ok(By::Date),
        Some("commit") => Ok(By::Commit),
        Some("version") => Ok(By::Version),
        Some("image") => Ok(By::Image),
        Some(other) => Err(ApiError::parameter("by", other, "date, commit, version or image")),
    }
}
