//! Withdraws a run from a history of any home that can keep that.

use chrono::Utc;

use super::{Branch, BranchError, Bucket, BucketError, HistoryHome, OpenError};
use crate::store::database::{Access, AsOf, Database, DatabaseError, Retraction, RunFilter};
use crate::store::run_files::{RetractionChange, RunFileName};

/// Why a run is not withdrawn or restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetractError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(
        "{0}: a folder has no place for retractions; remove the run's file, or import the folder into a database, a branch or a bucket"
    )]
    Folder(String),
}

/// Withdraws or restores the run that `imax history list` numbers so. With `dry_run` it is only checked whether that is possible.
///
/// # Errors
/// [`RetractError`].
pub(crate) async fn retract(home: &HistoryHome, run: i64, change: RetractionChange, dry_run: bool) -> Result<(), RetractError> {
    if dry_run && !matches!(home, HistoryHome::Folder(_)) {
        return check(home, run, &change).await;
    }
    match home {
        HistoryHome::Database(address) => {
            let mut database = Database::open(address, Access::Write).await?;
            match change {
                RetractionChange::Retract { reason, author } => database.retract(Retraction { run, reason, author }).await?,
                RetractionChange::Restore { author } => database.restore(run, &author).await?,
            }
            Ok(database.close().await?)
        }
        HistoryHome::Folder(path) => Err(RetractError::Folder(path.display().to_string())),
        HistoryHome::Branch(address) => {
            let identity = identity_of(home, run).await?;
            Ok(Branch::connect(address)?.retract(&identity, &change, Utc::now()).await?)
        }
        HistoryHome::Bucket(address) => {
            let identity = identity_of(home, run).await?;
            Ok(Bucket::connect(address)?.retract(&identity, &change, Utc::now()).await?)
        }
    }
}

/// Whether a change is one.
async fn check(home: &HistoryHome, run: i64, change: &RetractionChange) -> Result<(), RetractError> {
    let (summary, _) = home.run(run, AsOf::Now).await?;
    let state = match (change, summary.retracted) {
        (RetractionChange::Retract { .. }, None) | (RetractionChange::Restore { .. }, Some(_)) => return Ok(()),
        (RetractionChange::Retract { .. }, Some(_)) => "retracted",
        (RetractionChange::Restore { .. }, None) => "active",
    };
    Err(DatabaseError::State { id: run, state }.into())
}

/// The identity of a numbered run. The number is only valid for the history as it is read here, the identity for good.
async fn identity_of(home: &HistoryHome, run: i64) -> Result<String, RetractError> {
    let filter = RunFilter {
        id: Some(run),
        with_retracted: true,
        ..RunFilter::default()
    };
    let mut opened = home.open(filter).await?;
    let found = opened.database.runs(&opened.filter).await?;
    opened.database.close().await?;
    let summary = found.first().ok_or_else(|| DatabaseError::NoRun {
        id: run,
        place: home.to_string(),
    })?;
    Ok(RunFileName::identity_of(summary))
}
