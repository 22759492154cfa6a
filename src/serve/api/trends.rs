//! `/trends`: several points of a run as one value, over runs: a geometric mean over common points, or a curve at an interactivity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::measured_values::{MeasuredValue, WantedValues, measured_values};
use super::series::metric;
use crate::analysis::{
    FrontierKey, GroupPoint, GroupReading, GroupRun, GroupValue, LEVEL_METHOD, Level, RelativeChange, at_interactivity, geometric_means,
    levels, value_columns,
};
use crate::model::{Metric, PointKey};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::{Annotation, AsOf, PointSelection, RunHead};

/// The most points of runs that values are made of.
const MOST_POINTS: usize = 200_000;
/// How near an annotation is to a change at least, milliseconds: three days.
const NEAR_MS: i64 = 3 * 86_400_000;

/// What is shown over what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct TrendParams {
    /// The metric whose geometric mean is shown [default: throughput-per-gpu]. With `at` it is always the throughput.
    pub metric: Option<String>,
    /// Read curves at this interactivity, output tokens a second that a user sees, instead of averaging points.
    #[param(value_type = Option<f64>, example = 50)]
    pub at: Option<String>,
}

/// Curves over the runs that measured them
///
/// One series for each model, hardware, engine, precision and workload. Without `at` a value is the geometric mean over the points that at least
/// nine of ten runs measured; a run without one of them has null and `incomplete`. With `at` it is the throughput of the run's Pareto frontier
/// at that interactivity, `measured` or `between` two points, and null where the frontier does not reach. `levels` are found as those of points.
/// Pull requests are left out.
#[utoipa::path(get, path = "/api/v1/trends", tag = "results", params(SelectionParams, TrendParams),
    responses((status = 200, description = "Series; in other formats than JSON one row for each value", body = inline(ObjectList))))]
pub(in crate::serve) async fn trends(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, TrendParams>,
) -> Result<Response, ApiError> {
    let (selection, as_of) = selection.parse()?;
    let at = params.at.as_deref().map(interactivity).transpose()?;
    let metric = match at {
        Some(_) => Metric::ThroughputPerGpu,
        None => metric(params.metric.as_deref())?,
    };
    let groups = read(&app, selection, as_of, metric).await?;
    let searched = groups.len();
    let computed = tokio::task::spawn_blocking(move || {
        let series = groups.into_iter().map(|(key, runs)| series(&key, &runs, metric, at, searched));
        series.collect::<Vec<Series>>()
    });
    let found = computed.await.map_err(ApiError::internal)?;
    let mut reader = app.reader().await?;
    let annotations = reader.annotations(as_of).await?;
    let mut edges: Vec<i64> = found.iter().flat_map(Series::edges).collect();
    edges.sort_unstable();
    edges.dedup();
    let heads = reader.run_heads(&edges, as_of).await?;
    reader.give_back();
    let rows: Vec<Value> = match format {
        Format::Json => found.into_iter().map(|series| series.into_json(&annotations, &heads)).collect(),
        Format::Csv | Format::Ndjson | Format::Parquet => found.into_iter().flat_map(Series::into_rows).collect(),
    };
    answer::list(format, &rows, None)
}

fn interactivity(text: &str) -> Result<f64, ApiError> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| ApiError::parameter("at", text, "a number above 0"))
}

/// What describes a run's value.
#[derive(Debug, Clone, Default)]
struct RunFacts {
    date: String,
    commit: String,
    image: Option<String>,
    version: Option<String>,
    producer: Option<String>,
}

/// The points of a group by run.
type Runs = BTreeMap<(i64, i64), (RunFacts, BTreeMap<PointKey, GroupPoint>)>;

struct Series {
    name: String,
    key: FrontierKey,
    metric: Metric,
    at: Option<f64>,
    values: Vec<(RunFacts, GroupValue)>,
    levels: Vec<Level>,
    points: BTreeSet<PointKey>,
}

fn series(key: &FrontierKey, runs: &Runs, metric: Metric, at: Option<f64>, searched: usize) -> Series {
    let group: Vec<GroupRun> = runs
        .iter()
        .map(|((started_ms, run), (_, points))| GroupRun {
            run: *run,
            started_ms: *started_ms,
            points: points.clone(),
        })
        .collect();
    let values = match at {
        Some(at) => at_interactivity(&group, at),
        None => geometric_means(&group),
    };
    let reading = |value: &GroupValue| {
        Some(crate::analysis::Reading {
            run: value.run,
            started_ms: value.started_ms,
            value: value.value.filter(|value| *value > 0.0)?,
        })
    };
    let readings: Vec<_> = values.iter().filter_map(reading).collect();
    let facts = |value: &GroupValue| {
        runs.get(&(value.started_ms, value.run))
            .map(|(facts, _)| facts.clone())
            .unwrap_or_default()
    };
    Series {
        name: key.to_string(),
        key: key.clone(),
        metric,
        at,
        points: group.iter().flat_map(|run| run.points.keys().cloned()).collect(),
        levels: levels(&readings, searched.max(1)),
        values: values.into_iter().map(|value| (facts(&value), value)).collect(),
    }
}

impl Series {
    /// The runs on both sides of each change.
    fn edges(&self) -> Vec<i64> {
        self.levels.windows(2).flat_map(|pair| [pair[0].to_run, pair[1].from_run]).collect()
    }

    fn change(&self, pair: &[Level], annotations: &[Annotation], heads: &BTreeMap<i64, RunHead>) -> Value {
        let (before, after) = (&pair[0], &pair[1]);
        let interval = RelativeChange::between(before, after);
        let relative = after.mean / before.mean - 1.0;
        let is_better = self.metric.gain(relative) > 0.0;
        let beside = (after.from_ms - before.to_ms).max(NEAR_MS);
        let is_near = |annotation: &&Annotation| {
            self.points
                .iter()
                .any(|key| annotation.concerns(key, [(after.from_run, after.from_ms)], beside))
        };
        let (good, bad) = (heads.get(&before.to_run), heads.get(&after.from_run));
        json!({
            "after_run": before.to_run,
            "run": after.from_run,
            "relative": relative,
            "low": interval.map(|interval| interval.low),
            "high": interval.map(|interval| interval.high),
            "before": before.mean,
            "now": after.mean,
            "verdict": if is_better { "better" } else { "worse" },
            "annotations": annotations.iter().filter(is_near).collect::<Vec<_>>(),
            "good": good,
            "bad": bad,
            "compare_url": good.zip(bad).and_then(|(good, bad)| good.compare_url(bad)),
        })
    }

    fn into_json(self, annotations: &[Annotation], heads: &BTreeMap<i64, RunHead>) -> Value {
        let changes: Vec<Value> = self.levels.windows(2).map(|pair| self.change(pair, annotations, heads)).collect();
        let values: Vec<Value> = self.values.iter().map(|(facts, value)| row(facts, value)).collect();
        json!({
            "series": self.name,
            "key": self.key,
            "metric": self.metric,
            "at": self.at,
            "values": values,
            "levels": self.levels,
            "changes": changes,
            "method": LEVEL_METHOD,
        })
    }

    fn into_rows(self) -> Vec<Value> {
        let Self { name, metric, values, .. } = self;
        let named = values.iter().map(|(facts, value)| {
            let mut row = row(facts, value);
            if let Some(row) = row.as_object_mut() {
                row.insert("series".to_owned(), json!(name));
                row.insert("metric".to_owned(), json!(metric));
            }
            row
        });
        named.collect()
    }
}

fn row(facts: &RunFacts, value: &GroupValue) -> Value {
    let GroupValue {
        run,
        started_ms: _,
        value,
        low,
        high,
        points,
        missing,
        reading,
    } = value;
    json!({
        "run": run,
        "date": facts.date,
        "commit": facts.commit,
        "image": facts.image,
        "version": facts.version,
        "producer": facts.producer,
        "value": value,
        "low": low,
        "high": high,
        "points": points,
        "missing": missing,
        "reading": GroupReading::as_str(*reading),
    })
}

async fn read(app: &App, selection: PointSelection, as_of: AsOf, metric: Metric) -> Result<BTreeMap<FrontierKey, Runs>, ApiError> {
    let (mean_interactivity, median_interactivity) = value_columns(Metric::Interactivity);
    let (throughput, _) = value_columns(Metric::ThroughputPerGpu);
    let wanted = WantedValues {
        metric,
        further: &[median_interactivity, mean_interactivity, throughput],
        most: MOST_POINTS,
    };
    let mut groups: BTreeMap<FrontierKey, Runs> = BTreeMap::new();
    measured_values(app, selection, as_of, wanted, |value| {
        let started_ms = chrono::DateTime::parse_from_rfc3339(&value.date)
            .map(|date| date.timestamp_millis())
            .unwrap_or_default();
        let group = groups.entry(FrontierKey::of(&value.key.curve)).or_default();
        let (_, points) = group.entry((started_ms, value.run)).or_insert_with(|| {
            let origin = value.origin();
            let facts = RunFacts {
                date: value.date.clone(),
                commit: value.commit.clone(),
                image: value.image.clone(),
                version: origin.engine_version,
                producer: origin.producer,
            };
            (facts, BTreeMap::new())
        });
        points.insert(value.key.clone(), point_of(&value));
    })
    .await?;
    Ok(groups)
}

fn point_of(measured: &MeasuredValue) -> GroupPoint {
    let value = measured.mean.or(measured.median);
    let reach = measured.low.zip(measured.high).zip(value);
    let mut further = measured.further.iter().copied();
    let (median_interactivity, mean_interactivity) = (further.next().flatten(), further.next().flatten());
    GroupPoint {
        value,
        reach: reach
            .map(|((low, high), value)| (high - low) / 2.0 / value)
            .filter(|reach| reach.is_finite()),
        interactivity: median_interactivity.or(mean_interactivity),
        throughput: further.next().flatten(),
    }
}
