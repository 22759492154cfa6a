//! What the stores of files, the branch and the bucket, have in common: the names of runs, what a run adds to what is there, retractions and
//! prices.

mod addition;
mod kept_prices;
mod name;
mod race;
mod retractions;

pub(super) use addition::{EarlierAttempts, addition};
pub(super) use kept_prices::KeptPrices;
pub(super) use name::{Month, RunFileName};
pub(super) use race::race_pause;
pub(crate) use retractions::{RetractionChange, RetractionStateError};
pub(super) use retractions::{Retractions, RunRetraction};

use super::database::{Access, Address, Database, DatabaseError, Incoming, Retraction, RunFilter, Source};
use crate::analysis::{DatedPrice, HistoryRun, RowError, RunRows};

/// A run that is to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub run: HistoryRun,
    pub rows: RunRows,
}

impl NewRun {
    /// # Errors
    /// [`RowError`] for a run that has no rows.
    pub(crate) fn of(run: HistoryRun) -> Result<Self, RowError> {
        Ok(Self {
            rows: RunRows::of(run.clone())?,
            run,
        })
    }
}

/// A database of this process alone, which the commands read that ask for more than the files can tell.
#[derive(Debug)]
pub(crate) struct ScratchDatabase {
    database: Database,
    folder: tempfile::TempDir,
}

/// Why files cannot be read as a database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScratchError {
    #[error("cannot create a temporary folder: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("{name}: {source}")]
    Row { name: String, source: RowError },
}

impl ScratchDatabase {
    /// # Errors
    /// [`ScratchError`].
    pub(crate) async fn create() -> Result<Self, ScratchError> {
        let folder = tempfile::Builder::new().prefix("imax-history-").tempdir()?;
        let address = Address::Sqlite(folder.path().join("history.db"));
        Ok(Self {
            database: Database::open(&address, Access::Write).await?,
            folder,
        })
    }

    /// Adds runs in their order, which is that of their numbers, with the files that they are in.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub(crate) async fn add_files(&mut self, runs: Vec<(HistoryRun, Source)>) -> Result<(), ScratchError> {
        let mut ingest = self.database.ingest("import", None).await?;
        for (run, source) in runs {
            let rows = RunRows::of(run).map_err(|error| ScratchError::Row {
                name: source.name.clone(),
                source: error,
            })?;
            ingest.add(&Incoming { rows, source }).await?;
        }
        Ok(ingest.commit().await?)
    }

    /// Adds the prices of a history.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub(super) async fn add_prices(&mut self, prices: &[DatedPrice]) -> Result<(), ScratchError> {
        let mut ingest = self.database.ingest("import", None).await?;
        ingest.add_prices(prices).await?;
        Ok(ingest.commit().await?)
    }

    /// Withdraws the runs whose files have these identities.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub(super) async fn retract(&mut self, retractions: impl Iterator<Item = &RunRetraction>) -> Result<(), ScratchError> {
        let mut runs = Vec::new();
        for retraction in retractions {
            if runs.is_empty() {
                runs = self.database.runs(&RunFilter::default()).await?;
            }
            let found = runs.iter().find(|summary| RunFileName::identity_of(summary) == retraction.run);
            if let Some(summary) = found {
                let retraction = Retraction {
                    run: summary.id,
                    reason: retraction.reason.clone(),
                    author: retraction.author.clone(),
                };
                self.database.retract(retraction).await?;
            }
        }
        Ok(())
    }

    /// The database, and the folder that must live as long.
    pub(crate) fn into_parts(self) -> (Database, tempfile::TempDir) {
        (self.database, self.folder)
    }
}
