//! Finds damage: to the file, to rows that another program changed, and to derived data.

use futures_util::TryStreamExt as _;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::engine::Address;
use super::latest::ranked;
use super::point_table::{self, PointReader, PointRowError};
use super::read::RunFilter;
use super::run_count::counted;
use super::{Access, Database, DatabaseError, RESTORE, eval_table, record_table};
use crate::analysis::{EvalRow, PointRow};
use crate::model::{CurveKey, Digest};
use crate::store::work::Work;

/// Maximum number of findings; beyond it, the file is lost anyway.
const MAX_FINDINGS: usize = 1000;

/// Damage, and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding(String);

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks everything in a history, including replaced revisions.
///
/// # Errors
/// [`DatabaseError`] if it is not a history or cannot be reached; damage is a finding, not an error.
pub(crate) async fn verify(address: &Address, work: &Work) -> Result<Vec<Finding>, DatabaseError> {
    let mut database = match Database::open(address, Access::Read).await {
        Ok(database) => database,
        Err(damage @ DatabaseError::Damaged(_)) => return Ok(vec![Finding(damage.to_string())]),
        Err(error) => return Err(error),
    };
    let mut findings = Vec::new();
    match database.check(&mut findings, work).await {
        Ok(()) => {}
        // Unreadable pages end the search; earlier findings are kept.
        Err(damage @ DatabaseError::Damaged(_)) => findings.push(Finding(damage.to_string())),
        Err(error) => return Err(error),
    }
    findings.truncate(MAX_FINDINGS);
    // A damaged file may also fail to close; the findings are more useful than that error.
    let _ = database.close().await;
    Ok(findings)
}

impl Database {
    async fn check(&mut self, findings: &mut Vec<Finding>, work: &Work) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        match address {
            Address::Sqlite(_) => self.check_file(findings).await.map_err(address.sql())?,
            // PostgreSQL checks its pages itself.
            Address::Postgres(_) => {}
        }
        self.check_curves(findings).await.map_err(address.sql())?;
        self.check_headers(findings).await.map_err(address.sql())?;
        let all = RunFilter {
            with_retracted: true,
            ..RunFilter::default()
        };
        let runs = self.runs(&all).await?;
        work.expect(runs.len());
        for run in runs {
            work.advance(1);
            self.check_run(run.id, findings).await.map_err(address.sql())?;
        }
        self.check_counts(findings).await.map_err(address.sql())?;
        self.check_latest(findings).await.map_err(address.sql())
    }

    async fn check_file(&mut self, findings: &mut Vec<Finding>) -> Result<(), sqlx::Error> {
        let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(100)")
            .fetch_all(&mut self.connection)
            .await?;
        let broken = lines.into_iter().filter(|line| line != "ok");
        findings.extend(broken.map(|line| Finding(format!("the file is damaged: {line}; {RESTORE}"))));
        let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut self.connection).await?;
        for row in dangling {
            let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            findings.push(Finding(format!(
                "a row of {table} names a row of {parent} that is not there; {RESTORE}"
            )));
        }
        Ok(())
    }

    async fn check_curves(&mut self, findings: &mut Vec<Finding>) -> Result<(), sqlx::Error> {
        let rows = sqlx::query("SELECT id, key_hash, document FROM curve")
            .fetch_all(&mut self.connection)
            .await?;
        for row in rows {
            let (id, hash, document): (i64, Vec<u8>, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let identity = serde_json::from_str::<CurveKey>(&document).map(|key| key.identity());
            if !identity.is_ok_and(|identity| identity.as_slice() == hash) {
                findings.push(Finding(format!(
                    "curve {id}: its key does not have the hash that was stored; {RESTORE}"
                )));
            }
        }
        Ok(())
    }

    async fn check_headers(&mut self, findings: &mut Vec<Finding>) -> Result<(), sqlx::Error> {
        let rows = sqlx::query("SELECT run_id, revision, digest, document FROM run_revision")
            .fetch_all(&mut self.connection)
            .await?;
        for row in rows {
            let (run, revision): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let (digest, document): (Vec<u8>, String) = (row.try_get(2)?, row.try_get(3)?);
            let found = serde_json::from_str(&document).map(Digest::of_json);
            if !found.is_ok_and(|found| found.as_slice() == digest) {
                findings.push(changed(run, &format!("its data in revision {revision} are")));
            }
        }
        Ok(())
    }

    /// Compares all revisions of a run's points and scores with their stored digests.
    async fn check_run(&mut self, run: i64, findings: &mut Vec<Finding>) -> Result<(), sqlx::Error> {
        let statement = AssertSqlSafe(point_table::select_all_of_run());
        let mut points = sqlx::query(statement).bind(run).fetch(&mut self.connection);
        let mut reader = PointReader::default();
        // One by one: all rows of a run of 83,000 points would take half a gigabyte.
        while let Some(row) = points.try_next().await? {
            findings.extend(damaged_point(&mut reader, run, &row));
        }
        drop(points);
        let evals = sqlx::query("SELECT id, digest, document FROM eval WHERE run_id = $1")
            .bind(run)
            .fetch_all(&mut self.connection)
            .await?;
        findings.extend(evals.iter().filter_map(|row| damaged_eval(run, row)));
        let records = sqlx::query("SELECT digest, document FROM run_record WHERE run_id = $1")
            .bind(run)
            .fetch_all(&mut self.connection)
            .await?;
        for row in &records {
            if !record_table::is_whole(row).unwrap_or(false) {
                findings.push(changed(run, "a record is"));
            }
        }
        Ok(())
    }

    async fn check_counts(&mut self, findings: &mut Vec<Finding>) -> Result<(), sqlx::Error> {
        let wrong = concat!(
            "WITH counted AS (",
            counted!("1 = 1"),
            "), kept AS (SELECT run_id, points, measured FROM run_count) \
             SELECT DISTINCT run_id FROM (SELECT * FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept) AS lacking \
             UNION ALL SELECT * FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted) AS surplus) AS wrong ORDER BY run_id"
        );
        let runs: Vec<i64> = sqlx::query_scalar(wrong).fetch_all(&mut self.connection).await?;
        let words = |run| {
            Finding(format!(
                "run {run}: the number of its points that is kept for lists is wrong; retract and restore the run, which counts them again"
            ))
        };
        findings.extend(runs.into_iter().map(words));
        Ok(())
    }

    async fn check_latest(&mut self, findings: &mut Vec<Finding>) -> Result<(), sqlx::Error> {
        let wrong = concat!(
            "WITH right_one AS (SELECT curve_id, branch, run_id, started_ms FROM (",
            ranked!("1 = 1"),
            ") AS ranked WHERE place = 1), kept AS (SELECT curve_id, branch, run_id, started_ms FROM curve_latest) \
             SELECT DISTINCT curve_id FROM (SELECT * FROM (SELECT * FROM right_one EXCEPT SELECT * FROM kept) AS lacking \
             UNION ALL SELECT * FROM (SELECT * FROM kept EXCEPT SELECT * FROM right_one) AS surplus) AS wrong ORDER BY curve_id"
        );
        let curves: Vec<i64> = sqlx::query_scalar(wrong).fetch_all(&mut self.connection).await?;
        let words = |curve| {
            Finding(format!(
                "curve {curve}: the run that is kept as its newest one is not; import any run of it again"
            ))
        };
        findings.extend(curves.into_iter().map(words));
        Ok(())
    }
}

fn changed(run: i64, what: &str) -> Finding {
    Finding(format!("run {run}: {what} not what was stored; {RESTORE}"))
}

fn is_point_whole(reader: &mut PointReader, row: &AnyRow) -> Result<(i64, bool), PointRowError> {
    let stored = reader.read(row)?;
    Ok((stored.id, PointRow::of(stored.point)?.digest.as_slice() == stored.digest))
}

fn damaged_point(reader: &mut PointReader, run: i64, row: &AnyRow) -> Option<Finding> {
    match is_point_whole(reader, row) {
        Ok((_, true)) => None,
        Ok((id, false)) => Some(changed(run, &format!("point {id} is"))),
        Err(error) => Some(changed(run, &format!("a point is unreadable ({error}), so it is"))),
    }
}

fn damaged_eval(run: i64, row: &AnyRow) -> Option<Finding> {
    let is_whole = |row: &AnyRow| -> Result<(i64, bool), PointRowError> {
        let stored = eval_table::read(row)?;
        Ok((stored.id, EvalRow::of(stored.score)?.digest.as_slice() == stored.digest))
    };
    match is_whole(row) {
        Ok((_, true)) => None,
        Ok((id, false)) => Some(changed(run, &format!("score {id} is"))),
        Err(error) => Some(changed(run, &format!("a score is unreadable ({error}), so it is"))),
    }
}
