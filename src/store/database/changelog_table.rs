//! The table that ties entries of the changelog to curves. The entries themselves are records of the runs that measured them.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::ingest::{Ingest, StoreError};
use super::point_selection::is_selected_but_for_load;
use super::point_table::PointRowError;
use super::series::{CurveConditions, date};
use super::{Database, DatabaseError};
use crate::analysis::{Filter, RowError, RunRecord};
use crate::model::{CurveKey, MeasuredChange};

/// An entry of the changelog with the run that measured it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ChangelogRow {
    pub run: i64,
    /// RFC 3339.
    pub date: String,
    pub commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    pub pr_link: String,
    pub description: Vec<String>,
    pub config_keys: Vec<String>,
    /// Those that a filter selects.
    pub curves: Vec<CurveKey>,
    #[serde(skip)]
    record: i64,
}

/// Which entries are read.
#[derive(Debug, Default)]
pub(crate) struct ChangelogFilter {
    pub project: Option<String>,
    pub branch: Option<String>,
    pub curves: Vec<Filter>,
}

impl Ingest<'_> {
    /// Ties a stored entry to its curves.
    pub(super) async fn tie_to_curves(&mut self, project: i64, record: i64, change: &MeasuredChange) -> Result<(), StoreError> {
        for key in &change.curves {
            let curve = self.curve(project, key.identity(), key).await?;
            sqlx::query("INSERT INTO changelog_curve (record_id, curve_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(record)
                .bind(curve)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }
}

impl Database {
    /// The entries that made runs measure the curves of a filter, newest first; without those of retracted runs.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn changelog(&mut self, filter: &ChangelogFilter) -> Result<Vec<ChangelogRow>, DatabaseError> {
        let conditions = CurveConditions::of(&filter.curves);
        let sql = format!(
            "SELECT q.document, q.run_id, v.started_ms, v.commit_sha, v.branch, c.document, q.id FROM changelog_curve t \
             JOIN curve c ON c.id = t.curve_id JOIN project j ON j.id = c.project_id \
             JOIN run_record q ON q.id = t.record_id AND q.valid_to IS NULL \
             JOIN run_revision v ON v.run_id = q.run_id AND v.valid_to IS NULL \
             WHERE ($1 IS NULL OR j.slug = $1) AND ($2 IS NULL OR v.branch = $2) \
             AND NOT EXISTS (SELECT 1 FROM retraction x WHERE x.run_id = q.run_id AND x.valid_to IS NULL){} \
             ORDER BY v.started_ms DESC, q.id DESC, c.id",
            conditions.sql(3)
        );
        // The text is made of constants and numbers of arguments.
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(filter.project.clone())
            .bind(filter.branch.clone());
        let rows = conditions.bind(query).fetch_all(&mut self.connection).await;
        let mut entries: Vec<ChangelogRow> = Vec::new();
        for row in rows.map_err(self.address.sql())? {
            let (entry, curve) = entry(&row).map_err(|error| error.at(&self.address))?;
            if !is_selected_but_for_load(&curve, &filter.curves) {
                continue;
            }
            match entries.last_mut().filter(|last| last.record == entry.record) {
                Some(last) => last.curves.push(curve),
                None => entries.push(ChangelogRow {
                    curves: vec![curve],
                    ..entry
                }),
            }
        }
        Ok(entries)
    }
}

/// A row, and the curve that it ties.
fn entry(row: &AnyRow) -> Result<(ChangelogRow, CurveKey), PointRowError> {
    let (document, curve): (&str, &str) = (row.try_get(0)?, row.try_get(5)?);
    let record = serde_json::from_str(document).map_err(|source| RowError::Json {
        what: "the record",
        source,
    })?;
    let RunRecord::Changelog(change) = record else {
        return Err(RowError::Value {
            what: "the record",
            found: record.kind().to_owned(),
            expected: "an entry of the changelog",
        }
        .into());
    };
    let curve = serde_json::from_str(curve).map_err(|source| RowError::Json {
        what: "the curve's key",
        source,
    })?;
    let row = ChangelogRow {
        run: row.try_get(1)?,
        date: date(row.try_get(2)?),
        commit: row.try_get(3)?,
        branch: row.try_get(4)?,
        pr_link: change.pr_link,
        description: change.description,
        config_keys: change.config_keys,
        curves: Vec::new(),
        record: row.try_get(6)?,
    };
    Ok((row, curve))
}
