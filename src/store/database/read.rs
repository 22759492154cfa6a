//! Reads runs in their current state or in that of an earlier time.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::point_table::{self, PointReader, PointRowError};
use super::run_facts::{pull_request, run_url};
use super::{Database, DatabaseError, eval_table, record_table};
use crate::analysis::{History, HistoryRun, RunRecord, run_of_rows};
use crate::model::PointKey;
use crate::result::Point;

/// Which state is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum AsOf {
    #[default]
    Now,
    /// The state at this time, without later corrections and retractions.
    Time(DateTime<Utc>),
}

/// Which runs are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunFilter {
    pub project: Option<String>,
    pub branch: Option<String>,
    /// Only runs of branches whose names begin with this.
    pub branch_prefix: Option<String>,
    /// Without runs of pull requests and of the community, which say nothing about the level of a point.
    pub without_pull_requests: bool,
    /// Including retracted runs.
    pub with_retracted: bool,
    /// This run alone.
    pub id: Option<i64>,
    /// Only runs from then on, by the date of the measurement.
    pub since: Option<DateTime<Utc>>,
    /// Only runs before then.
    pub until: Option<DateTime<Utc>>,
    /// Only runs behind this one in the list: when it was measured, milliseconds since 1970, and its number.
    pub behind: Option<(i64, i64)>,
    /// The newest runs only.
    pub newest: Option<usize>,
    pub as_of: AsOf,
}

/// A run without its points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunSummary {
    pub id: i64,
    pub project: String,
    pub kind: String,
    pub branch: Option<String>,
    pub commit: String,
    /// RFC 3339.
    pub started: String,
    /// The same, milliseconds since 1970.
    #[serde(skip)]
    pub started_ms: i64,
    /// Points of the run, measured or failed.
    pub points: i64,
    pub measured: i64,
    /// How often the run's own data were corrected, plus one.
    pub revision: i64,
    pub provider: String,
    pub repository: String,
    /// The number of the workflow run, or the digest of the content.
    pub run_id: String,
    pub attempt: i64,
    /// The page of the run at its provider; absent for one that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// Why the run was retracted, and by whom; absent for other runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retracted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retracted_by: Option<String>,
    #[serde(skip)]
    document: String,
    /// The change as of which the run is read.
    #[serde(skip)]
    change: i64,
}

impl RunSummary {
    /// The run as JSON, without points and scores.
    pub(super) fn document(&self) -> &str {
        &self.document
    }

    /// The change as of which the run is read.
    pub(super) fn change(&self) -> i64 {
        self.change
    }
}

/// A row or file that could not be interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct QuarantineRow {
    pub source: String,
    /// Where in the source.
    pub place: String,
    pub reason: String,
    /// The content, truncated.
    pub payload: String,
}

impl Database {
    /// What could not be interpreted by a time, oldest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn quarantined(&mut self, as_of: AsOf) -> Result<Vec<QuarantineRow>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let statement = "SELECT source, place, reason, payload FROM quarantine WHERE change_id <= $1 ORDER BY id";
        let rows = sqlx::query(statement)
            .bind(change)
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let read = |row: &AnyRow| {
            Ok(QuarantineRow {
                source: row.try_get(0)?,
                place: row.try_get(1)?,
                reason: row.try_get(2)?,
                payload: row.try_get(3)?,
            })
        };
        let rows: Result<Vec<_>, sqlx::Error> = rows.iter().map(read).collect();
        rows.map_err(self.address.sql())
    }

    /// The number of the last change before or at a time.
    pub(super) async fn change_at(&mut self, as_of: AsOf) -> Result<i64, DatabaseError> {
        match as_of {
            AsOf::Now => Ok(i64::MAX),
            AsOf::Time(time) => {
                let last = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM change WHERE at_ms <= $1")
                    .bind(time.timestamp_millis())
                    .fetch_one(&mut self.connection)
                    .await;
                last.map_err(self.address.sql())
            }
        }
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunSummary>, DatabaseError> {
        let RunFilter {
            project,
            branch,
            branch_prefix,
            without_pull_requests,
            with_retracted,
            id,
            since,
            until,
            behind,
            newest,
            as_of,
        } = filter;
        let change = self.change_at(*as_of).await?;
        let (counts, count_table) = count_columns(*as_of);
        let sql = format!(
            "SELECT r.id, j.slug, v.kind, v.branch, v.commit_sha, v.started_ms, v.revision, r.provider, r.repository, r.external_id, \
             r.attempt, v.document, t.reason, t.author, {counts} \
             FROM run r JOIN project j ON j.id = r.project_id {count_table} \
             JOIN run_revision v ON v.run_id = r.id AND v.valid_from <= $1 AND (v.valid_to IS NULL OR v.valid_to > $1) \
             LEFT JOIN retraction t ON t.run_id = r.id AND t.valid_from <= $1 AND (t.valid_to IS NULL OR t.valid_to > $1) \
             WHERE ($2 IS NULL OR j.slug = $2) AND ($3 IS NULL OR v.branch = $3) AND ($4 = 0 OR v.kind NOT IN ('pull-request', 'community')) \
             AND ($5 = 1 OR t.id IS NULL) AND ($6 IS NULL OR r.id = $6) AND v.started_ms >= $8 AND v.started_ms < $9 \
             AND ($10 IS NULL OR v.started_ms < $10 OR (v.started_ms = $10 AND r.id < $11)) \
             AND ($12 IS NULL OR substr(v.branch, 1, length($12)) = $12) ORDER BY v.started_ms DESC, r.id DESC LIMIT $7"
        );
        // The text is made of constants.
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(change)
            .bind(project.clone())
            .bind(branch.clone())
            .bind(i64::from(*without_pull_requests))
            .bind(i64::from(*with_retracted))
            .bind(*id)
            .bind(newest.and_then(|newest| i64::try_from(newest).ok()).unwrap_or(i64::MAX))
            .bind(since.map_or(i64::MIN, |since| since.timestamp_millis()))
            .bind(until.map_or(i64::MAX, |until| until.timestamp_millis()))
            .bind(behind.map(|(started, _)| started))
            .bind(behind.map(|(_, id)| id))
            .bind(branch_prefix.clone())
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let summaries: Result<Vec<_>, _> = rows.iter().map(|row| summary(row, change)).collect();
        summaries.map_err(self.address.sql())
    }

    /// A run with its points, scores and records.
    ///
    /// # Errors
    /// [`DatabaseError`], including for rows that another program changed.
    pub(crate) async fn run(&mut self, summary: &RunSummary) -> Result<HistoryRun, DatabaseError> {
        let read = self.read_run(summary, true).await;
        read.map_err(|error| error.at(&self.address))
    }

    /// A point of a run, measured or failed.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn point_of_run(&mut self, summary: &RunSummary, key: &PointKey) -> Result<Option<Point>, DatabaseError> {
        // The text consists of constants.
        let row = sqlx::query(sqlx::AssertSqlSafe(point_table::select_point_of_run()))
            .bind(summary.id)
            .bind(summary.change)
            .bind(key.curve.identity().as_slice().to_vec())
            .bind(i64::from(key.conc.get()))
            .fetch_optional(&mut self.connection)
            .await;
        let Some(row) = row.map_err(self.address.sql())? else {
            return Ok(None);
        };
        let read = point_table::read(&row);
        Ok(Some(read.map_err(|error| error.at(&self.address))?.point))
    }

    async fn records(&mut self, summary: &RunSummary) -> Result<Vec<RunRecord>, PointRowError> {
        let rows = sqlx::query(record_table::SELECT_OF_RUN)
            .bind(summary.id)
            .bind(summary.change)
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(record_table::read).collect()
    }

    async fn read_run(&mut self, summary: &RunSummary, with_records: bool) -> Result<HistoryRun, PointRowError> {
        // The text consists of constants.
        let statement = sqlx::AssertSqlSafe(point_table::select_of_run());
        let mut rows = sqlx::query(statement)
            .bind(summary.id)
            .bind(summary.change)
            .fetch(&mut self.connection);
        let mut reader = PointReader::default();
        let mut points = Vec::new();
        // One by one: a row of the driver takes ten times as much memory as its point.
        while let Some(row) = rows.try_next().await? {
            points.push(reader.read(&row)?.point);
        }
        drop(rows);
        let statement = eval_table::SELECT_OF_RUN;
        let rows = sqlx::query(statement)
            .bind(summary.id)
            .bind(summary.change)
            .fetch_all(&mut self.connection)
            .await?;
        let evals: Result<Vec<_>, _> = rows.iter().map(|row| eval_table::read(row).map(|stored| stored.score)).collect();
        let records = if with_records { self.records(summary).await? } else { Vec::new() };
        Ok(run_of_rows(&summary.document, points, evals?, records)?)
    }

    /// The runs of a filter with their points, for noise estimates and baselines.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn history(&mut self, filter: &RunFilter) -> Result<History, DatabaseError> {
        let mut runs = Vec::new();
        for summary in self.runs(filter).await? {
            // No comparison asks for records.
            let read = self.read_run(&summary, false).await;
            runs.push(read.map_err(|error| error.at(&self.address))?);
        }
        // Of runs with the same date, the one that is later in the list is newer.
        runs.reverse();
        Ok(History::new(runs))
    }
}

/// The numbers of a run's points and of its measured ones, and the table that they need. Those of the present are kept; those of an earlier state
/// are counted, which reads every point.
fn count_columns(as_of: AsOf) -> (&'static str, &'static str) {
    match as_of {
        AsOf::Now => (
            "coalesce(n.points, 0), coalesce(n.measured, 0)",
            "LEFT JOIN run_count n ON n.run_id = r.id",
        ),
        AsOf::Time(_) => (
            "(SELECT count(*) FROM point p WHERE p.run_id = r.id AND p.valid_from <= $1 AND (p.valid_to IS NULL OR p.valid_to > $1)), \
             (SELECT count(*) FROM point p WHERE p.run_id = r.id AND p.valid_from <= $1 AND (p.valid_to IS NULL OR p.valid_to > $1) \
             AND p.outcome = 'measured')",
            "",
        ),
    }
}

fn summary(row: &AnyRow, change: i64) -> Result<RunSummary, sqlx::Error> {
    let started_ms = row.try_get(5)?;
    let started = DateTime::from_timestamp_millis(started_ms).unwrap_or_default();
    let document: String = row.try_get(11)?;
    let (provider, repository, run_id): (String, String, String) = (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?);
    let attempt = row.try_get(10)?;
    Ok(RunSummary {
        url: run_url(&provider, &repository, &run_id, attempt),
        pull_request: pull_request(&document),
        id: row.try_get(0)?,
        project: row.try_get(1)?,
        kind: row.try_get(2)?,
        branch: row.try_get(3)?,
        commit: row.try_get(4)?,
        started_ms,
        started: started.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        revision: row.try_get(6)?,
        provider,
        repository,
        run_id,
        attempt,
        document,
        retracted: row.try_get(12)?,
        retracted_by: row.try_get(13)?,
        points: row.try_get(14)?,
        measured: row.try_get(15)?,
        change,
    })
}
