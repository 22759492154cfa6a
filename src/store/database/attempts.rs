//! Measurements that several attempts of a workflow run report. A job that reports, or a few rows, may run again: the new attempt then has the
//! results of the earlier one beside its own. No load gives the same numbers twice, so a result with the same content is the same measurement; it
//! belongs to the newest attempt that reports it, whatever the order in which attempts are stored, and counts once.
//!
//! A failure is not a measurement: the same failure in two attempts are two failures.

use std::collections::BTreeMap;

use sqlx::{Any, Row as _, Transaction};

use super::DatabaseError;
use super::ingest::Ingest;
use crate::analysis::RunIdentity;
use crate::model::Digest;

/// A result of another attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported {
    /// Its row.
    pub id: i64,
    pub run: i64,
    /// Whether it stays there: the other attempt is newer, or was retracted, and what was withdrawn does not come back by a report.
    pub stays: bool,
}

/// The measured points and scores of the other attempts, by their digests.
#[derive(Debug, Default)]
pub(super) struct OtherAttempts {
    points: BTreeMap<Vec<u8>, Reported>,
    evals: BTreeMap<Vec<u8>, Reported>,
}

/// The other attempts of a workflow run, and which of them are retracted. Arguments: project, provider, repository, run id, attempt.
macro_rules! of_other_attempts {
    ($table:literal, $condition:literal) => {
        concat!(
            "SELECT d.id, d.run_id, d.digest, r.attempt, t.id FROM run r JOIN ",
            $table,
            " d ON d.run_id = r.id LEFT JOIN retraction t ON t.run_id = r.id AND t.valid_to IS NULL \
             WHERE r.project_id = $1 AND r.provider = $2 AND r.repository = $3 AND r.external_id = $4 AND r.attempt <> $5 \
             AND d.valid_to IS NULL",
            $condition
        )
    };
}

impl Ingest<'_> {
    /// The branches that the attempts of a workflow run have now, this one's among them. Whoever stores the run may change all of them.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn branches_of_attempts(
        &mut self,
        project: &str,
        identity: &RunIdentity,
    ) -> Result<Vec<Option<String>>, DatabaseError> {
        let statement = "SELECT DISTINCT v.branch FROM run r JOIN project j ON j.id = r.project_id \
             JOIN run_revision v ON v.run_id = r.id AND v.valid_to IS NULL \
             WHERE j.slug = $1 AND r.provider = $2 AND r.repository = $3 AND r.external_id = $4";
        let branches = sqlx::query_scalar(statement)
            .bind(project)
            .bind(&identity.provider)
            .bind(&identity.repository)
            .bind(&identity.run_id)
            .fetch_all(&mut *self.transaction)
            .await;
        branches.map_err(self.address.sql())
    }
}

impl OtherAttempts {
    pub(super) async fn read(transaction: &mut Transaction<'_, Any>, project: i64, identity: &RunIdentity) -> Result<Self, sqlx::Error> {
        if identity.provider == RunIdentity::BY_CONTENT {
            return Ok(Self::default());
        }
        let points = of_other_attempts!("point", " AND d.outcome = 'measured'");
        let evals = of_other_attempts!("eval", "");
        Ok(Self {
            points: reported(transaction, points, project, identity).await?,
            evals: reported(transaction, evals, project, identity).await?,
        })
    }

    pub(super) fn point(&self, digest: &Digest) -> Option<Reported> {
        self.points.get(digest.as_slice()).copied()
    }

    pub(super) fn eval(&self, digest: &Digest) -> Option<Reported> {
        self.evals.get(digest.as_slice()).copied()
    }
}

async fn reported(
    transaction: &mut Transaction<'_, Any>,
    statement: &'static str,
    project: i64,
    identity: &RunIdentity,
) -> Result<BTreeMap<Vec<u8>, Reported>, sqlx::Error> {
    let RunIdentity {
        provider,
        repository,
        run_id,
        attempt,
    } = identity;
    let rows = sqlx::query(statement)
        .bind(project)
        .bind(provider.clone())
        .bind(repository.clone())
        .bind(run_id.clone())
        .bind(*attempt)
        .fetch_all(&mut **transaction)
        .await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let (other, retraction): (i64, Option<i64>) = (row.try_get(3)?, row.try_get(4)?);
        let reported = Reported {
            id: row.try_get(0)?,
            run: row.try_get(1)?,
            stays: other > *attempt || retraction.is_some(),
        };
        found.insert(row.try_get(2)?, reported);
    }
    Ok(found)
}
