//! Stores runs, and distinguishes new, unchanged and corrected content. All runs of one [`Ingest`] are stored in one
//! transaction, or none of them.

use std::collections::BTreeSet;

use sqlx::{Any, Transaction};

use super::attempts::OtherAttempts;
use super::counts::{IngestCounts, Known};
use super::engine::Address;
use super::run_table::CurrentHeader;
use super::{Database, DatabaseError, insert_change, latest, level_table, run_count};
use crate::analysis::{Quarantined, RowError, RunRows};
use crate::model::Digest;

/// A run to store.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub rows: RunRows,
    pub source: Source,
}

/// The file that rows were read from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub name: String,
    pub bytes: u64,
    pub digest: Digest,
}

impl Source {
    pub(crate) fn of(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: content.len() as u64,
            digest: Digest::of(content),
        }
    }
}

/// An uncommitted ingest. Dropping it stores nothing.
pub(crate) struct Ingest<'a> {
    pub(super) transaction: Transaction<'a, Any>,
    pub(super) address: Address,
    action: &'static str,
    author: Option<String>,
    /// The change, once something has changed.
    change: Option<i64>,
    pub(super) counts: IngestCounts,
}

impl Database {
    /// Starts an ingest. `action` and `author` are kept with the change.
    ///
    /// # Errors
    /// [`DatabaseError`] if another writer does not finish in time.
    pub(crate) async fn ingest(&mut self, action: &'static str, author: Option<String>) -> Result<Ingest<'_>, DatabaseError> {
        let address = self.address.clone();
        Ok(Ingest {
            transaction: self.begin().await?,
            address,
            action,
            author,
            change: None,
            counts: IngestCounts::default(),
        })
    }
}

impl Ingest<'_> {
    /// The counts so far.
    pub(crate) fn counts(&self) -> IngestCounts {
        self.counts
    }

    /// Commits.
    ///
    /// # Errors
    /// [`DatabaseError`]; nothing is stored then.
    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
        let Self { transaction, address, .. } = self;
        transaction.commit().await.map_err(address.sql())
    }

    /// Rolls back.
    ///
    /// # Errors
    /// [`DatabaseError`]; nothing is stored in any case.
    pub(crate) async fn roll_back(self) -> Result<(), DatabaseError> {
        let Self { transaction, address, .. } = self;
        transaction.rollback().await.map_err(address.sql())
    }

    /// Stores rows of a source that could not be interpreted, each row once.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn quarantine(&mut self, source: &Source, rows: &[Quarantined]) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        self.keep_quarantined(source, rows).await.map_err(address.sql())
    }

    /// Stores a run. Points and scores that an earlier document of the run had and this one lacks stay as they are.
    ///
    /// # Errors
    /// [`DatabaseError`]; the ingest cannot continue then.
    pub(crate) async fn add(&mut self, incoming: &Incoming) -> Result<(), DatabaseError> {
        let address = self.address.clone();
        self.store(incoming).await.map_err(|error| error.at(&address))
    }

    async fn store(&mut self, incoming: &Incoming) -> Result<(), StoreError> {
        let Incoming { rows, source } = incoming;
        let project = self.project(&rows.project).await?;
        if self.is_repetition(project, rows).await? {
            self.counts.merge(IngestCounts::unchanged(rows));
            return Ok(());
        }
        let run = self.run(project, &rows.identity).await?;
        let others = OtherAttempts::read(&mut self.transaction, project, &rows.identity).await?;
        let before = self.current_header(run).await?;
        let header = match &before {
            None => Known::New,
            Some(current) if current.digest == rows.header.digest.as_slice() => Known::Unchanged,
            Some(_) => Known::Revised,
        };
        if header != Known::Unchanged {
            self.store_header(run, &rows.header, before.as_ref(), source).await?;
        }
        let counted = self.counts;
        let stored = self.store_points(project, run, &rows.points, &others, source).await?;
        let mut taken_from = stored.taken_from;
        taken_from.extend(self.store_evals(run, rows, &others).await?);
        let has_new_records = self.store_records(project, run, &rows.records).await?;
        let after = self.counts;
        let has_changed = has_new_records
            || !taken_from.is_empty()
            || after.points.new + after.points.revised > counted.points.new + counted.points.revised
            || after.evals.new + after.evals.revised > counted.evals.new + counted.evals.revised;
        self.counts.runs.add(match header {
            Known::Unchanged if has_changed => Known::Revised,
            Known::New | Known::Unchanged | Known::Revised => header,
        });
        if header != Known::Unchanged || has_changed {
            self.update_latest(run, &rows.header, &stored.measured_curves).await?;
            self.derive_again(run, rows.header.branch.as_deref(), before, &taken_from).await?;
        }
        Ok(())
    }

    /// Derives the counts, the newest runs and the levels again, of what a run changed.
    async fn derive_again(
        &mut self,
        run: i64,
        branch: Option<&str>,
        before: Option<CurrentHeader>,
        taken_from: &BTreeSet<i64>,
    ) -> Result<(), StoreError> {
        run_count::recompute(&mut self.transaction, run).await?;
        let branch = branch.unwrap_or_default();
        // A correction may make another run the newest one; a new run can only become the newest itself.
        if let Some(before) = before {
            latest::recompute(&mut self.transaction, run, branch).await?;
            let earlier = before.branch.unwrap_or_default();
            if earlier != branch {
                latest::recompute(&mut self.transaction, run, &earlier).await?;
                level_table::recompute(&mut self.transaction, run, &earlier).await?;
            }
        }
        for other in taken_from {
            run_count::recompute(&mut self.transaction, *other).await?;
            let header = self.current_header(*other).await?;
            let branch = header.and_then(|header| header.branch).unwrap_or_default();
            latest::recompute(&mut self.transaction, *other, &branch).await?;
            level_table::recompute(&mut self.transaction, *other, &branch).await?;
        }
        level_table::recompute(&mut self.transaction, run, branch).await
    }

    /// The number of this change. Its row is inserted on first use, so that an ingest without changes adds none.
    pub(super) async fn change(&mut self) -> Result<i64, sqlx::Error> {
        if let Some(change) = self.change {
            return Ok(change);
        }
        let change = insert_change(&mut self.transaction, self.action, self.author.as_deref()).await?;
        self.change = Some(change);
        Ok(change)
    }
}

pub(super) enum StoreError {
    Sql(sqlx::Error),
    Row(RowError),
}

impl StoreError {
    /// The error with the address.
    pub(super) fn at(self, address: &Address) -> DatabaseError {
        match self {
            Self::Sql(source) => address.error(source),
            Self::Row(source) => address.row()(source),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}
