//! The history that is served. A database is read where it is; files are read into a database of this process, again when they changed.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::ServeError;
use super::generation::Generation;
use super::readers::Readers;
use crate::model::with_causes;
use crate::store::database::{Access, Address, Database, RunFilter};
use crate::store::history::{FolderFiles, HistoryHome, ScratchDatabase, is_history_folder, open_artifacts};
use crate::system::cancellation::Cancellation;

/// Connections, and what tells the state of this history from those of others.
#[derive(Debug)]
pub(super) struct Served {
    pub readers: Readers,
    /// Of the content of files; empty for a database, whose changes have numbers.
    pub tag: String,
    /// The newest change of a database; `None` for files, whose tag tells their state.
    pub generation: Option<Generation>,
    /// The files of a history that is a folder.
    pub files: FolderFiles,
    /// The history itself where its runs are in files that are fetched by their names.
    pub remote: Option<HistoryHome>,
    /// The database that writes go to; `None` for files.
    pub writes_to: Option<Address>,
    /// The files of a database of this process; removed with it.
    _scratch: Option<tempfile::TempDir>,
}

/// The history that is served at this moment.
#[derive(Debug)]
pub(super) struct Source {
    home: HistoryHome,
    connections: usize,
    query_time: Duration,
    served: RwLock<Arc<Served>>,
}

impl Source {
    /// # Errors
    /// [`ServeError`] for a history that cannot be read.
    pub(super) async fn open(home: HistoryHome, connections: usize, query_time: Duration) -> Result<Self, ServeError> {
        let served = open(&home, connections, query_time, None).await?;
        Ok(Self {
            home,
            connections,
            query_time,
            served: RwLock::new(Arc::new(served)),
        })
    }

    /// A database of this process alone.
    ///
    /// # Errors
    /// [`ServeError::Database`].
    pub(super) async fn of_scratch(scratch: ScratchDatabase, connections: usize, query_time: Duration) -> Result<Self, ServeError> {
        let (database, folder) = scratch.into_parts();
        let address = database.address().clone();
        database.close().await?;
        let served = Served {
            readers: Readers::new(address.clone(), connections, query_time),
            tag: String::new(),
            generation: None,
            files: FolderFiles::default(),
            remote: None,
            writes_to: None,
            _scratch: Some(folder),
        };
        Ok(Self {
            home: HistoryHome::Database(address),
            connections,
            query_time,
            served: RwLock::new(Arc::new(served)),
        })
    }

    pub(super) fn now(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads files again and again until it is cancelled. What cannot be read leaves the last state in place.
    pub(super) async fn refresh(&self, interval: Duration, cancellation: &Cancellation) {
        if self.now().writes_to.is_some() {
            return;
        }
        loop {
            tokio::select! {
                _ = cancellation.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            let before = self.now();
            match open(&self.home, self.connections, self.query_time, Some(&before.files)).await {
                Ok(found) if found.tag == before.tag => {}
                Ok(found) => *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found),
                Err(error) => tracing::warn!(history = %self.home, error = with_causes(&error), "cannot read the history again"),
            }
        }
    }
}

async fn open(home: &HistoryHome, connections: usize, query_time: Duration, before: Option<&FolderFiles>) -> Result<Served, ServeError> {
    if let HistoryHome::Database(address) = home {
        Database::open(address, Access::Read).await?.close().await?;
        return Ok(Served {
            readers: Readers::new(address.clone(), connections, query_time),
            tag: String::new(),
            generation: Some(Generation::new(address.clone(), query_time)),
            files: FolderFiles::default(),
            remote: None,
            writes_to: Some(address.clone()),
            _scratch: None,
        });
    }
    let files = match home {
        HistoryHome::Folder(path) if path.is_dir() => FolderFiles::read(path, before)?,
        HistoryHome::Folder(_) | HistoryHome::Branch(_) | HistoryHome::Bucket(_) | HistoryHome::Database(_) => FolderFiles::default(),
    };
    let (mut database, scratch) = match home {
        HistoryHome::Folder(path) if is_artifacts(path)? => {
            let (database, folder) = open_artifacts(path, &files).await?.into_parts();
            (database, Some(folder))
        }
        HistoryHome::Folder(_) | HistoryHome::Branch(_) | HistoryHome::Bucket(_) | HistoryHome::Database(_) => {
            home.open(RunFilter::default()).await?.into_parts()
        }
    };
    let tag = database.content_digest().await?.to_string();
    let address = database.address().clone();
    database.close().await?;
    Ok(Served {
        readers: Readers::new(address, connections, query_time),
        tag: tag.chars().take(16).collect(),
        generation: None,
        files,
        remote: home.has_run_files().then(|| home.clone()),
        writes_to: None,
        _scratch: scratch,
    })
}

/// A folder without a file of a history holds artifacts.
fn is_artifacts(path: &Path) -> Result<bool, ServeError> {
    Ok(path.is_dir() && !is_history_folder(path)?)
}
