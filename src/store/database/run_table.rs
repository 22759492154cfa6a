//! The tables of projects, runs and their revisions, and of the files that they were read from.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;

use super::ingest::{Ingest, Source};
use crate::analysis::{RunHeader, RunIdentity, RunRows};
use crate::model::saturating;

/// A run's current revision.
pub(super) struct CurrentHeader {
    pub revision: i64,
    pub digest: Vec<u8>,
    pub branch: Option<String>,
}

impl Ingest<'_> {
    /// Whether another attempt of the workflow run has the same results, because only a job that reports them ran again.
    pub(super) async fn is_repetition(&mut self, project: i64, rows: &RunRows) -> Result<bool, sqlx::Error> {
        let identity = &rows.identity;
        if identity.provider == RunIdentity::BY_CONTENT || !rows.has_numbers() {
            return Ok(false);
        }
        let statement = "SELECT r.id, d.digest FROM run r JOIN (SELECT run_id, digest FROM point WHERE valid_to IS NULL \
                         UNION ALL SELECT run_id, digest FROM eval WHERE valid_to IS NULL) d ON d.run_id = r.id \
                         WHERE r.project_id = $1 AND r.provider = $2 AND r.repository = $3 AND r.external_id = $4 AND r.attempt <> $5";
        let found = sqlx::query(statement)
            .bind(project)
            .bind(identity.provider.clone())
            .bind(identity.repository.clone())
            .bind(identity.run_id.clone())
            .bind(identity.attempt)
            .fetch_all(&mut *self.transaction)
            .await?;
        let mut others: BTreeMap<i64, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for row in &found {
            others.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?);
        }
        let new: BTreeSet<Vec<u8>> = rows.result_digests().iter().map(|digest| digest.as_slice().to_vec()).collect();
        Ok(others.values().any(|digests| *digests == new))
    }

    pub(super) async fn project(&mut self, slug: &str) -> Result<i64, sqlx::Error> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM project WHERE slug = $1")
            .bind(slug.to_owned())
            .fetch_optional(&mut *self.transaction)
            .await?;
        if let Some(id) = known {
            return Ok(id);
        }
        sqlx::query_scalar("INSERT INTO project (slug) VALUES ($1) RETURNING id")
            .bind(slug.to_owned())
            .fetch_one(&mut *self.transaction)
            .await
    }

    pub(super) async fn run(&mut self, project: i64, identity: &RunIdentity) -> Result<i64, sqlx::Error> {
        let RunIdentity {
            provider,
            repository,
            run_id,
            attempt,
        } = identity;
        let known: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM run WHERE project_id = $1 AND provider = $2 AND repository = $3 AND external_id = $4 AND attempt = $5",
        )
        .bind(project)
        .bind(provider.clone())
        .bind(repository.clone())
        .bind(run_id.clone())
        .bind(*attempt)
        .fetch_optional(&mut *self.transaction)
        .await?;
        if let Some(id) = known {
            return Ok(id);
        }
        sqlx::query_scalar(
            "INSERT INTO run (project_id, provider, repository, external_id, attempt) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(project)
        .bind(provider.clone())
        .bind(repository.clone())
        .bind(run_id.clone())
        .bind(*attempt)
        .fetch_one(&mut *self.transaction)
        .await
    }

    pub(super) async fn current_header(&mut self, run: i64) -> Result<Option<CurrentHeader>, sqlx::Error> {
        let statement = "SELECT revision, digest, branch FROM run_revision WHERE run_id = $1 AND valid_to IS NULL";
        let row = sqlx::query(statement).bind(run).fetch_optional(&mut *self.transaction).await?;
        let read = |row: sqlx::any::AnyRow| {
            Ok::<_, sqlx::Error>(CurrentHeader {
                revision: row.try_get(0)?,
                digest: row.try_get(1)?,
                branch: row.try_get(2)?,
            })
        };
        row.map(read).transpose()
    }

    pub(super) async fn store_header(
        &mut self,
        run: i64,
        header: &RunHeader,
        before: Option<&CurrentHeader>,
        source: &Source,
    ) -> Result<(), sqlx::Error> {
        let change = self.change().await?;
        self.store_source(source, change).await?;
        sqlx::query("UPDATE run_revision SET valid_to = $1 WHERE run_id = $2 AND valid_to IS NULL")
            .bind(change)
            .bind(run)
            .execute(&mut *self.transaction)
            .await?;
        sqlx::query(
            "INSERT INTO run_revision (run_id, revision, valid_from, kind, branch, commit_sha, started_ms, document, digest, source_digest) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(run)
        .bind(before.map_or(1, |before| before.revision + 1))
        .bind(change)
        .bind(header.kind.as_str().to_owned())
        .bind(header.branch.clone())
        .bind(header.commit.clone())
        .bind(header.started_ms)
        .bind(header.document.clone())
        .bind(header.digest.as_slice().to_vec())
        .bind(source.digest.as_slice().to_vec())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    pub(super) async fn store_source(&mut self, source: &Source, change: i64) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO source_file (digest, name, bytes, change_id) VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO NOTHING")
            .bind(source.digest.as_slice().to_vec())
            .bind(source.name.clone())
            .bind(saturating::to_i64(source.bytes))
            .bind(change)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}
