//! A history in a database: one set of statements for SQLite and PostgreSQL, whose tables differ in nothing but the names of their types
//! (`migrations/`). One transaction is one change; writers take turns, so that changes are numbered in the order of their commits.

mod annotation_table;
mod attempts;
mod changelog_table;
mod counts;
mod curve_table;
mod engine;
mod eval_table;
mod facts;
mod ingest;
mod latest;
mod level_table;
mod newest_outcomes;
mod point_counts;
mod point_history;
mod point_rows;
mod point_selection;
mod point_table;
mod price_table;
mod published_table;
mod quarantine_table;
mod read;
mod record_table;
mod retract;
mod run_count;
mod run_facts;
mod run_outline;
mod run_table;
mod schema;
mod series;
mod submission_table;
mod token_table;
mod verify;
mod watch_table;

use std::time::{Duration, Instant};

use sqlx::AnyConnection;
use sqlx::{Any, Connection as _, Transaction};

pub(crate) use annotation_table::{Annotation, AnnotationKind, AnnotationTarget, NewAnnotation};
pub(crate) use changelog_table::{ChangelogFilter, ChangelogRow};
pub(crate) use counts::{Counts, IngestCounts, Known};
pub(crate) use engine::{Address, AddressError};
pub(crate) use facts::BranchAge;
pub(crate) use ingest::{Incoming, Ingest, Source};
pub(crate) use point_counts::CurveCounts;
pub(crate) use point_rows::{
    ColumnType, CursorKey, PointColumn, PointCursor, PointReader, PointRow, PointSort, point_column, point_columns,
};
pub(crate) use point_selection::PointSelection;
pub(crate) use published_table::StoredPublished;
pub(crate) use read::{AsOf, RunFilter, RunSummary};
pub(crate) use retract::Retraction;
pub(crate) use run_facts::RunHead;
pub(crate) use run_outline::{FailedPoint, RunOutline};
pub(crate) use series::{NewestCurve, PointSeries, SeriesFilter};
pub(crate) use submission_table::{Decision, NewSubmission, Submission, SubmissionFilter, SubmissionState};
pub(crate) use token_table::{KeptAnswer, NewAuditEntry, NewIdentity, NewToken, Scope, Token};
pub(crate) use verify::verify;
pub(crate) use watch_table::{AttemptResult, ClaimedDelivery, DeliveryEntry, NewDelivery, NewestOutcome, WatchState, WatchStateEntry};

use crate::analysis::RowError;

/// Pause between two attempts to open a file that another process is creating.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Remedy for damage.
const RESTORE: &str = "restore the file from a backup, or import the runs again from their files";

/// Why a history in a database cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("{0}: no such history; imax publish or imax import creates it")]
    Missing(String),
    #[error("{0} is not a SQLite database; expected a file that imax publish or imax import created")]
    NotSqlite(String),
    #[error("{0} is the database of another program; name a file that does not exist, or a history of imax")]
    Foreign(String),
    #[error("{place} has schema version {found}, this imax knows up to {known}; use the imax that wrote it, or a newer one")]
    Newer { place: String, found: i64, known: i64 },
    #[error("{place} has schema version {found}, expected {known}; a command that writes, such as imax publish, upgrades it")]
    Older { place: String, found: i64, known: i64 },
    #[error("{0} is locked by another writer for more than a minute; try again when it has ended")]
    Locked(String),
    #[error("{0}: no space left; nothing was stored")]
    Full(String),
    #[error("{0} is damaged; {RESTORE}")]
    Damaged(String),
    #[error(
        "{0}: cannot open the file, or {0}-wal and {0}-shm beside it, which readers need too; expected a folder that this user may write: change its \
         permissions, or copy the file elsewhere"
    )]
    Unopened(String),
    #[error("{0}: the file may not be written; make it and its folder writable for this user, or name another history")]
    ReadOnly(String),
    #[error("{place}: cannot read or write the file ({reason}); the disk is full or fails: free space, then try again")]
    Disk { place: String, reason: String },
    #[error("{place}: {source}; {remedy}")]
    Server {
        place: String,
        source: sqlx::Error,
        remedy: &'static str,
    },
    #[error("{place} cannot be upgraded: {source}")]
    Migrate {
        place: String,
        source: sqlx::migrate::MigrateError,
    },
    #[error("{place}: {source}")]
    Sql { place: String, source: sqlx::Error },
    /// A value that was read or is to be stored is invalid.
    #[error("{place}: {source}; `imax history verify` lists all damage")]
    Row { place: String, source: RowError },
    #[error("run {id} is not in {place}; imax history list shows the runs")]
    NoRun { place: String, id: i64 },
    #[error("run {id} is already {state}")]
    State { id: i64, state: &'static str },
}

/// Whether a history may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Creates the database if it is missing, and upgrades an older one.
    Write,
}

/// An open history.
#[derive(Debug)]
pub(crate) struct Database {
    connection: AnyConnection,
    address: Address,
}

impl Database {
    /// Opens a history.
    ///
    /// SQLite does not wait for a lock if that could deadlock: while another process creates the file, switches it to
    /// write-ahead logging or recovers it. Opening is therefore retried for as long as a writer would wait.
    ///
    /// # Errors
    /// [`DatabaseError`] if it is not a history, has another version, or cannot be reached.
    pub(crate) async fn open(address: &Address, access: Access) -> Result<Self, DatabaseError> {
        let start = Instant::now();
        loop {
            match Self::try_open(address, access).await {
                Err(DatabaseError::Locked(_)) if start.elapsed() < engine::PATIENCE => tokio::time::sleep(RETRY_PAUSE).await,
                opened => return opened,
            }
        }
    }

    async fn try_open(address: &Address, access: Access) -> Result<Self, DatabaseError> {
        let connection = engine::connect(address, access).await?;
        let mut database = Self {
            connection,
            address: address.clone(),
        };
        schema::prepare(&mut database, access).await?;
        Ok(database)
    }

    /// Where the history is.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Closes the connection; SQLite writes its log back into the file.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn close(self) -> Result<(), DatabaseError> {
        let Self { connection, address } = self;
        connection.close().await.map_err(|source| address.error(source))
    }

    /// Begins a change: no other writer is active until the transaction ends.
    async fn begin(&mut self) -> Result<Transaction<'_, Any>, DatabaseError> {
        let address = &self.address;
        let sql = address.sql();
        let begun = match address {
            // A deferred transaction that reads first would fail at its first write if another writer was faster.
            Address::Sqlite(_) => self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?,
            Address::Postgres(_) => {
                let mut begun = self.connection.begin().await.map_err(address.sql())?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(engine::ADVISORY_LOCK)
                    .execute(&mut *begun)
                    .await
                    .map_err(address.sql())?;
                begun
            }
        };
        Ok(begun)
    }
}

/// Inserts a change and returns its number.
async fn insert_change(transaction: &mut Transaction<'_, Any>, action: &str, author: Option<&str>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("INSERT INTO change (at_ms, action, author, imax_version) VALUES ($1, $2, $3, $4) RETURNING id")
        .bind(chrono::Utc::now().timestamp_millis())
        .bind(action)
        .bind(author)
        .bind(env!("CARGO_PKG_VERSION"))
        .fetch_one(&mut **transaction)
        .await
}
