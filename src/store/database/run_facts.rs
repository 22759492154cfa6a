//! What is read beside points for pages about runs: where runs come from, their jobs, what was recorded of a point, outcomes by day.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::point_selection::{Conditions, PointSelection, TableOrder};
use super::point_table::PointRowError;
use super::series::date;
use super::{AsOf, Database, DatabaseError, record_table};
use crate::analysis::{GivenVerdict, JobOfRun, JobSummary, PointDistributions, RunRecord};
use crate::model::{Digest, PointKey};

/// Runs that are named in one statement.
const CHUNK: usize = 400;
const DAY_MS: i64 = 86_400_000;

/// Where a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunHead {
    pub run: i64,
    pub commit: String,
    pub branch: Option<String>,
    pub kind: String,
    /// RFC 3339.
    pub date: String,
    #[serde(skip)]
    pub started_ms: i64,
    /// The page of the run at its provider; absent for one that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip)]
    pub repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// The images of its points, at most [`RunHead::MOST_IMAGES`].
    pub images: Vec<String>,
}

impl RunHead {
    const MOST_IMAGES: usize = 20;

    /// The page that shows the commits between two runs of one repository at GitHub.
    pub(crate) fn compare_url(&self, later: &Self) -> Option<String> {
        let repository = self.repository.as_deref().filter(|own| later.repository.as_deref() == Some(*own))?;
        let is_commit = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_known = is_commit(&self.commit) && is_commit(&later.commit) && self.commit != later.commit;
        is_known.then(|| format!("https://github.com/{repository}/compare/{}...{}", self.commit, later.commit))
    }
}

/// The page of a workflow run at GitHub, where its parts are what GitHub gives.
pub(super) fn run_url(provider: &str, repository: &str, run: &str, attempt: i64) -> Option<String> {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let (owner, name) = repository.split_once('/')?;
    let is_known =
        provider == "github" && is_name(owner) && is_name(name) && !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit());
    is_known.then(|| format!("https://github.com/{repository}/actions/runs/{run}/attempts/{attempt}"))
}

/// What is recorded of a point in a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PointRecords {
    pub distributions: Option<PointDistributions>,
    pub jobs: Vec<JobSummary>,
    pub verdicts: Vec<GivenVerdict>,
}

/// Points of a day with an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DayOutcome {
    /// Midnight UTC, RFC 3339.
    pub day: String,
    /// `measured`, or the class of the failure.
    pub outcome: String,
    pub points: i64,
}

/// The condition that a row of a table held at a time, whose last change is known. What holds now is in indexes of its own.
fn held(table: &str, as_of: AsOf, change: i64) -> String {
    match as_of {
        AsOf::Now => format!("{table}valid_to IS NULL"),
        AsOf::Time(_) => format!("{table}valid_from <= {change} AND ({table}valid_to IS NULL OR {table}valid_to > {change})"),
    }
}

impl Database {
    /// Where runs come from, by their numbers, as it was said at a time.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn run_heads(&mut self, runs: &[i64], as_of: AsOf) -> Result<BTreeMap<i64, RunHead>, DatabaseError> {
        let mut heads = BTreeMap::new();
        let change = self.change_at(as_of).await?;
        for chunk in runs.chunks(CHUNK) {
            let ids = list(chunk);
            let sql = format!(
                "SELECT r.id, v.commit_sha, v.branch, v.kind, v.started_ms, r.provider, r.repository, r.external_id, r.attempt, v.document \
                 FROM run r JOIN run_revision v ON v.run_id = r.id AND {} WHERE r.id IN ({ids})",
                held("v.", as_of, change)
            );
            // The text is made of constants and numbers of this database.
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await;
            for row in rows.map_err(self.address.sql())? {
                let head = head(&row).map_err(self.address.sql())?;
                heads.insert(head.run, head);
            }
            let sql = format!(
                "SELECT DISTINCT run_id, image FROM point WHERE {} AND image IS NOT NULL AND run_id IN ({ids}) ORDER BY run_id, image",
                held("", as_of, change)
            );
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await;
            for row in rows.map_err(self.address.sql())? {
                let (run, image): (i64, String) = (
                    row.try_get(0).map_err(self.address.sql())?,
                    row.try_get(1).map_err(self.address.sql())?,
                );
                if let Some(head) = heads.get_mut(&run).filter(|head| head.images.len() < RunHead::MOST_IMAGES) {
                    head.images.push(image);
                }
            }
        }
        Ok(heads)
    }

    /// The jobs of the runs of a selection, the newest run first, at most as many as asked for. Filters choose by hardware and model of the
    /// job's curve. Also whether there were more, of which some may have been selected.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn jobs(
        &mut self,
        selection: &PointSelection,
        as_of: AsOf,
        most: usize,
    ) -> Result<(Vec<JobOfRun>, bool), DatabaseError> {
        let change = self.change_at(as_of).await?;
        let statement = "SELECT d.document, d.run_id, v.started_ms FROM run_record d JOIN run r ON r.id = d.run_id \
             JOIN project j ON j.id = r.project_id JOIN run_revision v ON v.run_id = d.run_id AND v.valid_from <= $1 \
             AND (v.valid_to IS NULL OR v.valid_to > $1) WHERE d.kind = 'job' AND d.valid_from <= $1 AND (d.valid_to IS NULL OR d.valid_to > $1) \
             AND ($2 IS NULL OR j.slug = $2) AND ($3 IS NULL OR v.branch = $3) AND v.started_ms >= $4 AND v.started_ms < $5 \
             AND ($6 IS NULL OR v.kind = $6) AND ($7 IS NULL OR d.run_id = $7) ORDER BY v.started_ms DESC, d.run_id DESC, d.id LIMIT $8";
        let rows = sqlx::query(statement)
            .bind(change)
            .bind(selection.project.clone())
            .bind(selection.branch.clone())
            .bind(selection.since.map_or(i64::MIN, |since| since.timestamp_millis()))
            .bind(selection.until.map_or(i64::MAX, |until| until.timestamp_millis()))
            .bind(selection.kind.clone())
            .bind(selection.run)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut self.connection)
            .await;
        let rows = rows.map_err(self.address.sql())?;
        let is_cut = rows.len() == most;
        let mut jobs = Vec::new();
        for row in &rows {
            let (record, run, started_ms) = job_row(row).map_err(|error| error.at(&self.address))?;
            let RunRecord::Job(job) = record else { continue };
            if super::point_selection::is_selected_but_for_load(&job.curve, &selection.filters) {
                jobs.push(JobOfRun {
                    run,
                    started_ms,
                    gpus: None,
                    job,
                });
            }
        }
        let gpus = self.gpus_of(&jobs).await?;
        for job in &mut jobs {
            job.gpus = gpus.get(&(job.run, job.job.curve.identity())).copied();
        }
        Ok((jobs, is_cut))
    }

    /// The GPUs of curves by run.
    async fn gpus_of(&mut self, jobs: &[JobOfRun]) -> Result<BTreeMap<(i64, Digest), u64>, DatabaseError> {
        let mut runs: Vec<i64> = jobs.iter().map(|job| job.run).collect();
        runs.dedup();
        let mut gpus = BTreeMap::new();
        for chunk in runs.chunks(CHUNK) {
            let sql = format!(
                "SELECT p.run_id, c.key_hash, max(p.gpus) FROM point p JOIN point_key k ON k.id = p.point_key_id JOIN curve c ON c.id = k.curve_id \
                 WHERE p.valid_to IS NULL AND p.run_id IN ({}) GROUP BY p.run_id, c.key_hash",
                list(chunk)
            );
            // The text is made of constants and numbers of this database.
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await;
            for row in rows.map_err(self.address.sql())? {
                let (run, hash, number): (i64, Vec<u8>, i64) = gpu_row(&row).map_err(self.address.sql())?;
                if let (Some(curve), Ok(number)) = (Digest::from_slice(&hash), u64::try_from(number)) {
                    gpus.insert((run, curve), number);
                }
            }
        }
        Ok(gpus)
    }

    /// What is recorded of a point in a run.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn point_records(&mut self, run: i64, point: &PointKey, as_of: AsOf) -> Result<PointRecords, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let own = RunRecord::distributions_key(point);
        let statement = "SELECT document FROM run_record WHERE run_id = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2) \
             AND (key_hash = $3 OR kind IN ('job', 'verdict'))";
        let rows = sqlx::query(statement)
            .bind(run)
            .bind(change)
            .bind(own.as_slice().to_vec())
            .fetch_all(&mut self.connection)
            .await;
        let mut found = PointRecords::default();
        for row in rows.map_err(self.address.sql())? {
            match record_table::read(&row).map_err(|error| error.at(&self.address))? {
                RunRecord::Distributions(distributions) => found.distributions = Some(distributions),
                RunRecord::Job(job) if job.curve == point.curve && job.concurrencies.contains(&point.conc.get()) => found.jobs.push(job),
                RunRecord::Verdict(given) if given.comparison.point == *point => found.verdicts.push(given),
                RunRecord::Job(_) | RunRecord::Verdict(_) | RunRecord::Changelog(_) | RunRecord::Plan(_) => {}
            }
        }
        Ok(found)
    }

    /// The verdicts of runs that a waiver accepts, of those that held at a time.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn waived_verdicts(&mut self, runs: &[i64], as_of: AsOf) -> Result<Vec<(i64, GivenVerdict)>, DatabaseError> {
        let mut found = Vec::new();
        let change = self.change_at(as_of).await?;
        for chunk in runs.chunks(CHUNK) {
            // The text is made of constants and numbers of this database. The pattern only narrows; the record decides.
            let sql = AssertSqlSafe(format!(
                "SELECT document, run_id FROM run_record WHERE {} AND kind = 'verdict' AND run_id IN ({}) \
                 AND document LIKE '%\"exception\"%'",
                held("", as_of, change),
                list(chunk)
            ));
            let rows = sqlx::query(sql).fetch_all(&mut self.connection).await;
            for row in rows.map_err(self.address.sql())? {
                let run: i64 = row.try_get(1).map_err(self.address.sql())?;
                if let RunRecord::Verdict(given) = record_table::read(&row).map_err(|error| error.at(&self.address))?
                    && given.comparison.exception.is_some()
                {
                    found.push((run, given));
                }
            }
        }
        Ok(found)
    }

    /// Numbers of points of a selection by day and outcome, the oldest day first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn outcomes_by_day(&mut self, selection: &PointSelection, as_of: AsOf) -> Result<Vec<DayOutcome>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let (_, filters, order) = self.filter_condition(selection).await?;
        let order = if filters.is_empty() { TableOrder::Runs } else { order };
        let conditions = Conditions::of(selection, change);
        // Runs of a history are later than 1970, so that integer division rounds down.
        let sql = format!(
            "SELECT v.started_ms / {DAY_MS}, p.outcome, count(*) FROM {} WHERE {}{filters} GROUP BY 1, 2 ORDER BY 1, 2",
            order.tables(),
            conditions.sql
        );
        let rows = conditions.query(sql).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| {
            Ok(DayOutcome {
                day: date(row.try_get::<i64, _>(0)? * DAY_MS),
                outcome: row.try_get(1)?,
                points: row.try_get(2)?,
            })
        };
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(self.address.sql())
    }
}

/// `1, 2`: numbers of this database; an empty list is no SQL.
fn list(ids: &[i64]) -> String {
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    if texts.is_empty() { "-1".to_owned() } else { texts.join(", ") }
}

fn job_row(row: &AnyRow) -> Result<(RunRecord, i64, i64), PointRowError> {
    Ok((record_table::read(row)?, row.try_get(1)?, row.try_get(2)?))
}

fn gpu_row(row: &AnyRow) -> Result<(i64, Vec<u8>, i64), sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}

fn head(row: &AnyRow) -> Result<RunHead, sqlx::Error> {
    let (provider, repository, external): (String, String, String) = (row.try_get(5)?, row.try_get(6)?, row.try_get(7)?);
    let document: String = row.try_get(9)?;
    let url = run_url(&provider, &repository, &external, row.try_get(8)?);
    let started_ms = row.try_get(4)?;
    Ok(RunHead {
        run: row.try_get(0)?,
        commit: row.try_get(1)?,
        branch: row.try_get(2)?,
        kind: row.try_get(3)?,
        date: date(started_ms),
        started_ms,
        repository: url.is_some().then_some(repository),
        url,
        pull_request: pull_request(&document),
        images: Vec::new(),
    })
}

/// The number of the pull request in a run's document.
pub(super) fn pull_request(document: &str) -> Option<u64> {
    let document: serde_json::Value = serde_json::from_str(document).ok()?;
    document["context"]["pull_request"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_made_of_what_github_gives() {
        for (provider, repository, run, expected) in [
            (
                "github",
                "org/name",
                "12",
                Some("https://github.com/org/name/actions/runs/12/attempts/1"),
            ),
            ("content", "org/name", "12", None),
            ("github", "org", "12", None),
            ("github", "org/name/../x", "12", None),
            ("github", "org/na me", "12", None),
            ("github", "org/name", "12/../../x", None),
            ("github", "", "", None),
        ] {
            assert_eq!(
                run_url(provider, repository, run, 1).as_deref(),
                expected,
                "{provider} {repository} {run}"
            );
        }
    }
}
