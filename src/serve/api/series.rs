//! `/series`: a metric of points over runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::IntoParams;

use super::measured_values::{MeasuredValue, WantedValues, measured_values};
use crate::model::{Metric, PointKey};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::{AsOf, PointSelection};

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
    /// The program that measured; a change of it is no change of what is measured.
    pub producer: Option<String>,
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

async fn read(
    app: &App,
    selection: PointSelection,
    as_of: AsOf,
    metric: Metric,
) -> Result<BTreeMap<PointKey, Vec<MeasuredValue>>, ApiError> {
    let wanted = WantedValues {
        metric,
        further: &[],
        most: MOST_VALUES,
    };
    let mut found: BTreeMap<PointKey, Vec<MeasuredValue>> = BTreeMap::new();
    measured_values(app, selection, as_of, wanted, |value| {
        found.entry(value.key.clone()).or_default().push(value);
    })
    .await?;
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

fn values(points: &[MeasuredValue], by: By) -> Vec<SeriesValue> {
    // A change of the statistic would look like a change of the level.
    let has_means = points.iter().all(|point| point.mean.is_some());
    let values = points.iter().filter_map(|point| {
        let origin = point.origin();
        Some(SeriesValue {
            x: match by {
                By::Date => Some(point.date.clone()),
                By::Commit => Some(point.commit.clone()),
                By::Image => point.image.clone(),
                By::Version => origin.engine_version,
            },
            run: point.run,
            value: if has_means { point.mean } else { point.median }?,
            low: point.low,
            high: point.high,
            date: point.date.clone(),
            commit: point.commit.clone(),
            image: point.image.clone(),
            producer: origin.producer,
        })
    });
    values.collect()
}

/// A metric by its name in documents.
pub(in crate::serve) fn metric(text: Option<&str>) -> Result<Metric, ApiError> {
    let text = text.unwrap_or("throughput-per-gpu");
    let found = Metric::ALL.into_iter().find(|metric| metric.id() == text);
    found.ok_or_else(|| ApiError::unknown("metric", text, &Metric::ALL.map(Metric::id)))
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
