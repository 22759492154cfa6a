//! The table of results of other benchmarks.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::Row as _;

use super::counts::Known;
use super::ingest::{Ingest, Source, StoreError};
use super::{AsOf, Database, DatabaseError};
use crate::analysis::RowError;
use crate::model::Digest;
use crate::result::PublishedResult;

/// A stored result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StoredPublished {
    pub id: i64,
    pub project: String,
    #[serde(flatten)]
    pub result: PublishedResult,
}

impl Ingest<'_> {
    /// Stores results of other benchmarks.
    ///
    /// # Errors
    /// [`DatabaseError`]; the ingest cannot continue then.
    pub(crate) async fn add_published(&mut self, project: &str, results: &[PublishedResult], source: &Source) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        let stored = self.store_published(project, results, source).await;
        stored.map_err(|error| error.at(&address))
    }

    async fn store_published(&mut self, project: &str, results: &[PublishedResult], source: &Source) -> Result<(), StoreError> {
        if results.is_empty() {
            return Ok(());
        }
        let project = self.project(project).await?;
        let statement = "SELECT key_hash, revision, digest FROM published_result WHERE project_id = $1 AND valid_to IS NULL";
        let mut current: BTreeMap<Vec<u8>, (i64, Vec<u8>)> = BTreeMap::new();
        for row in sqlx::query(statement).bind(project).fetch_all(&mut *self.transaction).await? {
            current.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
        }
        for result in results {
            let key = result.identity();
            let document = serde_json::to_value(result).map_err(|source| RowError::Json {
                what: "the result",
                source,
            })?;
            let digest = Digest::of_json(document.clone());
            let before = current.get(key.as_slice());
            let known = match before {
                None => Known::New,
                Some((_, before)) if before == digest.as_slice() => Known::Unchanged,
                Some(_) => Known::Revised,
            };
            self.counts.published.add(known);
            if known == Known::Unchanged {
                continue;
            }
            let revision = before.map_or(1, |(revision, _)| revision + 1);
            self.insert_published(project, result, (key, revision, digest), &document.to_string(), source)
                .await?;
            // The same result twice in one file is one result.
            current.insert(key.as_slice().to_vec(), (revision, digest.as_slice().to_vec()));
        }
        Ok(())
    }

    async fn insert_published(
        &mut self,
        project: i64,
        result: &PublishedResult,
        (key, revision, digest): (Digest, i64, Digest),
        document: &str,
        source: &Source,
    ) -> Result<(), StoreError> {
        let change = self.change().await?;
        self.store_source(source, change).await?;
        sqlx::query("UPDATE published_result SET valid_to = $1 WHERE project_id = $2 AND key_hash = $3 AND valid_to IS NULL")
            .bind(change)
            .bind(project)
            .bind(key.as_slice().to_vec())
            .execute(&mut *self.transaction)
            .await?;
        sqlx::query(
            "INSERT INTO published_result (project_id, key_hash, revision, valid_from, digest, source_digest, suite, round, external_id, \
             submitter, hardware, accelerators, model, scenario, metric, unit, value, document) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        )
        .bind(project)
        .bind(key.as_slice().to_vec())
        .bind(revision)
        .bind(change)
        .bind(digest.as_slice().to_vec())
        .bind(source.digest.as_slice().to_vec())
        .bind(without_nul(&result.suite))
        .bind(result.round.as_deref().map(without_nul))
        .bind(result.id.as_deref().map(without_nul))
        .bind(result.submitter.as_deref().map(without_nul))
        .bind(result.hardware.as_deref().map(without_nul))
        .bind(result.accelerators.map(i64::from))
        .bind(without_nul(&result.model))
        .bind(result.scenario.as_deref().map(without_nul))
        .bind(without_nul(&result.metric))
        .bind(result.unit.as_deref().map(without_nul))
        .bind(result.value)
        .bind(document.to_owned())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

/// NUL is the one character that PostgreSQL's text cannot hold.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl Database {
    /// Results of other benchmarks in a state, oldest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn published(&mut self, project: Option<&str>, as_of: AsOf) -> Result<Vec<StoredPublished>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let rows = sqlx::query(
            "SELECT p.id, j.slug, p.document FROM published_result p JOIN project j ON j.id = p.project_id \
             WHERE p.valid_from <= $2 AND (p.valid_to IS NULL OR p.valid_to > $2) AND ($1 IS NULL OR j.slug = $1) ORDER BY p.id",
        )
        .bind(project.map(str::to_owned))
        .bind(change)
        .fetch_all(&mut self.connection)
        .await
        .map_err(self.address.sql())?;
        let mut results = Vec::with_capacity(rows.len());
        for row in rows {
            let document: String = row.try_get(2).map_err(self.address.sql())?;
            let result = serde_json::from_str(&document).map_err(|source| RowError::Json {
                what: "the result",
                source,
            });
            results.push(StoredPublished {
                id: row.try_get(0).map_err(self.address.sql())?,
                project: row.try_get(1).map_err(self.address.sql())?,
                result: result.map_err(self.address.row())?,
            });
        }
        Ok(results)
    }
}
