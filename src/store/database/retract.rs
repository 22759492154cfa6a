//! Retracts and restores runs. Nothing is deleted: the state of an earlier time still includes the run.

use sqlx::Row as _;

use super::{Database, DatabaseError, insert_change, latest, level_table, run_count};

/// A retracted run.
#[derive(Debug)]
pub(crate) struct Retraction {
    pub run: i64,
    pub reason: String,
    pub author: String,
}

impl Database {
    /// Retracts a run: lists, baselines and noise estimates no longer include it.
    ///
    /// # Errors
    /// [`DatabaseError::NoRun`], and [`DatabaseError::State`] if the run is already retracted.
    pub(crate) async fn retract(&mut self, retraction: Retraction) -> Result<(), DatabaseError> {
        let Retraction { run, reason, author } = retraction;
        let address = self.address.clone();
        let sql = address.sql();
        let mut transaction = self.begin().await?;
        let (branch, is_retracted) = state(&mut transaction, run)
            .await
            .map_err(&sql)?
            .ok_or_else(|| no_run(&address, run))?;
        if is_retracted {
            return Err(DatabaseError::State {
                id: run,
                state: "retracted",
            });
        }
        let change = insert_change(&mut transaction, "retract", Some(&author)).await.map_err(&sql)?;
        sqlx::query("INSERT INTO retraction (run_id, valid_from, reason, author) VALUES ($1, $2, $3, $4)")
            .bind(run)
            .bind(change)
            .bind(reason)
            .bind(author)
            .execute(&mut *transaction)
            .await
            .map_err(&sql)?;
        run_count::recompute(&mut transaction, run).await.map_err(&sql)?;
        latest::recompute(&mut transaction, run, &branch).await.map_err(&sql)?;
        let leveled = level_table::recompute(&mut transaction, run, &branch).await;
        leveled.map_err(|error| error.at(&address))?;
        transaction.commit().await.map_err(&sql)
    }

    /// Restores a retracted run.
    ///
    /// # Errors
    /// [`DatabaseError::NoRun`], and [`DatabaseError::State`] if the run is not retracted.
    pub(crate) async fn restore(&mut self, run: i64, author: &str) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        let sql = address.sql();
        let mut transaction = self.begin().await?;
        let (branch, is_retracted) = state(&mut transaction, run)
            .await
            .map_err(&sql)?
            .ok_or_else(|| no_run(&address, run))?;
        if !is_retracted {
            return Err(DatabaseError::State { id: run, state: "active" });
        }
        let change = insert_change(&mut transaction, "restore", Some(author)).await.map_err(&sql)?;
        sqlx::query("UPDATE retraction SET valid_to = $1 WHERE run_id = $2 AND valid_to IS NULL")
            .bind(change)
            .bind(run)
            .execute(&mut *transaction)
            .await
            .map_err(&sql)?;
        run_count::recompute(&mut transaction, run).await.map_err(&sql)?;
        latest::recompute(&mut transaction, run, &branch).await.map_err(&sql)?;
        let leveled = level_table::recompute(&mut transaction, run, &branch).await;
        leveled.map_err(|error| error.at(&address))?;
        transaction.commit().await.map_err(&sql)
    }
}

fn no_run(address: &super::Address, id: i64) -> DatabaseError {
    DatabaseError::NoRun {
        id,
        place: address.to_string(),
    }
}

/// A run's branch (`''` for none) and whether it is retracted; `None` for an unknown run.
async fn state(transaction: &mut sqlx::Transaction<'_, sqlx::Any>, run: i64) -> Result<Option<(String, bool)>, sqlx::Error> {
    let statement = "SELECT v.branch, t.id FROM run_revision v LEFT JOIN retraction t ON t.run_id = v.run_id AND t.valid_to IS NULL \
                     WHERE v.run_id = $1 AND v.valid_to IS NULL";
    let Some(row) = sqlx::query(statement).bind(run).fetch_optional(&mut **transaction).await? else {
        return Ok(None);
    };
    let branch: Option<String> = row.try_get(0)?;
    Ok(Some((branch.unwrap_or_default(), row.try_get::<Option<i64>, _>(1)?.is_some())))
}
