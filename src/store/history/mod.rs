//! Histories: in a folder of files or in a database. Comparisons read both in the same way.

pub(crate) mod folder;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub(crate) use folder::{HistoryFolderError, append};

use super::database::{Access, Address, AddressError, Database, DatabaseError, RunFilter};
use crate::analysis::History;

/// The location of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HistoryHome {
    Folder(PathBuf),
    Database(Address),
}

/// Extensions of SQLite files; every other path is a folder.
const SQLITE_EXTENSIONS: [&str; 3] = ["db", "sqlite", "sqlite3"];
/// URL schemes of unsupported databases.
const UNSUPPORTED: [&str; 6] = ["s3://", "gs://", "az://", "abfs://", "https://", "http://"];

/// Invalid location of a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HistoryHomeError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("this version keeps no history at {0}; expected a folder, a file such as history.db, or postgres://USER@HOST/DATABASE")]
    Unsupported(String),
    #[error("{0} would be a history folder; expected a database, a file such as history.db or postgres://USER@HOST/DATABASE")]
    NoDatabase(String),
    #[error("{0} is a database; expected a folder; imax publish stores a run in a database")]
    NoFolder(String),
}

impl FromStr for HistoryHome {
    type Err = HistoryHomeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Database(Address::postgres(text)?));
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
            HistoryHome::Folder(path) => Err(HistoryHomeError::NoDatabase(path.display().to_string())),
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
            HistoryHome::Database(address) => Err(HistoryHomeError::NoFolder(address.to_string())),
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
}

impl HistoryHome {
    /// The newest `most` runs, for noise estimates and baselines. A database's runs of pull requests and retracted runs are left out: they
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
            ("s3://bucket/history", "expected a folder, a file such as history.db"),
        ] {
            let error = text.parse::<HistoryHome>().unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
        assert!("history".parse::<HistoryDatabase>().is_err());
        let error = "history.db".parse::<HistoryFolder>().unwrap_err().to_string();
        assert!(error.contains("imax publish"), "{error}");
    }
}
