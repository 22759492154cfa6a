//! State on disk: one small file for each job that may have something running, written before the job starts
//! anything and removed when all of it is stopped. A file whose owner is dead is the list of what is to be cleaned up.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{self, FileError};
use super::host::own_user;
use super::process::{ProcessId, boot_id, is_alive, own_id};
use crate::job::JobId;

/// The format of a state file.
const SCHEMA: &str = "imax-job-state/1";

/// What a job may have running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// The format.
    pub schema: String,
    /// The job.
    pub job: JobId,
    /// The `imax run` that owns it.
    pub owner: Option<ProcessId>,
    /// The boot of the machine that the owner lives in.
    pub boot: String,
    /// Where the job's files go.
    pub out: PathBuf,
    /// When it began, RFC 3339.
    pub started: String,
    /// What it started, beside processes that carry the job's mark.
    pub holds: Vec<Holding>,
}

/// Something that outlives its starter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Holding {
    /// A container with the job's label.
    Container {
        /// The container engine's socket.
        socket: String,
        /// The container's name.
        name: String,
    },
    /// A job of Slurm with the job's name.
    SlurmJob {
        /// The job's name.
        name: String,
        /// `SLURM_CONF`, where it was set.
        configuration: Option<String>,
        /// The file with the job's secrets, until the job has read it.
        secrets: Option<PathBuf>,
    },
}

impl JobState {
    /// The state of a job that this process owns.
    #[must_use]
    pub fn of_this_process(job: JobId, out: &Path, started: String) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            job,
            owner: own_id(),
            boot: boot_id(),
            out: out.to_owned(),
            started,
            holds: Vec::new(),
        }
    }

    /// Whether the owner is still there. Without a known owner it counts as dead.
    #[must_use]
    pub fn owner_is_alive(&self) -> bool {
        self.boot == boot_id() && self.owner.is_some_and(is_alive)
    }
}

/// The folder of state files: it must outlive a reboot, and be the same for every job of this user on this node.
#[derive(Debug, Clone)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// `IMAX_STATE_DIR`, or `imax/jobs` below `XDG_STATE_HOME`, `~/.local/state`, or `/var/tmp/imax-<uid>`.
    #[must_use]
    pub fn from_environment() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = path("IMAX_STATE_DIR")
            .or_else(|| path("XDG_STATE_HOME").map(|state| state.join("imax/jobs")))
            .or_else(|| path("HOME").map(|home| home.join(".local/state/imax/jobs")))
            .unwrap_or_else(|| PathBuf::from(format!("/var/tmp/imax-{}/jobs", own_user())));
        Self(folder)
    }

    /// A given folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Writes a job's state.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn write(&self, state: &JobState) -> Result<(), FileError> {
        files::write_json(&self.path(&state.job), state)
    }

    /// Forgets a job. One that was never written is forgotten already.
    pub fn forget(&self, job: &JobId) {
        let _ = std::fs::remove_file(self.path(job));
    }

    /// All jobs that have a state. A file that is not one is passed over: it is not ours to remove.
    #[must_use]
    pub fn all(&self) -> Vec<JobState> {
        let Ok(entries) = std::fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let read = |entry: std::fs::DirEntry| {
            let path = entry.path();
            let is_ours = path.extension().is_some_and(|extension| extension == "json");
            let state: JobState = serde_json::from_slice(&files::read(&path).ok().filter(|_| is_ours)?).ok()?;
            (state.schema == SCHEMA && self.path(&state.job) == path).then_some(state)
        };
        let mut states: Vec<JobState> = entries.flatten().filter_map(read).collect();
        states.sort_by(|a, b| a.started.cmp(&b.started));
        states
    }

    /// A file beside the states that jobs lock while they do what only one of them should do at a time, such as pulling an
    /// image. It is made where it is missing and never removed: a lock on a removed file would hold nobody back.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn lock_file(&self, name: &str) -> std::io::Result<std::fs::File> {
        use sha2::{Digest as _, Sha256};
        let mut digest = hex::encode(Sha256::digest(name));
        digest.truncate(32);
        let folder = self.0.join("locks");
        std::fs::create_dir_all(&folder)?;
        std::fs::File::options().create(true).append(true).open(folder.join(digest))
    }

    fn path(&self, job: &JobId) -> PathBuf {
        self.0.join(format!("{job}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_found_until_forgotten_and_strangers_files_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let states = StateFolder::at(folder.path().join("jobs"));
        let job = JobId::from_unique(9);
        let mut state = JobState::of_this_process(job.clone(), Path::new("/out"), "2026-01-01T00:00:00Z".to_owned());
        states.write(&state).unwrap();
        files::write(&folder.path().join("jobs/notes.json"), b"{}").unwrap();
        assert_eq!(states.all(), [state.clone()]);
        assert!(state.owner_is_alive());
        state.boot = "another boot".to_owned();
        assert!(!state.owner_is_alive());
        states.forget(&job);
        assert!(states.all().is_empty());
        assert!(folder.path().join("jobs/notes.json").exists());
    }
}
