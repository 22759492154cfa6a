//! The number of a run's points, kept in a table: counting them for a list of runs reads each point of the history.

use sqlx::{Any, Transaction};

/// The numbers of points by run, as they are counted.
macro_rules! counted {
    ($condition:literal) => {
        concat!(
            "SELECT run_id, count(*) AS points, sum(CASE WHEN outcome = 'measured' THEN 1 ELSE 0 END) AS measured FROM point \
             WHERE valid_to IS NULL AND ",
            $condition,
            " GROUP BY run_id"
        )
    };
}
pub(super) use counted;

/// Counts the points of a run again.
pub(super) async fn recompute(transaction: &mut Transaction<'_, Any>, run: i64) -> Result<(), sqlx::Error> {
    // Deleted first: a run whose points all belong to another attempt now has no group.
    sqlx::query("DELETE FROM run_count WHERE run_id = $1")
        .bind(run)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(concat!(
        "INSERT INTO run_count (run_id, points, measured) ",
        counted!("run_id = $1")
    ))
    .bind(run)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
