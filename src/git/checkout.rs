//! Which commit is checked out where a job runs. Git compares every file with it, which on a large repository or a slow
//! file system takes its time, so it is asked in a thread of its own as soon as a job begins, and nobody waits for it
//! without a deadline.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::system::stop::StopSignal;

/// How often a missing answer is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// How long a job that is told to stop still waits for the answer.
const CANCELLED_PATIENCE: Duration = Duration::from_millis(250);

/// The question, and its answer once there is one.
#[derive(Debug)]
pub struct Checkout {
    answer: Arc<OnceLock<Option<String>>>,
}

impl Checkout {
    /// Asks git. The thread reads only; one that never comes back ends with this process.
    #[must_use]
    pub fn ask(folder: PathBuf) -> Self {
        let answer = Arc::new(OnceLock::new());
        let asked = Arc::clone(&answer);
        let thread = std::thread::Builder::new().name("checkout".to_owned()).spawn(move || {
            let _ = asked.set(commit_of(&folder));
        });
        if thread.is_err() {
            let _ = answer.set(None);
        }
        Self { answer }
    }

    /// Waits for the answer, for that long or until `stop` is set. Says whether there is one.
    pub fn wait(&self, limit: Duration, stop: &StopSignal) -> bool {
        let begun = Instant::now();
        loop {
            let limit = if stop.is_set() { limit.min(CANCELLED_PATIENCE) } else { limit };
            if self.answer.get().is_some() {
                return true;
            }
            if begun.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The commit, with `-dirty` where files differ from it. `None` outside of a repository, and while git has not answered.
    #[must_use]
    pub fn commit(&self) -> Option<String> {
        self.answer.get().cloned().flatten()
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
