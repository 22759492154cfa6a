//! The table of a run's records.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::ingest::{Ingest, StoreError};
use super::point_table::{PointRowError, placeholders};
use super::series::date;
use super::{Database, DatabaseError, insert_change};
use crate::analysis::{RecordRow, RowError, RunRecord};
use crate::model::Digest;

/// The records of a run as of a change. Arguments: the run, the change.
pub(super) const SELECT_OF_RUN: &str =
    "SELECT document FROM run_record WHERE run_id = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)";

/// A row of [`SELECT_OF_RUN`].
pub(super) fn read(row: &AnyRow) -> Result<RunRecord, PointRowError> {
    let document: &str = row.try_get(0)?;
    Ok(serde_json::from_str(document).map_err(|source| RowError::Json {
        what: "the record",
        source,
    })?)
}

/// Whether a stored record has the digest that was stored with it. Columns: digest, document.
pub(super) fn is_whole(row: &AnyRow) -> Result<bool, PointRowError> {
    let (digest, document): (Vec<u8>, String) = (row.try_get(0)?, row.try_get(1)?);
    let found = serde_json::from_str(&document).map(Digest::of_json);
    Ok(found.is_ok_and(|found| found.as_slice() == digest))
}

/// A record that a history may lose, with what tells whose it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DatedRecord {
    /// RFC 3339.
    pub stored: String,
    pub project: String,
    pub provider: String,
    pub repository: String,
    pub run_id: String,
    pub attempt: i64,
    pub record: RunRecord,
}

/// Records of one statement.
const CHUNK: usize = 100;

impl Database {
    /// The runs that keep records of points: jobs, distributions, verdicts.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn runs_with_point_records(&mut self) -> Result<BTreeSet<i64>, DatabaseError> {
        let statement = "SELECT DISTINCT run_id FROM run_record WHERE valid_to IS NULL AND kind IN ('job', 'distributions', 'verdict')";
        let runs: Result<Vec<i64>, _> = sqlx::query_scalar(statement).fetch_all(&mut self.connection).await;
        Ok(runs.map_err(self.address.sql())?.into_iter().collect())
    }

    /// The numbers of the distributions that were stored before a time.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn distributions_before(&mut self, time: DateTime<Utc>) -> Result<Vec<i64>, DatabaseError> {
        let statement = "SELECT q.id FROM run_record q JOIN change c ON c.id = q.valid_from \
                         WHERE q.kind = 'distributions' AND c.at_ms <= $1 ORDER BY q.id";
        let ids = sqlx::query_scalar(statement).bind(time.timestamp_millis());
        ids.fetch_all(&mut self.connection).await.map_err(self.address.sql())
    }

    /// Gives records one after another, some at a time.
    ///
    /// # Errors
    /// [`DatabaseError`]; that of `each` ends it.
    pub(crate) async fn each_record<E: From<DatabaseError>>(
        &mut self,
        ids: &[i64],
        mut each: impl FnMut(DatedRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        for chunk in ids.chunks(CHUNK) {
            let sql = format!(
                "SELECT q.document, c.at_ms, j.slug, r.provider, r.repository, r.external_id, r.attempt FROM run_record q \
                 JOIN change c ON c.id = q.valid_from JOIN run r ON r.id = q.run_id JOIN project j ON j.id = r.project_id \
                 WHERE q.id IN {} ORDER BY q.id",
                placeholders(1, chunk.len())
            );
            // The text is made of constants and numbers of arguments.
            let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, id| query.bind(*id));
            let rows = query.fetch_all(&mut self.connection).await;
            for row in rows.map_err(self.address.sql())? {
                each(dated(&row).map_err(|error| error.at(&self.address))?)?;
            }
        }
        Ok(())
    }

    /// Removes records, all or none.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn remove_records(&mut self, ids: &[i64], author: Option<&str>) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        let sql = address.sql();
        let mut transaction = self.begin().await?;
        insert_change(&mut transaction, "prune", author).await.map_err(&sql)?;
        for chunk in ids.chunks(CHUNK) {
            let text = format!("DELETE FROM run_record WHERE id IN {}", placeholders(1, chunk.len()));
            let query = chunk.iter().fold(sqlx::query(AssertSqlSafe(text)), |query, id| query.bind(*id));
            query.execute(&mut *transaction).await.map_err(&sql)?;
        }
        transaction.commit().await.map_err(&sql)
    }
}

fn dated(row: &AnyRow) -> Result<DatedRecord, PointRowError> {
    Ok(DatedRecord {
        record: read(row)?,
        stored: date(row.try_get(1)?),
        project: row.try_get(2)?,
        provider: row.try_get(3)?,
        repository: row.try_get(4)?,
        run_id: row.try_get(5)?,
        attempt: row.try_get(6)?,
    })
}

impl Ingest<'_> {
    /// Stores the records of a run that are new or have changed; whether there was one.
    pub(super) async fn store_records(&mut self, project: i64, run: i64, records: &[RecordRow]) -> Result<bool, StoreError> {
        if records.is_empty() {
            return Ok(false);
        }
        let mut current: BTreeMap<Vec<u8>, (i64, Vec<u8>)> = BTreeMap::new();
        let statement = "SELECT key_hash, revision, digest FROM run_record WHERE run_id = $1 AND valid_to IS NULL";
        for row in sqlx::query(statement).bind(run).fetch_all(&mut *self.transaction).await? {
            current.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
        }
        let mut has_changed = false;
        for row in records {
            let before = current.get(row.key.as_slice());
            if before.is_some_and(|(_, digest)| digest == row.digest.as_slice()) {
                continue;
            }
            has_changed = true;
            let revision = before.map_or(1, |(revision, _)| revision + 1);
            let change = self.change().await?;
            if before.is_some() {
                sqlx::query("UPDATE run_record SET valid_to = $1 WHERE run_id = $2 AND key_hash = $3 AND valid_to IS NULL")
                    .bind(change)
                    .bind(run)
                    .bind(row.key.as_slice().to_vec())
                    .execute(&mut *self.transaction)
                    .await?;
            }
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO run_record (run_id, kind, key_hash, revision, valid_from, digest, document) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                 RETURNING id",
            )
            .bind(run)
            .bind(row.record.kind())
            .bind(row.key.as_slice().to_vec())
            .bind(revision)
            .bind(change)
            .bind(row.digest.as_slice().to_vec())
            .bind(row.document.clone())
            .fetch_one(&mut *self.transaction)
            .await?;
            if let RunRecord::Changelog(change) = &row.record {
                self.tie_to_curves(project, id, change).await?;
            }
            // Of records with the same key the last one counts.
            current.insert(row.key.as_slice().to_vec(), (revision, row.digest.as_slice().to_vec()));
        }
        Ok(has_changed)
    }
}
