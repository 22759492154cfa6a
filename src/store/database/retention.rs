//! The raw data that a history may lose: rows that were not understood, once they are old and archived.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::read::QuarantineRow;
use super::series::date;
use super::{Database, DatabaseError, insert_change};

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
