//! The commit of the checkout in which a job runs. Git compares every file with the index, which takes long in a large
//! repository or on a slow file system. So a thread of its own looks it up as soon as the job starts, and each wait for
//! it has a deadline.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::system::cancellation::Cancellation;

/// Time between two looks at the result.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Longest wait of a job that is being cancelled.
const CANCELLED_TIMEOUT: Duration = Duration::from_millis(250);

/// The commit of a checkout, looked up in the background.
#[derive(Debug)]
pub struct Checkout {
    commit: Arc<OnceLock<Option<String>>>,
}

impl Checkout {
    /// Starts the look-up. Its thread only reads; if it hangs, it ends with this process.
    #[must_use]
    pub fn look_up(folder: PathBuf) -> Self {
        let commit = Arc::new(OnceLock::new());
        let result = Arc::clone(&commit);
        let thread = std::thread::Builder::new().name("checkout".to_owned()).spawn(move || {
            let _ = result.set(commit_of(&folder));
        });
        if thread.is_err() {
            let _ = commit.set(None);
        }
        Self { commit }
    }

    /// Waits for the look-up, at most for `limit`, and less once `stop` is set. Returns whether it has finished.
    pub fn wait(&self, limit: Duration, stop: &Cancellation) -> bool {
        let started = Instant::now();
        loop {
            let limit = if stop.is_cancelled() { limit.min(CANCELLED_TIMEOUT) } else { limit };
            if self.commit.get().is_some() {
                return true;
            }
            if started.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// The commit, with `-dirty` where files differ from it. `None` outside of a repository, and before the look-up has
    /// finished.
    #[must_use]
    pub fn commit(&self) -> Option<String> {
        self.commit.get().cloned().flatten()
    }
}

fn commit_of(folder: &Path) -> Option<String> {
    let repository = git2::Repository::discover(folder).ok()?;
    let commit = repository.head().ok()?.peel_to_commit().ok()?.id().to_string();
    let mut options = git2::StatusOptions::new();
    options.include_untracked(false);
    let changed = repository.statuses(Some(&mut options)).is_ok_and(|statuses| !statuses.is_empty());
    Some(if changed { format!("{commit}-dirty") } else { commit })
}
