//! The table of scores.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::attempts::OtherAttempts;
use super::counts::Known;
use super::ingest::{Ingest, StoreError};
use super::point_table::PointRowError;
use crate::analysis::{EvalRow, EvalScore, RowError, RunRows};

/// A score to store.
struct NewEval<'a> {
    run_id: i64,
    revision: i64,
    change: i64,
    row: &'a EvalRow,
}

fn insert(eval: &NewEval<'_>) -> Result<Query<'static, Any, AnyArguments>, RowError> {
    let NewEval {
        run_id,
        revision,
        change,
        row,
    } = eval;
    let EvalRow { score, key, digest } = row;
    let document = serde_json::to_string(score).map_err(|source| RowError::Json { what: "the score", source })?;
    let query = sqlx::query(
        "INSERT INTO eval (run_id, key_hash, revision, valid_from, digest, model_prefix, hardware, framework, precision, task, score_name, \
         score, stderr, document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    );
    let query = query.bind(*run_id).bind(key.as_slice().to_vec()).bind(*revision).bind(*change);
    let query = query.bind(digest.as_slice().to_vec()).bind(score.key.model_prefix.clone());
    let query = query.bind(score.key.hardware.clone()).bind(score.key.framework.clone());
    let query = query
        .bind(score.key.precision.clone())
        .bind(score.key.task.clone())
        .bind(score.key.score_name.clone());
    Ok(query.bind(score.score).bind(score.stderr).bind(document))
}

impl Ingest<'_> {
    /// Stores the scores of a run that are new or have changed, and gives the attempts whose scores belong to this run now.
    pub(super) async fn store_evals(&mut self, run: i64, rows: &RunRows, others: &OtherAttempts) -> Result<BTreeSet<i64>, StoreError> {
        let mut taken_from = BTreeSet::new();
        if rows.evals.is_empty() {
            return Ok(taken_from);
        }
        let current = self.current_evals(run).await?;
        let mut seen = BTreeSet::new();
        for row in &rows.evals {
            // Of scores with the same key the first one counts, as in comparisons.
            if !seen.insert(row.key) {
                continue;
            }
            let before = current.get(row.key.as_slice());
            let is_there = before.is_some_and(|(_, digest)| digest.as_deref() == Some(row.digest.as_slice()));
            let reported = others.eval(&row.digest).filter(|_| !is_there);
            self.counts.evals.add(match (before, reported) {
                _ if is_there => Known::Unchanged,
                (_, Some(_)) => Known::Unchanged,
                (None | Some((_, None)), None) => Known::New,
                (Some((_, Some(_))), None) => Known::Revised,
            });
            if is_there || reported.is_some_and(|reported| reported.stays) {
                continue;
            }
            let change = self.change().await?;
            sqlx::query("UPDATE eval SET valid_to = $1 WHERE (run_id = $2 AND key_hash = $3 OR id = $4) AND valid_to IS NULL")
                .bind(change)
                .bind(run)
                .bind(row.key.as_slice().to_vec())
                .bind(reported.map(|reported| reported.id))
                .execute(&mut *self.transaction)
                .await?;
            taken_from.extend(reported.map(|reported| reported.run));
            let new = NewEval {
                run_id: run,
                revision: before.map_or(1, |(revision, _)| revision + 1),
                change,
                row,
            };
            insert(&new)?.execute(&mut *self.transaction).await?;
        }
        Ok(taken_from)
    }

    /// The last revision of each score of a run, with the digest of the one that holds.
    async fn current_evals(&mut self, run: i64) -> Result<BTreeMap<Vec<u8>, (i64, Option<Vec<u8>>)>, sqlx::Error> {
        let mut current = BTreeMap::new();
        let statement = "SELECT key_hash, revision, digest, valid_to FROM eval WHERE run_id = $1 ORDER BY revision";
        for row in sqlx::query(statement).bind(run).fetch_all(&mut *self.transaction).await? {
            let valid_to: Option<i64> = row.try_get(3)?;
            let digest: Vec<u8> = row.try_get(2)?;
            current.insert(row.try_get(0)?, (row.try_get(1)?, valid_to.is_none().then_some(digest)));
        }
        Ok(current)
    }
}

/// The scores of a run as of a change. Arguments: the run, the change.
pub(super) const SELECT_OF_RUN: &str =
    "SELECT id, digest, document FROM eval WHERE run_id = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)";

/// A stored score.
pub(super) struct StoredEval {
    pub id: i64,
    pub digest: Vec<u8>,
    pub score: EvalScore,
}

/// A row of [`SELECT_OF_RUN`].
pub(super) fn read(row: &AnyRow) -> Result<StoredEval, PointRowError> {
    let document: String = row.try_get(2)?;
    Ok(StoredEval {
        id: row.try_get(0)?,
        digest: row.try_get(1)?,
        score: serde_json::from_str(&document).map_err(|source| RowError::Json { what: "the score", source })?,
    })
}
