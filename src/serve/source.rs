//! The history that is served. A database is read where it is; files are read into a database of this process, again when they changed.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;

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
    /// How often files were found changed before.
    pub changes: i64,
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

/// How the history is opened.
#[derive(Debug, Clone)]
struct Opening {
    home: HistoryHome,
    connections: usize,
    query_time: Duration,
}

/// The history that is served at this moment.
#[derive(Debug)]
pub(super) struct Source {
    opening: Opening,
    served: RwLock<Arc<Served>>,
}

impl Source {
    /// # Errors
    /// [`ServeError`] for a history that cannot be read.
    pub(super) async fn open(home: HistoryHome, connections: usize, query_time: Duration) -> Result<Self, ServeError> {
        let opening = Opening {
            home,
            connections,
            query_time,
        };
        let served = opening.open(None).await?;
        Ok(Self {
            opening,
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
            changes: 0,
            generation: None,
            files: FolderFiles::default(),
            remote: None,
            writes_to: None,
            _scratch: Some(folder),
        };
        Ok(Self {
            opening: Opening {
                home: HistoryHome::Database(address),
                connections,
                query_time,
            },
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
            self.look().await;
        }
    }

    /// Reads files again.
    pub(super) async fn look(&self) {
        let before = self.now();
        match self.opening.open_apart(Arc::clone(&before)).await {
            Ok(found) if found.tag == before.tag => {}
            Ok(found) => self.replace(found),
            Err(error) => tracing::warn!(history = %self.opening.home, error = with_causes(&error), "cannot read the history again"),
        }
    }

    /// Serves another state from now on.
    fn replace(&self, found: Served) {
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let changes = served.changes + 1;
        *served = Arc::new(Served { changes, ..found });
    }
}

impl Opening {
    /// Reads files on a thread of their own: a large history takes seconds, in which connections are to be answered.
    async fn open_apart(&self, before: Arc<Served>) -> Result<Served, ServeError> {
        let (opening, runtime) = (self.clone(), Handle::current());
        let open = move || runtime.block_on(opening.open(Some(&before.files)));
        tokio::task::spawn_blocking(open).await?
    }

    async fn open(&self, before: Option<&FolderFiles>) -> Result<Served, ServeError> {
        let Self {
            home,
            connections,
            query_time,
        } = self;
        let (connections, query_time) = (*connections, *query_time);
        if let HistoryHome::Database(address) = home {
            Database::open(address, Access::Read).await?.close().await?;
            return Ok(Served {
                readers: Readers::new(address.clone(), connections, query_time),
                tag: String::new(),
                changes: 0,
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
            changes: 0,
            generation: None,
            files,
            remote: home.has_run_files().then(|| home.clone()),
            writes_to: None,
            _scratch: scratch,
        })
    }
}

/// A folder without a file of a history holds artifacts.
fn is_artifacts(path: &Path) -> Result<bool, ServeError> {
    Ok(path.is_dir() && !is_history_folder(path)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::sync::mpsc::{Sender, channel};
    use std::thread::JoinHandle;

    use super::*;

    const POINT: &str = include_str!("../../tests/golden/report/compared/base/h100-sim-4/agg_result.json");

    /// Holds a thread of those that read files until it is told to go on, or for 20 s. Whether it was told.
    fn hold() -> (Sender<()>, JoinHandle<bool>) {
        let (free, freed) = channel::<()>();
        let (told, ended) = channel();
        rayon::spawn(move || told.send(freed.recv_timeout(Duration::from_secs(20)).is_ok()).unwrap());
        (free, std::thread::spawn(move || ended.recv().unwrap()))
    }

    #[tokio::test]
    async fn other_tasks_run_while_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("agg_result.json"), POINT).unwrap();
        let home = HistoryHome::Folder(folder.path().to_owned());
        let source = Source::open(home, 1, Duration::from_secs(60)).await.unwrap();
        let held: Vec<_> = (0..rayon::current_num_threads()).map(|_| hold()).collect();
        // Reading waits for a task of the same thread.
        let other = async {
            for (free, _) in &held {
                free.send(()).unwrap();
            }
        };
        tokio::join!(source.look(), other);
        assert!(held.into_iter().all(|(_, told)| told.join().unwrap()));
    }
}
