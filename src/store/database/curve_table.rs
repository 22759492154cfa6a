//! The tables of curves and of the points on them, by what identifies them.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::ingest::{Ingest, StoreError};
use crate::analysis::{PointRow, RowError};
use crate::model::{CURVE_KEY_VERSION, CurveKey, Digest, SpecDecoding, Workload};

impl Ingest<'_> {
    pub(super) async fn curve(&mut self, project: i64, hash: Digest, key: &CurveKey) -> Result<i64, StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM curve WHERE project_id = $1 AND key_hash = $2")
            .bind(project)
            .bind(hash.as_slice().to_vec())
            .fetch_optional(&mut *self.transaction)
            .await?;
        if let Some(id) = known {
            return Ok(id);
        }
        let document = serde_json::to_string(key).map_err(|source| RowError::Json {
            what: "the curve's key",
            source,
        })?;
        let (scenario, lens) = match key.workload {
            Workload::FixedSeqLen(lens) => ("fixed-seq-len", Some(lens)),
            Workload::AgenticCoding => ("agentic-coding", None),
        };
        let drafting: SpecDecoding = key.spec_decoding;
        let id = sqlx::query_scalar(
            "INSERT INTO curve (project_id, key_hash, key_version, document, model_prefix, precision, hardware, framework, spec_decoding, \
             disagg, scenario, isl, osl, layout) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id",
        )
        .bind(project)
        .bind(hash.as_slice().to_vec())
        .bind(i64::from(CURVE_KEY_VERSION))
        .bind(document)
        .bind(key.model_prefix.as_str().to_owned())
        .bind(key.precision.as_str().to_owned())
        .bind(key.runner.as_str().to_owned())
        .bind(key.framework.as_str().to_owned())
        .bind(drafting.as_str().to_owned())
        .bind(i64::from(key.disagg))
        .bind(scenario.to_owned())
        .bind(lens.map(|lens| i64::from(lens.isl.get())))
        .bind(lens.map(|lens| i64::from(lens.osl.get())))
        .bind(key.layout.clone())
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(id)
    }

    /// The numbers of a curve's points by their concurrency; those that are new are inserted.
    pub(super) async fn point_keys(&mut self, curve: i64, points: &[&PointRow]) -> Result<BTreeMap<i64, i64>, sqlx::Error> {
        let mut keys = BTreeMap::new();
        let statement = "SELECT load, id FROM point_key WHERE curve_id = $1 AND load_kind = 'concurrency'";
        for row in sqlx::query(statement).bind(curve).fetch_all(&mut *self.transaction).await? {
            keys.insert(row.try_get(0)?, row.try_get(1)?);
        }
        for point in points {
            let load = i64::from(point.point.key.conc.get());
            if keys.contains_key(&load) {
                continue;
            }
            let id = sqlx::query_scalar("INSERT INTO point_key (curve_id, load_kind, load) VALUES ($1, 'concurrency', $2) RETURNING id")
                .bind(curve)
                .bind(load)
                .fetch_one(&mut *self.transaction)
                .await?;
            keys.insert(load, id);
        }
        Ok(keys)
    }
}
