//! The table of rows that were not understood, the raw data that a history may lose once they are old and archived.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::ingest::{Ingest, Source};
use super::read::QuarantineRow;
use super::series::date;
use super::{Database, DatabaseError, insert_change};
use crate::analysis::Quarantined;
use crate::model::Digest;

/// A quarantined row, and when it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DatedQuarantine {
    pub id: i64,
    /// RFC 3339.
    pub stored: String,
    #[serde(flatten)]
    pub row: QuarantineRow,
}

impl Database {
    /// What was quarantined before a time, oldest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn quarantined_before(&mut self, time: DateTime<Utc>) -> Result<Vec<DatedQuarantine>, DatabaseError> {
        let statement = "SELECT q.id, c.at_ms, q.source, q.place, q.reason, q.payload FROM quarantine q \
                         JOIN change c ON c.id = q.change_id WHERE c.at_ms <= $1 ORDER BY q.id";
        let rows = sqlx::query(statement)
            .bind(time.timestamp_millis())
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let read = |row: &AnyRow| {
            Ok(DatedQuarantine {
                id: row.try_get(0)?,
                stored: date(row.try_get(1)?),
                row: QuarantineRow {
                    source: row.try_get(2)?,
                    place: row.try_get(3)?,
                    reason: row.try_get(4)?,
                    payload: row.try_get(5)?,
                },
            })
        };
        let rows: Result<Vec<_>, sqlx::Error> = rows.iter().map(read).collect();
        rows.map_err(self.address.sql())
    }

    /// Removes quarantined rows, all or none.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn remove_quarantined(&mut self, ids: &[i64], author: Option<&str>) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        let sql = address.sql();
        let mut transaction = self.begin().await?;
        insert_change(&mut transaction, "prune", author).await.map_err(&sql)?;
        for id in ids {
            sqlx::query("DELETE FROM quarantine WHERE id = $1")
                .bind(*id)
                .execute(&mut *transaction)
                .await
                .map_err(&sql)?;
        }
        transaction.commit().await.map_err(&sql)
    }
}

impl Ingest<'_> {
    pub(super) async fn keep_quarantined(&mut self, source: &Source, rows: &[Quarantined]) -> Result<(), sqlx::Error> {
        for row in rows {
            self.counts.quarantined += 1;
            let digest = Digest::of(format!("{}\n{}\n{}", source.digest, row.place, row.payload).as_bytes());
            let known: Option<i64> = sqlx::query_scalar("SELECT id FROM quarantine WHERE digest = $1")
                .bind(digest.as_slice().to_vec())
                .fetch_optional(&mut *self.transaction)
                .await?;
            if known.is_some() {
                continue;
            }
            let change = self.change().await?;
            // NUL is the one character that PostgreSQL's text cannot hold.
            sqlx::query("INSERT INTO quarantine (change_id, source, place, reason, payload, digest) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(change)
                .bind(source.name.replace('\0', "\u{fffd}"))
                .bind(row.place.clone())
                .bind(row.reason.replace('\0', "\u{fffd}"))
                .bind(row.payload.replace('\0', "\u{fffd}"))
                .bind(digest.as_slice().to_vec())
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }
}
