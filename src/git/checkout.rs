//! The commit of the checkout in which a job runs. Git compares every file with the index, which takes long in a large
//! repository or on a slow file system. So a thread of its own looks it up as soon as the job starts, and each wait for
//! it has a deadline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::system::cancellation::Cancellation;

/// The longest wait of a cancelled job.
const CANCELLED_TIMEOUT: Duration = Duration::from_millis(250);

/// The commit of a checkout, looked up in the background.
#[derive(Debug)]
pub struct Checkout {
    /// `None` until the look-up has finished.
    commit: watch::Receiver<Option<Option<String>>>,
}

impl Checkout {
    /// Starts the look-up. Its thread only reads; if it hangs, it ends with this process.
    #[must_use]
    pub fn look_up(folder: PathBuf) -> Self {
        let (result, commit) = watch::channel(None);
        let failed = result.clone();
        let thread = std::thread::Builder::new().name("checkout".to_owned()).spawn(move || {
            result.send_replace(Some(commit_of(&folder)));
        });
        if thread.is_err() {
            failed.send_replace(Some(None));
        }
        Self { commit }
    }

    /// Waits for the look-up, at most for `limit`, and for a shorter time after a cancellation. Returns whether it has finished.
    pub async fn wait(&self, limit: Duration, cancellation: &Cancellation) -> bool {
        let mut commit = self.commit.clone();
        tokio::select! {
            biased;
            found = commit.wait_for(Option::is_some) => found.is_ok(),
            () = sleep(limit) => false,
            () = cancelled_for(CANCELLED_TIMEOUT, cancellation) => false,
        }
    }

    /// The commit, with `-dirty` if files differ from it. `None` outside of a repository, and before the look-up has finished.
    #[must_use]
    pub fn commit(&self) -> Option<String> {
        self.commit.borrow().clone().flatten()
    }
}

async fn cancelled_for(time: Duration, cancellation: &Cancellation) {
    cancellation.cancelled().await;
    sleep(time).await;
}

fn commit_of(folder: &Path) -> Option<String> {
    let repository = git2::Repository::discover(folder).ok()?;
    let commit = repository.head().ok()?.peel_to_commit().ok()?.id().to_string();
    let mut options = git2::StatusOptions::new();
    options.include_untracked(false);
    let changed = repository.statuses(Some(&mut options)).is_ok_and(|statuses| !statuses.is_empty());
    Some(if changed { format!("{commit}-dirty") } else { commit })
}
