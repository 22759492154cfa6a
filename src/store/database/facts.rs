//! Summaries of a history: its projects, what failed, scores, levels, files, sizes.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::eval_table;
use super::point_table::PointRowError;
use super::series::date;
use super::{Address, AsOf, Database, DatabaseError};
use crate::analysis::EvalScore;
use crate::model::Digest;
use crate::model::saturating;

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
    pub run: i64,
    /// When it was measured, milliseconds since 1970.
    pub newest_ms: i64,
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
        let statement = "SELECT project, branch, run_id, started_ms FROM (SELECT j.slug AS project, v.branch AS branch, v.run_id AS run_id, \
             v.started_ms AS started_ms, row_number() OVER (PARTITION BY j.id, v.branch ORDER BY v.started_ms DESC, v.run_id DESC) AS place \
             FROM run r JOIN project j ON j.id = r.project_id \
             JOIN run_revision v ON v.run_id = r.id AND v.valid_to IS NULL WHERE v.kind <> 'pull-request' \
             AND NOT EXISTS (SELECT 1 FROM retraction t WHERE t.run_id = r.id AND t.valid_to IS NULL)) AS ranked WHERE place = 1";
        let rows = sqlx::query(statement).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| {
            Ok(BranchAge {
                project: row.try_get(0)?,
                branch: row.try_get(1)?,
                run: row.try_get(2)?,
                newest_ms: row.try_get(3)?,
            })
        };
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(self.address.sql())
    }

    /// Numbers of points of a run by outcome: `measured`, or the class of the failure.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn outcomes_of_run(&mut self, run: i64) -> Result<Vec<(String, i64)>, DatabaseError> {
        let statement = "SELECT outcome, count(*) FROM point WHERE run_id = $1 AND valid_to IS NULL GROUP BY outcome ORDER BY outcome";
        let rows = sqlx::query(statement).bind(run).fetch_all(&mut self.connection).await;
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
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

fn run_score(row: &AnyRow) -> Result<RunScore, PointRowError> {
    Ok(RunScore {
        score: eval_table::read(row)?.score,
        run: row.try_get(3)?,
        date: date(row.try_get(4)?),
        commit: row.try_get(5)?,
        branch: row.try_get(6)?,
    })
}
