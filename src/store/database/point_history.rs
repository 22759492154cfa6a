//! Where the numbers of a point come from: its revisions with their files, and what its run keeps of it.

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::point_selection::curve_key;
use super::read::RunSummary;
use super::record_table;
use super::series::date;
use super::{Database, DatabaseError};
use crate::analysis::{GivenVerdict, JobSummary, PointDistributions, RunPlan, RunRecord};
use crate::model::{Concurrency, Digest, PointKey};

/// A point of a run, by the number of one of its revisions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PointOrigin {
    pub run: i64,
    pub key: PointKey,
    /// The oldest first.
    pub revisions: Vec<PointRevision>,
    /// The jobs of the run that were to measure it.
    pub jobs: Vec<JobSummary>,
    pub verdicts: Vec<GivenVerdict>,
    pub distributions: Option<PointDistributions>,
}

/// What was said about a point by one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PointRevision {
    pub id: i64,
    pub revision: i64,
    /// SHA-256 of the point's document, hex.
    pub digest: String,
    /// SHA-256 of the file that it was read from.
    pub source: Option<String>,
    /// When it was stored, RFC 3339.
    pub stored: String,
    pub author: Option<String>,
    /// The command: `publish`, `import`.
    pub action: String,
    pub imax_version: String,
    /// When another revision replaced it.
    pub replaced: Option<String>,
}

impl Database {
    /// A point with what is known of its origin; `None` for an unknown number.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn point_origin(&mut self, id: i64) -> Result<Option<PointOrigin>, DatabaseError> {
        let statement = "SELECT p.run_id, p.point_key_id, k.load, c.document FROM point p JOIN point_key k ON k.id = p.point_key_id \
             JOIN curve c ON c.id = k.curve_id WHERE p.id = $1";
        let row = sqlx::query(statement).bind(id).fetch_optional(&mut self.connection).await;
        let Some(row) = row.map_err(self.address.sql())? else {
            return Ok(None);
        };
        let (run, number, load, document) = point(&row).map_err(self.address.sql())?;
        let curve = curve_key(&document).map_err(self.address.row())?;
        let Some(conc) = u32::try_from(load).ok().and_then(Concurrency::new) else {
            return Ok(None);
        };
        let key = PointKey { curve, conc };
        let revisions = self.revisions(run, number).await?;
        let mut jobs = self.run_jobs(run).await?;
        jobs.retain(|job| job.curve == key.curve && job.concurrencies.contains(&key.conc.get()));
        let mut verdicts = self.run_verdicts(run).await?;
        verdicts.retain(|given| given.comparison.point == key);
        Ok(Some(PointOrigin {
            run,
            revisions,
            jobs,
            verdicts,
            distributions: self.distributions(run, &key).await?,
            key,
        }))
    }

    async fn revisions(&mut self, run: i64, key: i64) -> Result<Vec<PointRevision>, DatabaseError> {
        let statement = "SELECT p.id, p.revision, p.digest, p.source_digest, h.at_ms, h.author, h.action, h.imax_version, e.at_ms FROM point p \
             JOIN change h ON h.id = p.valid_from LEFT JOIN change e ON e.id = p.valid_to \
             WHERE p.run_id = $1 AND p.point_key_id = $2 ORDER BY p.revision";
        let rows = sqlx::query(statement).bind(run).bind(key).fetch_all(&mut self.connection).await;
        let rows = rows.and_then(|rows| rows.iter().map(revision).collect());
        rows.map_err(self.address.sql())
    }

    /// The jobs of a run, by their starts.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn run_jobs(&mut self, run: i64) -> Result<Vec<JobSummary>, DatabaseError> {
        let records = self.records_of_kind(run, "job").await?;
        let mut jobs: Vec<JobSummary> = records
            .into_iter()
            .filter_map(|record| match record {
                RunRecord::Job(job) => Some(job),
                RunRecord::Distributions(_) | RunRecord::Verdict(_) | RunRecord::Changelog(_) | RunRecord::Plan(_) => None,
            })
            .collect();
        jobs.sort_by(|left, right| (&left.started, &left.job_id).cmp(&(&right.started, &right.job_id)));
        Ok(jobs)
    }

    /// The verdicts that were given when a run was compared, by points.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn run_verdicts(&mut self, run: i64) -> Result<Vec<GivenVerdict>, DatabaseError> {
        let records = self.records_of_kind(run, "verdict").await?;
        let mut verdicts: Vec<GivenVerdict> = records
            .into_iter()
            .filter_map(|record| match record {
                RunRecord::Verdict(given) => Some(given),
                RunRecord::Job(_) | RunRecord::Distributions(_) | RunRecord::Changelog(_) | RunRecord::Plan(_) => None,
            })
            .collect();
        verdicts.sort_by(|left, right| (&left.comparison.point, &left.base).cmp(&(&right.comparison.point, &right.base)));
        Ok(verdicts)
    }

    /// The plan that was kept with a run.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn run_plan(&mut self, summary: &RunSummary) -> Result<Option<RunPlan>, DatabaseError> {
        let statement = "SELECT document FROM run_record WHERE run_id = $1 AND kind = 'plan' AND valid_from <= $2 \
             AND (valid_to IS NULL OR valid_to > $2)";
        let row = sqlx::query(statement)
            .bind(summary.id)
            .bind(summary.change())
            .fetch_optional(&mut self.connection)
            .await;
        let Some(row) = row.map_err(self.address.sql())? else {
            return Ok(None);
        };
        match record_table::read(&row).map_err(|error| error.at(&self.address))? {
            RunRecord::Plan(plan) => Ok(Some(plan)),
            RunRecord::Job(_) | RunRecord::Distributions(_) | RunRecord::Verdict(_) | RunRecord::Changelog(_) => Ok(None),
        }
    }

    async fn distributions(&mut self, run: i64, key: &PointKey) -> Result<Option<PointDistributions>, DatabaseError> {
        let statement = "SELECT document FROM run_record WHERE run_id = $1 AND key_hash = $2 AND valid_to IS NULL";
        let row = sqlx::query(statement)
            .bind(run)
            .bind(RunRecord::distributions_key(key).as_slice().to_vec())
            .fetch_optional(&mut self.connection)
            .await;
        let Some(row) = row.map_err(self.address.sql())? else {
            return Ok(None);
        };
        match record_table::read(&row).map_err(|error| error.at(&self.address))? {
            RunRecord::Distributions(found) => Ok(Some(found)),
            RunRecord::Job(_) | RunRecord::Verdict(_) | RunRecord::Changelog(_) | RunRecord::Plan(_) => Ok(None),
        }
    }

    /// Records of one kind that hold. Those of another kind may be a hundred times as large.
    async fn records_of_kind(&mut self, run: i64, kind: &str) -> Result<Vec<RunRecord>, DatabaseError> {
        let statement = "SELECT document FROM run_record WHERE run_id = $1 AND kind = $2 AND valid_to IS NULL";
        let rows = sqlx::query(statement)
            .bind(run)
            .bind(kind.to_owned())
            .fetch_all(&mut self.connection)
            .await;
        let rows = rows.map_err(self.address.sql())?;
        let read: Result<Vec<_>, _> = rows.iter().map(record_table::read).collect();
        read.map_err(|error| error.at(&self.address))
    }
}

fn point(row: &AnyRow) -> Result<(i64, i64, i64, String), sqlx::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
}

fn revision(row: &AnyRow) -> Result<PointRevision, sqlx::Error> {
    let (digest, source): (Vec<u8>, Option<Vec<u8>>) = (row.try_get(2)?, row.try_get(3)?);
    Ok(PointRevision {
        id: row.try_get(0)?,
        revision: row.try_get(1)?,
        digest: Digest::from_slice(&digest).map_or_else(String::new, |digest| digest.to_string()),
        source: source.map(hex::encode),
        stored: date(row.try_get(4)?),
        author: row.try_get(5)?,
        action: row.try_get(6)?,
        imax_version: row.try_get(7)?,
        replaced: row.try_get::<Option<i64>, _>(8)?.map(date),
    })
}
