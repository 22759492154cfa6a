//! The table of scores.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::point_table::PointRowError;
use crate::analysis::{EvalRow, EvalScore, RowError};

/// A score to store.
pub(super) struct NewEval<'a> {
    pub run_id: i64,
    pub revision: i64,
    pub change: i64,
    pub row: &'a EvalRow,
}

pub(super) fn insert(eval: &NewEval<'_>) -> Result<Query<'static, Any, AnyArguments>, RowError> {
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
