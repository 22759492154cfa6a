//! Histories: in a folder of files, in a database, in a branch of the repository, or in object storage. Comparisons read all in the same way.

mod artifacts;
pub(crate) mod folder;
mod folder_files;
mod open;
mod prices;
mod retract;
mod run_file;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub(crate) use super::run_files::ScratchDatabase;
pub(crate) use artifacts::{OpenArtifactsError, RunDatabaseError, is_history_folder, open_artifacts, run_database};
pub(crate) use folder::{HistoryFolderError, append};
pub(crate) use folder_files::{FolderFile, FolderFiles};
pub(crate) use open::{LocalHistory, OpenError, verify};
pub(crate) use prices::{PricesError, add_prices};
pub(crate) use retract::{RetractError, retract};

use super::branch::{Branch, BranchAddress, BranchAddressError, BranchError};
use super::bucket::{Bucket, BucketAddress, BucketAddressError, BucketError};
use super::database::{Access, Address, AddressError, Database, DatabaseError, RunFilter};
use super::server::{ServerAddress, ServerAddressError};
use crate::analysis::History;

/// The location of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HistoryHome {
    Folder(PathBuf),
    Database(Address),
    Branch(BranchAddress),
    Bucket(BucketAddress),
}

/// Extensions of SQLite files; every other path is a folder.
const SQLITE_EXTENSIONS: [&str; 3] = ["db", "sqlite", "sqlite3"];
/// URL schemes of what keeps no history.
const UNSUPPORTED: [&str; 5] = ["s3a://", "abfs://", "abfss://", "https://", "http://"];

/// Invalid location of a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HistoryHomeError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Branch(#[from] BranchAddressError),
    #[error(transparent)]
    Bucket(#[from] BucketAddressError),
    #[error(transparent)]
    Server(#[from] ServerAddressError),
    #[error(
        "this version keeps no history at {0}; expected a folder, a file such as history.db, postgres://USER@HOST/DATABASE, branch, \
         s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, or az://CONTAINER/PREFIX"
    )]
    Unsupported(String),
    #[error("{0} is not a database; expected a file such as history.db, or postgres://USER@HOST/DATABASE")]
    NoDatabase(String),
    #[error("{0} is not a folder; imax publish stores a run in a database, a branch or object storage")]
    NoFolder(String),
    #[error(
        "{0} would be a history folder, which imax collect --history writes; expected a file such as history.db, \
         postgres://USER@HOST/DATABASE, branch, s3://BUCKET/PREFIX, or https://SERVER of imax serve"
    )]
    Folder(String),
}

impl FromStr for HistoryHome {
    type Err = HistoryHomeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Database(Address::postgres(text)?));
        }
        if BranchAddress::is_meant_by(text) {
            return Ok(Self::Branch(text.parse()?));
        }
        if BucketAddress::is_meant_by(text) {
            return Ok(Self::Bucket(text.parse()?));
        }
        if UNSUPPORTED.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(HistoryHomeError::Unsupported(text.to_owned()));
        }
        let path = PathBuf::from(text);
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let is_sqlite = extension.is_some_and(|extension| SQLITE_EXTENSIONS.contains(&extension.as_str()));
        Ok(if is_sqlite {
            Self::Database(Address::Sqlite(path))
        } else {
            Self::Folder(path)
        })
    }
}

impl fmt::Display for HistoryHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Database(address) => address.fmt(f),
            Self::Branch(address) => address.fmt(f),
            Self::Bucket(address) => address.fmt(f),
        }
    }
}

/// A history that runs are published to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HistoryTarget {
    Database(Address),
    Branch(BranchAddress),
    Bucket(BucketAddress),
    /// A results API, which stores the runs in its history.
    Server(ServerAddress),
}

impl FromStr for HistoryTarget {
    type Err = HistoryHomeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if ServerAddress::is_meant_by(text) {
            return Ok(Self::Server(text.parse()?));
        }
        match text.parse()? {
            HistoryHome::Database(address) => Ok(Self::Database(address)),
            HistoryHome::Branch(address) => Ok(Self::Branch(address)),
            HistoryHome::Bucket(address) => Ok(Self::Bucket(address)),
            HistoryHome::Folder(path) => Err(HistoryHomeError::Folder(path.display().to_string())),
        }
    }
}

impl HistoryTarget {
    /// The history itself; `None` behind a server, which alone reads it.
    pub(crate) fn home(self) -> Option<HistoryHome> {
        match self {
            Self::Database(address) => Some(HistoryHome::Database(address)),
            Self::Branch(address) => Some(HistoryHome::Branch(address)),
            Self::Bucket(address) => Some(HistoryHome::Bucket(address)),
            Self::Server(_) => None,
        }
    }
}

impl fmt::Display for HistoryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(address) => address.fmt(f),
            Self::Branch(address) => address.fmt(f),
            Self::Bucket(address) => address.fmt(f),
            Self::Server(address) => address.fmt(f),
        }
    }
}

/// A history in a database, for commands that do not support folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryDatabase(pub Address);

impl FromStr for HistoryDatabase {
    type Err = HistoryHomeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            HistoryHome::Database(address) => Ok(Self(address)),
            home @ (HistoryHome::Folder(_) | HistoryHome::Branch(_) | HistoryHome::Bucket(_)) => {
                Err(HistoryHomeError::NoDatabase(home.to_string()))
            }
        }
    }
}

/// A history that is a folder, for commands that add a file to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryFolder(pub PathBuf);

impl FromStr for HistoryFolder {
    type Err = HistoryHomeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            HistoryHome::Folder(path) => Ok(Self(path)),
            home @ (HistoryHome::Database(_) | HistoryHome::Branch(_) | HistoryHome::Bucket(_)) => {
                Err(HistoryHomeError::NoFolder(home.to_string()))
            }
        }
    }
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryReadError {
    #[error(transparent)]
    Folder(#[from] HistoryFolderError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Branch(#[from] BranchError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

impl HistoryHome {
    /// The newest `most` runs, for noise estimates and baselines. Runs of pull requests and retracted runs are left out: they
    /// say nothing about the level of a point.
    ///
    /// # Errors
    /// [`HistoryReadError`].
    pub(crate) async fn newest(&self, most: usize) -> Result<History, HistoryReadError> {
        match self {
            Self::Folder(folder) => Ok(folder::read(folder, most)?),
            Self::Database(address) => {
                let mut database = Database::open(address, Access::Read).await?;
                let filter = RunFilter {
                    without_pull_requests: true,
                    newest: Some(most),
                    ..RunFilter::default()
                };
                let history = database.history(&filter).await?;
                database.close().await?;
                Ok(history)
            }
            Self::Branch(address) => Ok(Branch::connect(address)?.newest(most).await?),
            Self::Bucket(address) => Ok(Bucket::connect(address)?.newest(most).await?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn home_is_known_by_its_address() {
        for (text, home) in [
            ("history", HistoryHome::Folder("history".into())),
            ("runs.d/2026", HistoryHome::Folder("runs.d/2026".into())),
            ("team.DB", HistoryHome::Database(Address::Sqlite("team.DB".into()))),
            ("a/b.sqlite", HistoryHome::Database(Address::Sqlite("a/b.sqlite".into()))),
            ("./branch", HistoryHome::Folder("./branch".into())),
            ("branch", HistoryHome::Branch("branch:imax-history".parse().unwrap())),
            ("s3://bucket/bench", HistoryHome::Bucket("s3://bucket/bench".parse().unwrap())),
            ("a/b.sqlite3", HistoryHome::Database(Address::Sqlite("a/b.sqlite3".into()))),
            (
                "postgres://imax@db.example/history",
                HistoryHome::Database(Address::postgres("postgres://imax@db.example/history").unwrap()),
            ),
        ] {
            assert_eq!(text.parse(), Ok(home), "{text}");
        }
    }

    #[test]
    fn passwords_and_other_homes_are_refused_with_a_remedy() {
        for (text, words) in [
            ("postgres://imax:hunter2@db/history", "PGPASSWORD"),
            ("postgresql://db/history?password=hunter2", "PGPASSWORD"),
            ("abfs://container/history", "expected a folder, a file such as history.db"),
            ("s3://key:hunter2@bucket/history", "expected s3://BUCKET/PREFIX"),
        ] {
            let error = text.parse::<HistoryHome>().unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
        assert!("history".parse::<HistoryDatabase>().is_err());
        let error = "history.db".parse::<HistoryFolder>().unwrap_err().to_string();
        assert!(error.contains("imax publish"), "{error}");
        for text in ["history", "branch", "s3://bucket/history"] {
            assert!(text.parse::<HistoryDatabase>().is_err());
        }
        assert!("history".parse::<HistoryTarget>().is_err());
    }
}
