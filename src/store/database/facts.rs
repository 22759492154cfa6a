//! Summaries of a history: its projects, what failed, scores, levels, files, sizes.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::eval_table;
use super::point_selection::{Conditions, PointSelection, TableOrder};
use super::point_table::PointRowError;
use super::series::date;
use super::{Address, AsOf, Database, DatabaseError};
use crate::analysis::{EvalScore, MetricLevels, RowError};
use crate::model::saturating;
use crate::model::{Concurrency, Digest, PointKey};

/// A project of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProjectSummary {
    pub project: String,
    /// Runs that hold.
    pub runs: i64,
    pub curves: i64,
    /// When the newest run was measured, RFC 3339; absent without a run.
    pub newest: Option<String>,
}

/// The newest run of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BranchAge {
    pub project: String,
    pub branch: Option<String>,
    /// Milliseconds since 1970.
    pub newest_ms: i64,
}

/// Points of a kind of hardware and an engine by outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OutcomeCount {
    pub hardware: String,
    pub framework: String,
    /// `measured`, or the class of the failure.
    pub outcome: String,
    pub points: i64,
    /// When the newest of them was measured, RFC 3339.
    pub newest: String,
}

/// A score with its run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunScore {
    pub run: i64,
    /// RFC 3339.
    pub date: String,
    pub commit: String,
    pub branch: Option<String>,
    pub score: EvalScore,
}

/// The kept levels of a point on a branch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PointLevels {
    pub key: PointKey,
    pub method: String,
    pub levels: Vec<MetricLevels>,
}

/// A file that rows were read from. Its content is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SourceFile {
    /// SHA-256, hex.
    pub digest: String,
    pub name: String,
    pub bytes: i64,
    /// When it was read, RFC 3339.
    pub stored: String,
    /// Who stored it.
    pub author: Option<String>,
    /// The command: `publish`, `import`.
    pub action: String,
    /// The version of imax that read it.
    pub imax_version: String,
    /// Runs that have revisions from it.
    pub runs: Vec<i64>,
    /// Revisions of points from it.
    pub points: i64,
}

impl Database {
    /// The projects by name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn projects(&mut self, as_of: AsOf) -> Result<Vec<ProjectSummary>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let statement = "SELECT j.slug, count(v.run_id), max(v.started_ms), (SELECT count(*) FROM curve c WHERE c.project_id = j.id) \
             FROM project j LEFT JOIN run r ON r.project_id = j.id \
             LEFT JOIN run_revision v ON v.run_id = r.id AND v.valid_from <= $1 AND (v.valid_to IS NULL OR v.valid_to > $1) \
             AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = r.id AND t.valid_from <= $1 AND (t.valid_to IS NULL OR t.valid_to > $1)) \
             GROUP BY j.id, j.slug ORDER BY j.slug";
        let rows = sqlx::query(statement).bind(change).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| {
            Ok(ProjectSummary {
                project: row.try_get(0)?,
                runs: row.try_get(1)?,
                newest: row.try_get::<Option<i64>, _>(2)?.map(date),
                curves: row.try_get(3)?,
            })
        };
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(self.address.sql())
    }

    /// The newest run of each branch of each project, pull requests aside.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn branch_ages(&mut self) -> Result<Vec<BranchAge>, DatabaseError> {
        let statement = "SELECT j.slug, v.branch, max(v.started_ms) FROM run r JOIN project j ON j.id = r.project_id \
             JOIN run_revision v ON v.run_id = r.id AND v.valid_to IS NULL WHERE v.kind <> 'pull-request' \
             AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = r.id AND t.valid_to IS NULL) GROUP BY j.slug, v.branch";
        let rows = sqlx::query(statement).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| {
            Ok(BranchAge {
                project: row.try_get(0)?,
                branch: row.try_get(1)?,
                newest_ms: row.try_get(2)?,
            })
        };
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(self.address.sql())
    }

    /// Numbers of points of a selection by hardware, engine and outcome.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn outcomes(&mut self, selection: &PointSelection, as_of: AsOf) -> Result<Vec<OutcomeCount>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let conditions = Conditions::of(selection, change);
        let (mut curves, list) = self.selected_curves(selection).await?;
        let sql = format!(
            "SELECT k.curve_id, k.load, c.hardware, c.framework, p.outcome, count(*), max(v.started_ms) FROM {} WHERE {}{} \
             GROUP BY k.curve_id, k.load, c.hardware, c.framework, p.outcome",
            TableOrder::Runs.tables(),
            conditions.sql,
            list.unwrap_or_default()
        );
        let rows = conditions.query(sql).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(self.address.sql())?;
        let mut counts: BTreeMap<(String, String, String), (i64, i64)> = BTreeMap::new();
        for row in &rows {
            let (curve, load, key, points, newest) = outcome(row).map_err(self.address.sql())?;
            if curves.has(curve, load, &selection.filters) {
                let count = counts.entry(key).or_default();
                *count = (count.0 + points, count.1.max(newest));
            }
        }
        let counted = counts
            .into_iter()
            .map(|((hardware, framework, outcome), (points, newest))| OutcomeCount {
                hardware,
                framework,
                outcome,
                points,
                newest: date(newest),
            });
        Ok(counted.collect())
    }

    /// Numbers of points of a selection by curve and load; filters are not applied.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn loads(&mut self, selection: &PointSelection, as_of: AsOf) -> Result<Vec<(i64, i64, i64)>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let conditions = Conditions::of(selection, change);
        let sql = format!(
            "SELECT k.curve_id, k.load, count(*) FROM {} WHERE {} GROUP BY k.curve_id, k.load",
            TableOrder::Runs.tables(),
            conditions.sql
        );
        let rows = conditions.query(sql).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(self.address.sql())
    }

    /// Scores, the newest first, at most as many as asked for.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn scores(
        &mut self,
        project: Option<&str>,
        branch: Option<&str>,
        task: Option<&str>,
        as_of: AsOf,
        most: usize,
    ) -> Result<Vec<RunScore>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let statement = "SELECT e.id, e.digest, e.document, e.run_id, v.started_ms, v.commit_sha, v.branch FROM eval e \
             JOIN run r ON r.id = e.run_id JOIN project j ON j.id = r.project_id \
             JOIN run_revision v ON v.run_id = e.run_id AND v.valid_from <= $1 AND (v.valid_to IS NULL OR v.valid_to > $1) \
             WHERE e.valid_from <= $1 AND (e.valid_to IS NULL OR e.valid_to > $1) AND ($2 IS NULL OR j.slug = $2) \
             AND ($3 IS NULL OR v.branch = $3) AND ($4 IS NULL OR e.task = $4) \
             AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = e.run_id AND t.valid_from <= $1 AND (t.valid_to IS NULL OR t.valid_to > $1)) \
             ORDER BY v.started_ms DESC, e.id DESC LIMIT $5";
        let rows = sqlx::query(statement)
            .bind(change)
            .bind(project.map(str::to_owned))
            .bind(branch.map(str::to_owned))
            .bind(task.map(str::to_owned))
            .bind(saturating::to_i64(most))
            .fetch_all(&mut self.connection)
            .await;
        let rows = rows.map_err(self.address.sql())?;
        let read: Result<Vec<RunScore>, PointRowError> = rows.iter().map(run_score).collect();
        read.map_err(|error| self.row_error(error))
    }

    /// The kept levels of the points of a selection on a branch (`""` for runs without one).
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn kept_levels(&mut self, selection: &PointSelection, branch: &str) -> Result<Vec<PointLevels>, DatabaseError> {
        let (mut curves, list) = self.selected_curves(selection).await?;
        let sql = format!(
            "SELECT k.curve_id, k.load, l.method, l.document FROM level l JOIN point_key k ON k.id = l.point_key_id WHERE l.branch = $1{}",
            list.unwrap_or_default()
        );
        // The text is made of constants and numbers of this database.
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(branch.to_owned())
            .fetch_all(&mut self.connection)
            .await;
        let rows = rows.map_err(self.address.sql())?;
        let mut found = Vec::new();
        for row in &rows {
            let (curve, load, method, document) = level(row).map_err(self.address.sql())?;
            let conc = u32::try_from(load).ok().and_then(Concurrency::new);
            let (Some(key), Some(conc)) = (curves.key(curve).cloned(), conc) else {
                continue;
            };
            if !curves.has(curve, load, &selection.filters) {
                continue;
            }
            let levels = serde_json::from_str(&document).map_err(|source| RowError::Json {
                what: "the levels",
                source,
            });
            found.push(PointLevels {
                key: PointKey { curve: key, conc },
                method,
                levels: levels.map_err(self.address.row())?,
            });
        }
        found.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(found)
    }

    /// A source file by its digest.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn source_file(&mut self, digest: &Digest) -> Result<Option<SourceFile>, DatabaseError> {
        let bytes = digest.as_slice().to_vec();
        let statement = "SELECT f.name, f.bytes, h.at_ms, h.author, h.action, h.imax_version, \
             (SELECT count(*) FROM point p WHERE p.source_digest = $1) FROM source_file f JOIN change h ON h.id = f.change_id WHERE f.digest = $1";
        let row = sqlx::query(statement)
            .bind(bytes.clone())
            .fetch_optional(&mut self.connection)
            .await;
        let Some(row) = row.map_err(self.address.sql())? else {
            return Ok(None);
        };
        let runs = sqlx::query_scalar("SELECT DISTINCT run_id FROM run_revision WHERE source_digest = $1 ORDER BY run_id")
            .bind(bytes)
            .fetch_all(&mut self.connection)
            .await;
        let runs = runs.map_err(self.address.sql())?;
        let read = |row: &AnyRow| {
            Ok(SourceFile {
                digest: digest.to_string(),
                name: row.try_get(0)?,
                bytes: row.try_get(1)?,
                stored: date(row.try_get(2)?),
                author: row.try_get(3)?,
                action: row.try_get(4)?,
                imax_version: row.try_get(5)?,
                points: row.try_get(6)?,
                runs,
            })
        };
        read(&row).map(Some).map_err(self.address.sql())
    }

    /// The digests of the files that a run was read from.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn files_of_run(&mut self, run: i64) -> Result<Vec<String>, DatabaseError> {
        let statement = "SELECT source_digest FROM run_revision WHERE run_id = $1 AND source_digest IS NOT NULL \
             UNION SELECT source_digest FROM point WHERE run_id = $1 AND source_digest IS NOT NULL";
        let found: Result<Vec<Vec<u8>>, sqlx::Error> = sqlx::query_scalar(statement).bind(run).fetch_all(&mut self.connection).await;
        let mut digests: Vec<String> = found.map_err(self.address.sql())?.into_iter().map(hex::encode).collect();
        digests.sort();
        Ok(digests)
    }

    /// A digest of everything that holds, for a history whose changes have no lasting numbers because it was read from files.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn content_digest(&mut self) -> Result<Digest, DatabaseError> {
        let mut all = Vec::new();
        for statement in [
            "SELECT digest FROM run_revision WHERE valid_to IS NULL ORDER BY run_id",
            "SELECT digest FROM point WHERE valid_to IS NULL ORDER BY id",
            "SELECT digest FROM eval WHERE valid_to IS NULL ORDER BY id",
        ] {
            let found: Result<Vec<Vec<u8>>, sqlx::Error> = sqlx::query_scalar(statement).fetch_all(&mut self.connection).await;
            all.extend(found.map_err(self.address.sql())?.into_iter().flatten());
        }
        Ok(Digest::of(&all))
    }

    /// The size of the history in bytes.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn size(&mut self) -> Result<i64, DatabaseError> {
        let statement = match self.address {
            Address::Sqlite(_) => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Address::Postgres(_) => "SELECT pg_database_size(current_database())",
        };
        let size = sqlx::query_scalar(statement).fetch_one(&mut self.connection).await;
        size.map_err(self.address.sql())
    }

    /// Ends statements that take longer than this, milliseconds. Only PostgreSQL can; a reader of SQLite is dropped with its request.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn limit_statements(&mut self, milliseconds: u64) -> Result<(), DatabaseError> {
        match self.address {
            Address::Sqlite(_) => Ok(()),
            Address::Postgres(_) => {
                // A number of this program.
                let sql = AssertSqlSafe(format!("SET statement_timeout = {milliseconds}"));
                let done = sqlx::query(sql).execute(&mut self.connection).await;
                done.map(drop).map_err(self.address.sql())
            }
        }
    }

    fn row_error(&self, error: PointRowError) -> DatabaseError {
        match error {
            PointRowError::Sql(source) => self.address.error(source),
            PointRowError::Row(source) => self.address.row()(source),
        }
    }
}

type OutcomeRow = (i64, i64, (String, String, String), i64, i64);

fn outcome(row: &AnyRow) -> Result<OutcomeRow, sqlx::Error> {
    let key = (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    Ok((row.try_get(0)?, row.try_get(1)?, key, row.try_get(5)?, row.try_get(6)?))
}

fn level(row: &AnyRow) -> Result<(i64, i64, String, String), sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
}

fn run_score(row: &AnyRow) -> Result<RunScore, PointRowError> {
    Ok(RunScore {
        score: eval_table::read(row)?.score,
        run: row.try_get(3)?,
        date: date(row.try_get(4)?),
        commit: row.try_get(5)?,
        branch: row.try_get(6)?,
    })
}
