//! The newest outcome of each point of a branch.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::watch_table::NewestOutcome;
use super::{Database, DatabaseError, PointSelection};
use crate::model::{Concurrency, PointKey};

impl Database {
    /// The newest outcome of each point of a selection on a branch, of runs from `since_ms` on; runs of pull requests and retracted ones do
    /// not count.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn newest_outcomes(
        &mut self,
        selection: &PointSelection,
        branch: &str,
        since_ms: i64,
    ) -> Result<Vec<NewestOutcome>, DatabaseError> {
        let (mut curves, _) = self.selected_curves(selection).await?;
        let statement = "SELECT curve_id, load, run_id, started_ms, outcome, reason FROM (SELECT k.curve_id, k.load, p.run_id, v.started_ms, \
             p.outcome, p.reason, row_number() OVER (PARTITION BY p.point_key_id ORDER BY v.started_ms DESC, p.run_id DESC) AS place \
             FROM run_revision v JOIN point p ON p.run_id = v.run_id JOIN point_key k ON k.id = p.point_key_id \
             WHERE v.valid_to IS NULL AND p.valid_to IS NULL AND v.branch = $1 AND v.kind <> 'pull-request' AND v.started_ms >= $2 \
             AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = v.run_id AND t.valid_to IS NULL)) AS ranked WHERE place = 1";
        let rows = sqlx::query(statement)
            .bind(branch.to_owned())
            .bind(since_ms)
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let mut found = Vec::new();
        for row in &rows {
            let (curve, load) = place(row).map_err(self.address.sql())?;
            let conc = u32::try_from(load).ok().and_then(Concurrency::new);
            let (Some(key), Some(conc)) = (curves.key(curve).cloned(), conc) else {
                continue;
            };
            if curves.has(curve, load, &selection.filters) {
                let key = PointKey { curve: key, conc };
                found.push(outcome(row, key).map_err(self.address.sql())?);
            }
        }
        found.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(found)
    }
}

fn place(row: &AnyRow) -> Result<(i64, i64), sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

fn outcome(row: &AnyRow, key: PointKey) -> Result<NewestOutcome, sqlx::Error> {
    Ok(NewestOutcome {
        key,
        run: row.try_get(2)?,
        started_ms: row.try_get(3)?,
        outcome: row.try_get(4)?,
        reason: row.try_get(5)?,
    })
}
