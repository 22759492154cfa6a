//! The newest run of each curve on each branch, kept in a table so that current curves need no search over all runs.

use sqlx::{Any, Transaction};

use super::ingest::Ingest;
use crate::analysis::RunHeader;

/// The runs that measured a point of each curve on each branch, from the tables of runs and points: columns `curve_id`, `branch`,
/// `run_id`, `started_ms`, and `place`, which is 1 for the newest. A macro, because statements are literals.
macro_rules! ranked {
    ($condition:literal) => {
        concat!(
            "SELECT curve_id, branch, run_id, started_ms, row_number() OVER (PARTITION BY curve_id, branch \
             ORDER BY started_ms DESC, run_id DESC) AS place FROM (SELECT DISTINCT k.curve_id, coalesce(v.branch, '') AS branch, v.run_id, \
             v.started_ms FROM point p JOIN point_key k ON k.id = p.point_key_id \
             JOIN run_revision v ON v.run_id = p.run_id AND v.valid_to IS NULL \
             WHERE p.valid_to IS NULL AND p.outcome = 'measured' \
             AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = p.run_id AND t.valid_to IS NULL) AND ",
            $condition,
            ") AS candidate"
        )
    };
}
pub(super) use ranked;

/// Determines the newest runs of all curves of a run on a branch (`''` for none) again: after a correction, a retraction or a restoration.
pub(super) async fn recompute(transaction: &mut Transaction<'_, Any>, run: i64, branch: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM curve_latest WHERE branch = $1 AND curve_id IN \
         (SELECT k.curve_id FROM point p JOIN point_key k ON k.id = p.point_key_id WHERE p.run_id = $2)",
    )
    .bind(branch.to_owned())
    .bind(run)
    .execute(&mut **transaction)
    .await?;
    let statement = concat!(
        "INSERT INTO curve_latest (curve_id, branch, run_id, started_ms) SELECT curve_id, branch, run_id, started_ms FROM (",
        ranked!(
            "coalesce(v.branch, '') = $1 AND k.curve_id IN \
             (SELECT k2.curve_id FROM point p2 JOIN point_key k2 ON k2.id = p2.point_key_id WHERE p2.run_id = $2)"
        ),
        ") AS ranked WHERE place = 1"
    );
    sqlx::query(statement)
        .bind(branch.to_owned())
        .bind(run)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

impl Ingest<'_> {
    /// Makes the run the newest one of its curves unless it is older than the current one.
    pub(super) async fn update_latest(&mut self, run: i64, header: &RunHeader, curves: &[i64]) -> Result<(), sqlx::Error> {
        for curve in curves {
            sqlx::query(
                "INSERT INTO curve_latest (curve_id, branch, run_id, started_ms) SELECT $1, $2, $3, $4 \
                 WHERE NOT EXISTS (SELECT 1 FROM retraction WHERE run_id = $3 AND valid_to IS NULL) \
                 ON CONFLICT (curve_id, branch) DO UPDATE SET run_id = excluded.run_id, started_ms = excluded.started_ms \
                 WHERE excluded.started_ms > curve_latest.started_ms \
                 OR (excluded.started_ms = curve_latest.started_ms AND excluded.run_id >= curve_latest.run_id)",
            )
            .bind(*curve)
            .bind(header.branch.clone().unwrap_or_default())
            .bind(run)
            .bind(header.started_ms)
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }
}
