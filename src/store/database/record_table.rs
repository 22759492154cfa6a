//! The table of a run's records.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::ingest::{Ingest, StoreError};
use super::point_table::PointRowError;
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

impl Ingest<'_> {
    /// Stores the records of a run that are new or have changed; whether there was one.
    pub(super) async fn store_records(&mut self, run: i64, records: &[RecordRow]) -> Result<bool, StoreError> {
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
            sqlx::query(
                "INSERT INTO run_record (run_id, kind, key_hash, revision, valid_from, digest, document) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(run)
            .bind(row.record.kind())
            .bind(row.key.as_slice().to_vec())
            .bind(revision)
            .bind(change)
            .bind(row.digest.as_slice().to_vec())
            .bind(row.document.clone())
            .execute(&mut *self.transaction)
            .await?;
            // Of records with the same key the last one counts.
            current.insert(row.key.as_slice().to_vec(), (revision, row.digest.as_slice().to_vec()));
        }
        Ok(has_changed)
    }
}
