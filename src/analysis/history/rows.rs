//! A run as rows of tables, and back without a loss: the pure half of every store with columns.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{HistoryRun, RunKind, RunRecord};
use crate::analysis::{EvalScore, Run};
use crate::model::{Digest, FailureClass, Metric, PointKey};
use crate::result::{Measurement, MetricInterval, Point, PointFailure, PointOutcome, Provenance, USUAL_NUMBERS};

/// The numbers that have a column of their own, by their names in `agg_*.json`; all others share a JSON column. A column is NULL where
/// the load generator did not report the number. An addition needs a migration, a removal is not possible.
pub const METRIC_COLUMNS: [&str; USUAL_NUMBERS.len()] = USUAL_NUMBERS;

/// The metrics whose intervals have two columns each, `ci_low_…` and `ci_high_…`.
pub const INTERVAL_COLUMNS: [(Metric, &str); 5] = [
    (Metric::ThroughputPerGpu, "tput_per_gpu"),
    (Metric::Interactivity, "intvty"),
    (Metric::Ttft, "ttft"),
    (Metric::Tpot, "tpot"),
    (Metric::E2el, "e2el"),
];

/// The columns of a metric's mean and of its median; for one that has a single number, that one twice.
#[must_use]
pub fn value_columns(metric: Metric) -> (&'static str, &'static str) {
    match metric {
        Metric::ThroughputPerGpu => ("tput_per_gpu", "tput_per_gpu"),
        Metric::OutputThroughputPerGpu => ("output_tput_per_gpu", "output_tput_per_gpu"),
        Metric::InputThroughputPerGpu => ("input_tput_per_gpu", "input_tput_per_gpu"),
        Metric::Ttft => ("mean_ttft", "median_ttft"),
        Metric::TtftP99 => ("p99_ttft", "p99_ttft"),
        Metric::Tpot => ("mean_tpot", "median_tpot"),
        Metric::Interactivity => ("mean_intvty", "median_intvty"),
        Metric::E2el => ("mean_e2el", "median_e2el"),
        Metric::E2elP99 => ("p99_e2el", "p99_e2el"),
        Metric::Qps => ("mean_qps", "mean_qps"),
        Metric::CacheHitRate => ("server_overall_cache_hit_rate", "server_overall_cache_hit_rate"),
    }
}

/// The word for a point with numbers; the others have their [`FailureClass`].
pub const MEASURED: &str = "measured";
/// The project of runs that name none.
pub const DEFAULT_PROJECT: &str = "default";

/// The identity of a run within its project. Two documents with the same identity are the same run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// `github`; [`RunIdentity::BY_CONTENT`] for a run that is known by its content alone.
    pub provider: String,
    pub repository: String,
    /// The number of the workflow run, or the digest of the content.
    pub run_id: String,
    pub attempt: i64,
}

impl RunIdentity {
    /// The provider of runs without a number: the same content is the same run, whatever its file is called.
    pub const BY_CONTENT: &str = "content";

    fn of(run: &HistoryRun, points: &[PointRow]) -> Self {
        let context = &run.context;
        match (&context.provider, &context.repository, &run.run_id, context.attempt) {
            (Some(provider), Some(repository), Some(run_id), Some(attempt)) => Self {
                provider: provider.clone(),
                repository: repository.clone(),
                run_id: run_id.clone(),
                attempt: attempt.into(),
            },
            // A number without an attempt does not tell a run from its repetition.
            _ => Self {
                provider: Self::BY_CONTENT.to_owned(),
                repository: String::new(),
                run_id: content_digest(run, points).to_string(),
                attempt: 1,
            },
        }
    }
}

fn content_digest(run: &HistoryRun, points: &[PointRow]) -> Digest {
    let points: Vec<String> = points.iter().map(|row| row.digest.to_string()).collect();
    Digest::of_json(json!({ "commit": run.commit, "date": run.date, "run_id": run.run_id, "points": points, "evals": run.run.evals }))
}

/// A run without its points and scores.
#[derive(Debug, Clone, PartialEq)]
pub struct RunHeader {
    pub kind: RunKind,
    pub branch: Option<String>,
    pub commit: String,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    /// The run as [`HistoryRun`] without points and scores, as JSON.
    pub document: String,
    pub digest: Digest,
}

/// A point with what a store needs to find it.
#[derive(Debug, Clone, PartialEq)]
pub struct PointRow {
    pub point: Point,
    /// [`crate::model::CurveKey::identity`].
    pub curve: Digest,
    /// Of everything in the point; equal digests are equal measurements.
    pub digest: Digest,
}

/// A score with what a store needs to find it.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalRow {
    pub score: EvalScore,
    pub key: Digest,
    pub digest: Digest,
}

/// A record with what a store needs to find it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordRow {
    pub record: RunRecord,
    pub key: Digest,
    pub digest: Digest,
    /// The record as JSON.
    pub document: String,
}

/// A run as rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRows {
    pub project: String,
    pub identity: RunIdentity,
    pub header: RunHeader,
    pub points: Vec<PointRow>,
    pub evals: Vec<EvalRow>,
    pub records: Vec<RecordRow>,
}

/// Why a run cannot become rows, or rows not a run.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("`date` is {0:?}, expected RFC 3339 such as 2026-11-22T05:00:00Z")]
    Date(String),
    #[error("{what} is {found}, expected {expected}")]
    Value {
        what: &'static str,
        found: String,
        expected: &'static str,
    },
    #[error("{what} is invalid: {source}")]
    Json { what: &'static str, source: serde_json::Error },
}

impl RunRows {
    /// Cuts a run into rows.
    ///
    /// # Errors
    /// [`RowError`] for an invalid date, or a value without a JSON form.
    pub fn of(mut run: HistoryRun) -> Result<Self, RowError> {
        let points: Vec<PointRow> = std::mem::take(&mut run.run.points)
            .into_iter()
            .map(PointRow::of)
            .collect::<Result<_, _>>()?;
        let identity = RunIdentity::of(&run, &points);
        let evals = std::mem::take(&mut run.run.evals)
            .into_iter()
            .map(EvalRow::of)
            .collect::<Result<_, _>>()?;
        let records = std::mem::take(&mut run.run.records)
            .into_iter()
            .map(RecordRow::of)
            .collect::<Result<_, _>>()?;
        let document = json_of("the run", &run)?;
        Ok(Self {
            project: run.context.project.clone().unwrap_or_else(|| DEFAULT_PROJECT.to_owned()),
            identity,
            header: RunHeader {
                kind: run.context.kind.unwrap_or(RunKind::Import),
                branch: run.branch.clone(),
                commit: run.commit.clone(),
                started_ms: run.instant().ok_or(RowError::Date(run.date))?.timestamp_millis(),
                document: document.to_string(),
                digest: Digest::of_json(document),
            },
            points,
            evals,
            records,
        })
    }
}

impl RunRows {
    /// Whether two runs have the same results, whatever is said about them: no load gives the same numbers twice, so it is one measurement.
    #[must_use]
    pub fn is_same_measurement(&self, other: &Self) -> bool {
        self.has_numbers() && self.result_digests() == other.result_digests()
    }

    /// Whether anything was measured.
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        !self.evals.is_empty() || self.points.iter().any(|row| row.point.measurement().is_some())
    }

    /// The digests of what was measured: of failures there may be two that are equal.
    pub fn measured_digests(&self) -> impl Iterator<Item = Digest> + '_ {
        let measured = self.points.iter().filter(|row| row.point.measurement().is_some());
        measured.map(|row| row.digest).chain(self.evals.iter().map(|row| row.digest))
    }

    /// The digests of all points and scores.
    #[must_use]
    pub fn result_digests(&self) -> BTreeSet<Digest> {
        let points = self.points.iter().map(|row| row.digest);
        points.chain(self.evals.iter().map(|row| row.digest)).collect()
    }
}

/// Puts a run together again; the points are sorted by their keys.
///
/// # Errors
/// [`RowError`] for a document that is not one of a run.
pub fn run_of_rows(
    document: &str,
    mut points: Vec<Point>,
    mut evals: Vec<EvalScore>,
    mut records: Vec<RunRecord>,
) -> Result<HistoryRun, RowError> {
    let run: HistoryRun = serde_json::from_str(document).map_err(|source| RowError::Json { what: "the run", source })?;
    points.sort_by(|left, right| left.key.cmp(&right.key));
    evals.sort_by(|left, right| left.key.cmp(&right.key));
    records.sort_by_cached_key(|record| (record.kind(), record.key()));
    Ok(HistoryRun {
        run: Run {
            points,
            evals,
            records,
            ..run.run
        },
        ..run
    })
}

impl PointRow {
    /// # Errors
    /// [`RowError::Json`] for a point without a JSON form.
    pub fn of(mut point: Point) -> Result<Self, RowError> {
        // The columns have an order, in which the intervals come back.
        point.intervals.sort_by_key(|interval| {
            INTERVAL_COLUMNS
                .iter()
                .position(|(metric, _)| *metric == interval.metric)
                .unwrap_or(usize::MAX)
        });
        Ok(Self {
            curve: point.key.curve.identity(),
            digest: Digest::of_json(json_of("the point", &point)?),
            point,
        })
    }
}

impl EvalRow {
    /// # Errors
    /// [`RowError::Json`] for a score without a JSON form.
    pub fn of(score: EvalScore) -> Result<Self, RowError> {
        Ok(Self {
            key: Digest::of_json(json_of("the score's key", &score.key)?),
            digest: Digest::of_json(json_of("the score", &score)?),
            score,
        })
    }
}

impl RecordRow {
    /// # Errors
    /// [`RowError::Json`] for a record without a JSON form.
    pub fn of(record: RunRecord) -> Result<Self, RowError> {
        let document = json_of("the record", &record)?;
        Ok(Self {
            key: record.key(),
            document: document.to_string(),
            digest: Digest::of_json(document),
            record,
        })
    }
}

fn json_of<T: Serialize>(what: &'static str, value: &T) -> Result<Value, RowError> {
    serde_json::to_value(value).map_err(|source| RowError::Json { what, source })
}

/// A point's columns beside those of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct PointColumns {
    pub model: Option<String>,
    pub image: Option<String>,
    /// The split over GPUs as JSON.
    pub layout: String,
    pub gpus: i64,
    /// [`MEASURED`], or who is to blame.
    pub outcome: String,
    /// Why there are no numbers.
    pub reason: Option<String>,
    /// In the order of [`METRIC_COLUMNS`].
    pub metrics: [Option<f64>; METRIC_COLUMNS.len()],
    /// Low and high, in the order of [`INTERVAL_COLUMNS`].
    pub intervals: [Option<(f64, f64)>; INTERVAL_COLUMNS.len()],
    /// What has no column, as JSON; `None` where there is nothing.
    pub extra: Option<String>,
}

/// What has no column.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Extra {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    numbers: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intervals: Vec<MetricInterval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<Box<Provenance>>,
}

/// The place of a number's column. Numbers mostly come in the order of the columns, so the search begins where the last one was found.
fn column_of(name: &str, from: usize) -> Option<usize> {
    let (before, behind) = METRIC_COLUMNS.split_at_checked(from).unwrap_or((&METRIC_COLUMNS, &[]));
    let found = behind.iter().position(|column| *column == name).map(|at| from + at);
    found.or_else(|| before.iter().position(|column| *column == name))
}

impl PointColumns {
    /// # Errors
    /// [`RowError`] for more GPUs than a column can hold, or a layout without a JSON form.
    pub fn of(point: &Point) -> Result<Self, RowError> {
        let mut metrics = [None; METRIC_COLUMNS.len()];
        let mut intervals = [None; INTERVAL_COLUMNS.len()];
        let mut extra = Extra {
            provenance: point.provenance.clone(),
            ..Extra::default()
        };
        let mut next = 0;
        for (name, number) in point.measurement().into_iter().flat_map(Measurement::numbers) {
            let at = column_of(name, next);
            match at.and_then(|at| metrics.get_mut(at)) {
                Some(column) => {
                    *column = Some(number);
                    next = at.map_or(0, |at| at + 1);
                }
                None => {
                    extra.numbers.insert(name.to_owned(), number);
                }
            }
        }
        for interval in &point.intervals {
            let at = INTERVAL_COLUMNS.iter().position(|(metric, _)| *metric == interval.metric);
            match at.and_then(|at| intervals.get_mut(at)) {
                Some(column) => *column = Some((interval.low, interval.high)),
                None => extra.intervals.push(*interval),
            }
        }
        let is_plain = extra.numbers.is_empty() && extra.intervals.is_empty() && extra.provenance.is_none();
        let (outcome, reason) = match &point.outcome {
            PointOutcome::Measured(_) => (MEASURED.to_owned(), None),
            PointOutcome::Failed(failure) => (failure.class.as_str().to_owned(), Some(failure.reason.clone())),
        };
        Ok(Self {
            model: point.model.clone(),
            image: point.image.clone(),
            layout: json_of("the layout", &point.layout)?.to_string(),
            gpus: i64::try_from(point.gpus).map_err(|_| RowError::Value {
                what: "the number of GPUs",
                found: point.gpus.to_string(),
                expected: "fewer than 2^63",
            })?,
            outcome,
            reason,
            metrics,
            intervals,
            extra: if is_plain {
                None
            } else {
                Some(json_of("the other numbers", &extra)?.to_string())
            },
        })
    }

    /// The point of a key with these columns. Its numbers are in the order of the columns, the others follow by name.
    ///
    /// # Errors
    /// [`RowError`] for columns that were not made by [`PointColumns::of`].
    pub fn into_point(self, key: PointKey) -> Result<Point, RowError> {
        let extra: Extra = match &self.extra {
            None => Extra::default(),
            Some(text) => serde_json::from_str(text).map_err(|source| RowError::Json {
                what: "the other numbers",
                source,
            })?,
        };
        let outcome = if self.outcome == MEASURED {
            let columns = METRIC_COLUMNS.into_iter().zip(self.metrics);
            let known = columns.filter_map(|(name, number)| Some((name, number?)));
            let others = extra.numbers.iter().map(|(name, number)| (name.as_str(), *number));
            PointOutcome::Measured(Measurement::of_usual(known, others))
        } else {
            let class = FailureClass::ALL.into_iter().find(|class| class.as_str() == self.outcome);
            PointOutcome::Failed(PointFailure {
                class: class.ok_or_else(|| RowError::Value {
                    what: "the outcome",
                    found: self.outcome.clone(),
                    expected: "measured or a failure class",
                })?,
                reason: self.reason.unwrap_or_default(),
            })
        };
        let known = INTERVAL_COLUMNS.into_iter().zip(self.intervals);
        let known = known.filter_map(|((metric, _), ends)| ends.map(|(low, high)| MetricInterval { metric, low, high }));
        Ok(Point {
            key,
            model: self.model,
            image: self.image,
            layout: serde_json::from_str(&self.layout).map_err(|source| RowError::Json {
                what: "the layout",
                source,
            })?,
            gpus: u64::try_from(self.gpus).map_err(|_| RowError::Value {
                what: "the number of GPUs",
                found: self.gpus.to_string(),
                expected: "a number from 0",
            })?,
            outcome,
            intervals: known.chain(extra.intervals).collect(),
            provenance: extra.provenance,
        })
    }
}
