//! A history of any home as a database, for the commands that list, show and export. What is kept as files is read into a database of this
//! process, whose run numbers are the places in the order of dates.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::folder::{self, HistoryFolderError};
use super::{Branch, BranchError, Bucket, BucketError, HistoryHome};
use crate::analysis::HistoryRun;
use crate::store::branch::BranchDatabaseError;
use crate::store::database::{self, Access, Address, AsOf, Database, DatabaseError, RunFilter, RunSummary};
use crate::store::run_files::{ScratchDatabase, ScratchError};
use crate::store::work::Work;

/// Why a history cannot be read as a database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Folder(#[from] HistoryFolderError),
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    #[error("{0}: no such history; imax collect --history {0} creates it")]
    Missing(String),
    #[error("{0} does not know when its files were added, so it has no earlier state; import it into a database for --as-of")]
    AsOf(String),
}

impl From<BranchDatabaseError> for OpenError {
    fn from(error: BranchDatabaseError) -> Self {
        match error {
            BranchDatabaseError::Branch(error) => Self::Branch(error),
            BranchDatabaseError::Scratch(error) => Self::Scratch(error),
        }
    }
}

/// A history that is read.
#[derive(Debug)]
pub(crate) struct OpenHistory {
    pub database: Database,
    /// What was asked for, for this database.
    pub filter: RunFilter,
    /// The files of a database that was made for reading; removed with it.
    scratch: Option<tempfile::TempDir>,
}

impl OpenHistory {
    /// The database, and the folder that must live as long.
    pub(crate) fn into_parts(self) -> (Database, Option<tempfile::TempDir>) {
        (self.database, self.scratch)
    }
}

impl HistoryHome {
    /// Opens the history for reading.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) async fn open(&self, filter: RunFilter) -> Result<OpenHistory, OpenError> {
        let scratch = match self {
            Self::Database(address) => {
                return Ok(OpenHistory {
                    database: Database::open(address, Access::Read).await?,
                    filter,
                    scratch: None,
                });
            }
            Self::Folder(_) if filter.as_of != AsOf::Now => return Err(OpenError::AsOf(self.to_string())),
            Self::Folder(path) => folder_database(path).await?,
            Self::Branch(address) => Branch::connect(address)?.database(time_of(filter.as_of)).await?,
            Self::Bucket(address) => Bucket::connect(address)?.database(time_of(filter.as_of)).await?,
        };
        let (database, folder) = scratch.into_parts();
        Ok(OpenHistory {
            database,
            // The database holds what there was at that time, and was written just now.
            filter: RunFilter {
                as_of: AsOf::Now,
                ..filter
            },
            scratch: Some(folder),
        })
    }
}

impl HistoryHome {
    /// A run by its id, retracted or not, with what the history says about it.
    ///
    /// # Errors
    /// [`OpenError`]; [`DatabaseError::NoRun`] if there is none with the id.
    pub(crate) async fn run(&self, id: i64, as_of: AsOf) -> Result<(RunSummary, HistoryRun), OpenError> {
        let filter = RunFilter {
            id: Some(id),
            with_retracted: true,
            as_of,
            ..RunFilter::default()
        };
        let mut opened = self.open(filter).await?;
        let found = opened.database.runs(&opened.filter).await?.into_iter().next();
        let summary = found.ok_or_else(|| DatabaseError::NoRun {
            id,
            place: self.to_string(),
        })?;
        let run = opened.database.run(&summary).await?;
        opened.database.close().await?;
        Ok((summary, run))
    }
}

/// A history as a database that can be opened again and again.
#[derive(Debug)]
pub(crate) struct LocalHistory {
    pub address: Address,
    /// The folder of a copy that was made for reading; removed with it.
    _copy: Option<tempfile::TempDir>,
}

impl HistoryHome {
    /// The database itself, or a copy of what is kept elsewhere.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) async fn local(&self) -> Result<LocalHistory, OpenError> {
        if let Self::Database(address) = self {
            return Ok(LocalHistory {
                address: address.clone(),
                _copy: None,
            });
        }
        let (database, folder) = self.open(RunFilter::default()).await?.into_parts();
        let address = database.address().clone();
        database.close().await?;
        Ok(LocalHistory { address, _copy: folder })
    }
}

fn time_of(as_of: AsOf) -> Option<DateTime<Utc>> {
    match as_of {
        AsOf::Now => None,
        AsOf::Time(time) => Some(time),
    }
}

/// The files of a folder that must exist: a comparison takes a missing one for a history that begins, but who asks for it by name
/// has mistyped it.
fn existing_files(path: &Path) -> Result<Vec<PathBuf>, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing(path.display().to_string()));
    }
    Ok(folder::files_of(path)?)
}

async fn folder_database(path: &Path) -> Result<ScratchDatabase, OpenError> {
    let mut scratch = ScratchDatabase::create().await?;
    for file in existing_files(path)? {
        scratch.add_files(vec![folder::read_with_source(&file)?]).await?;
    }
    Ok(scratch)
}

/// What is damaged in a history, each with what to do about it.
///
/// # Errors
/// [`OpenError`] for a history that cannot be reached.
pub(crate) async fn verify(home: &HistoryHome, work: &Work) -> Result<Vec<String>, OpenError> {
    match home {
        HistoryHome::Database(address) => database_findings(address, work).await,
        HistoryHome::Folder(path) => {
            let mut findings = Vec::new();
            let files = existing_files(path)?;
            work.expect(files.len());
            for file in files {
                work.advance(1);
                if let Err(damage) = folder::read_one(&file) {
                    findings.push(format!("{damage}; remove the file, or restore it from a backup"));
                }
            }
            Ok(findings)
        }
        HistoryHome::Branch(address) => Ok(Branch::connect(address)?.verify(work).await?),
        HistoryHome::Bucket(address) => Ok(Bucket::connect(address)?.verify(work).await?),
    }
}

async fn database_findings(address: &Address, work: &Work) -> Result<Vec<String>, OpenError> {
    let findings = database::verify(address, work).await?;
    Ok(findings.iter().map(ToString::to_string).collect())
}
