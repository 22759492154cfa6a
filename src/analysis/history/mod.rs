//! Earlier runs with their commits and dates, and the values of each point over them. As documents they are the files of a folder, one
//! for each run, written once and never changed; a database holds them as rows.

mod attempts;
mod context;
mod documents;
mod engine_slices;
mod parquet;
mod records;
mod revisions;
mod rows;
mod sketch;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use context::{COMMUNITY, RunContext, RunKind};
pub use documents::{Quarantined, read_history, read_prices, read_run};
pub use engine_slices::{EngineReading, engine_slices};
pub use parquet::{Cell, ColumnKind, NamedRun, RunsFileError, TableWriter, runs_of_parquet, runs_to_parquet};
pub use records::{
    GivenVerdict, JobSummary, LogExcerpt, PhaseTime, PlannedRow, PointDistributions, ReportedVerdicts, RunPlan, RunRecord, TimeSlice,
    slices, verdicts_of_report,
};
pub use revisions::merge_revisions;
pub use rows::{
    DEFAULT_PROJECT, EvalRow, INTERVAL_COLUMNS, METRIC_COLUMNS, PointColumns, PointRow, RecordRow, RowError, RunHeader, RunIdentity,
    RunRows, run_of_rows, value_columns,
};
pub use sketch::Sketch;

use super::{Conditions, Origin, Run};
use crate::model::{CurveKey, PointKey};
use crate::result::{Metric, Point, Statistic};

/// The format of a history's files; the number after the slash grows when a reader must change.
pub const HISTORY_SCHEMA: &str = "imax-history/1";

/// One run of a history, as a file has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRun {
    /// [`HISTORY_SCHEMA`].
    pub schema: String,
    /// The measured commit: its hash, or another name of it.
    pub commit: String,
    /// When, RFC 3339.
    pub date: String,
    /// The branch, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The workflow run, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Where the run comes from, if known.
    #[serde(default, skip_serializing_if = "RunContext::is_empty")]
    pub context: RunContext,
    pub run: Run,
}

/// Why a file is not a valid history file.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It is not JSON, or has another structure.
    #[error("invalid history file: {0}")]
    Form(#[from] serde_json::Error),
    /// It has another version.
    #[error("the file has schema {0:?}, expected {HISTORY_SCHEMA:?}; read it with the imax that wrote it")]
    Schema(String),
    /// The date is not RFC 3339.
    #[error("`date` is {0:?}, expected RFC 3339 such as 2026-11-22T05:00:00Z")]
    Date(String),
    /// Its commit is empty.
    #[error("`commit` is empty, expected a commit's hash")]
    Commit,
}

impl HistoryRun {
    /// The file of a run that was just measured.
    ///
    /// # Errors
    /// [`HistoryError::Commit`] for an empty commit.
    pub fn new(commit: &str, date: DateTime<Utc>, mut run: Run) -> Result<Self, HistoryError> {
        if commit.trim().is_empty() {
            return Err(HistoryError::Commit);
        }
        // Not every home of a history has room for them, and a run is the same in each.
        run.conditions = Conditions::default();
        Ok(Self {
            schema: HISTORY_SCHEMA.to_owned(),
            commit: commit.to_owned(),
            date: date.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            branch: None,
            run_id: None,
            context: RunContext::default(),
            run,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`HistoryError`] for another structure, another version, an invalid date, an empty commit.
    pub fn parse(text: &str) -> Result<Self, HistoryError> {
        serde_json::from_str::<Self>(text)?.checked()
    }

    fn of_value(document: serde_json::Value) -> Result<Self, HistoryError> {
        serde_json::from_value::<Self>(document)?.checked()
    }

    fn checked(self) -> Result<Self, HistoryError> {
        let found = self;
        if found.schema != HISTORY_SCHEMA {
            return Err(HistoryError::Schema(found.schema));
        }
        if found.instant().is_none() {
            return Err(HistoryError::Date(found.date));
        }
        if found.commit.trim().is_empty() {
            return Err(HistoryError::Commit);
        }
        Ok(found)
    }

    /// Whether it has the mark of the community, or a part of it.
    #[must_use]
    pub fn is_of_community(&self) -> bool {
        let RunContext { kind, provider, .. } = &self.context;
        *kind == Some(RunKind::Community) || [provider, &self.branch].into_iter().flatten().any(|name| name == COMMUNITY)
    }

    /// Marks the run as one of the community. No run of the project can have its identity. `fallback` is the number of a run
    /// that names none.
    #[must_use]
    pub fn of_community(self, fallback: String, submitter: String) -> Self {
        Self {
            branch: Some(COMMUNITY.to_owned()),
            run_id: Some(self.run_id.unwrap_or(fallback)),
            context: RunContext {
                kind: Some(RunKind::Community),
                provider: Some(COMMUNITY.to_owned()),
                repository: Some(self.context.repository.unwrap_or_default()),
                attempt: Some(self.context.attempt.unwrap_or(1)),
                actor: Some(submitter),
                ..self.context
            },
            ..self
        }
    }

    /// When the run was measured.
    #[must_use]
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(&self.date).ok().map(|date| date.to_utc())
    }

    /// The name of its file. Names sort in the order of dates.
    #[must_use]
    pub fn file_name(&self) -> String {
        let date = self
            .instant()
            .map_or_else(String::new, |date| date.format("%Y%m%dT%H%M%SZ").to_string());
        format!("{date}-{}.json", self.short_commit())
    }

    /// The first characters of the commit, without those that file names cannot contain.
    #[must_use]
    pub fn short_commit(&self) -> String {
        self.commit.chars().filter(char::is_ascii_alphanumeric).take(12).collect()
    }
}

/// Runs, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    runs: Vec<HistoryRun>,
    /// For each point: the runs that measured it, oldest first, by their indices.
    measured: BTreeMap<PointKey, Vec<(usize, usize)>>,
}

/// A value of a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Past<'a> {
    pub run: &'a HistoryRun,
    /// The value, in the metric's unit.
    pub value: f64,
}

impl History {
    /// A history of runs in any order. Of runs with the same date, the later one in the list is the newer. What several attempts of a workflow
    /// run report is a measurement of the newest of them.
    #[must_use]
    pub fn new(mut runs: Vec<HistoryRun>) -> Self {
        attempts::take_out_repeated(&mut runs);
        runs.sort_by_key(HistoryRun::instant);
        let mut measured: BTreeMap<PointKey, Vec<(usize, usize)>> = BTreeMap::new();
        for (at, run) in runs.iter().enumerate() {
            for (index, point) in run.run.points.iter().enumerate().filter(|(_, point)| point.measurement().is_some()) {
                measured.entry(point.key.clone()).or_default().push((at, index));
            }
        }
        Self { runs, measured }
    }

    /// The runs, oldest first.
    #[must_use]
    pub fn runs(&self) -> &[HistoryRun] {
        &self.runs
    }

    /// The points that were ever measured.
    pub fn points(&self) -> impl Iterator<Item = &PointKey> {
        self.measured.keys()
    }

    /// A metric of a point over the runs that measured it, oldest first, without values that have no logarithm and without runs that did
    /// not report the statistic.
    pub fn series(&self, point: &PointKey, metric: Metric, statistic: Statistic) -> impl Iterator<Item = Past<'_>> {
        let places = self.measured.get(point).into_iter().flatten();
        places.filter_map(move |(at, index)| {
            let run = self.runs.get(*at)?;
            let value = run.run.points.get(*index)?.by(metric, statistic)?;
            (value > 0.0).then_some(Past { run, value })
        })
    }

    /// The newest measurement of a point.
    #[must_use]
    pub fn newest(&self, point: &PointKey) -> Option<&Point> {
        let (at, index) = self.measured.get(point)?.last()?;
        self.runs.get(*at)?.run.points.get(*index)
    }

    /// Index of the newest run that measured a point.
    fn last_run_of(&self, key: &PointKey) -> Option<usize> {
        self.measured.get(key)?.last().map(|(at, _)| *at)
    }

    /// The baseline of a run: the newest measurement of each of its points, the other points that the newest run of each of its curves
    /// measured, and the newest scores. Other curves are left out, because a run measures only what its change concerns. Every point has
    /// its origin, so that no line is drawn through points of several runs.
    #[must_use]
    pub fn baseline(&self, run: &Run) -> Run {
        let mut newest: BTreeMap<&CurveKey, usize> = BTreeMap::new();
        for key in self.measured.keys() {
            let at = newest.entry(&key.curve).or_default();
            *at = (*at).max(self.last_run_of(key).unwrap_or_default());
        }
        let curves: BTreeSet<&CurveKey> = run.points.iter().map(|point| &point.key.curve).collect();
        let keys: Vec<&PointKey> = self
            .measured
            .keys()
            .filter(|key| {
                let of_newest = curves.contains(&key.curve) && newest.get(&key.curve).copied() == self.last_run_of(key);
                of_newest || run.point(key).is_some()
            })
            .collect();
        let points = keys.iter().filter_map(|key| self.newest(key));
        let origin = |key: &PointKey| {
            let index = self.last_run_of(key)?;
            let run = self.runs.get(index)?;
            Some(Origin {
                index,
                is_older: newest.get(&key.curve).is_some_and(|newest| index < *newest),
                commit: run.commit.clone(),
                date: run.date.clone(),
            })
        };
        Run {
            points: points.cloned().collect(),
            problems: Vec::new(),
            records: Vec::new(),
            // Its points come from several runs.
            conditions: Conditions::default(),
            evals: run
                .evals
                .iter()
                .filter_map(|score| {
                    let mut runs = self.runs.iter().rev();
                    runs.find_map(|past| past.run.evals.iter().find(|earlier| earlier.key == score.key))
                })
                .cloned()
                .collect(),
            origins: keys.iter().filter_map(|key| Some(((*key).clone(), origin(key)?))).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
