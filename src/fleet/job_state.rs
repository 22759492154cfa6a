//! State on disk: one small file for each job that may have something running, written before the job starts
//! anything and removed when all of it is stopped. A file whose owner is dead is the list of what is to be cleaned up.
//! Home folders are often shared, so a file says which machine its owner is on: no other machine can see whether it still runs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::JobId;
use crate::system::files::{self, FileError};
use crate::system::host::{Machine, machine, own_user};
use crate::system::process::{ProcessId, boot_id, is_alive, own_id};

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
    /// The machine that the owner is on.
    pub machine: Machine,
    /// The boot of the machine in which the owner started.
    pub boot: String,
    /// Where the job's files go.
    pub out: PathBuf,
    /// When it began, RFC 3339.
    pub started: String,
    /// What it started, beside processes that carry the job's mark.
    pub holds: Vec<Holding>,
    /// Since when a request of the launcher waits for its answer, RFC 3339: until then a holding may appear.
    pub asked: Option<String>,
    /// The profile's post-hooks, which are to run when all of this is stopped.
    pub hooks_owed: Vec<String>,
}

/// Something outside of this machine's processes that outlives `imax run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Name of the launcher that made it.
    pub launcher: String,
    /// What it is, for people: `container imax-1`.
    pub what: String,
    /// How the launcher finds it; no other code reads this.
    pub data: Value,
    /// Whether it may appear after a request for it that had no answer.
    pub may_come_late: bool,
}

impl JobState {
    /// The state of a job that this process owns.
    #[must_use]
    pub fn of_this_process(job: JobId, out: &Path, started: String) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            job,
            owner: own_id(),
            machine: machine(),
            boot: boot_id(),
            out: out.to_owned(),
            started,
            holds: Vec::new(),
            asked: None,
            hooks_owed: Vec::new(),
        }
    }

    /// The state of the owner. On this machine, one from before the last boot is dead, and so is one whose process is not known.
    #[must_use]
    pub fn owner(&self) -> Owner {
        if self.machine != machine() {
            Owner::Elsewhere
        } else if self.boot == boot_id() && self.owner.is_some_and(is_alive) {
            Owner::Alive
        } else {
            Owner::Dead
        }
    }
}

/// What has become of the `imax run` that owns a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It runs on this machine.
    Alive,
    /// It was on this machine and is not any more.
    Dead,
    /// It is on another machine, which alone can tell.
    Elsewhere,
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
        let state = JobState::of_this_process(job.clone(), Path::new("/out"), "2026-01-01T00:00:00Z".to_owned());
        states.write(&state).unwrap();
        files::write(&folder.path().join("jobs/notes.json"), b"{}").unwrap();
        assert_eq!(states.all(), [state]);
        states.forget(&job);
        assert!(states.all().is_empty());
        assert!(folder.path().join("jobs/notes.json").exists());
    }

    #[test]
    fn only_the_owners_machine_knows_whether_it_is_alive() {
        let mine = JobState::of_this_process(JobId::from_unique(9), Path::new("/out"), "2026-01-01T00:00:00Z".to_owned());
        let renamed = Machine {
            name: "other".to_owned(),
            ..machine()
        };
        let cloned = Machine {
            id: Some("0123456789abcdef".to_owned()),
            ..machine()
        };
        let gone = mine.owner.map(|owner| ProcessId {
            start: owner.start + 1,
            ..owner
        });
        let boot = boot_id();
        for (machine, boot, owner, expected) in [
            (machine(), boot.as_str(), mine.owner, Owner::Alive),
            (machine(), &boot, gone, Owner::Dead),
            (machine(), &boot, None, Owner::Dead),
            // After a reboot the number may be another process's.
            (machine(), "another boot", mine.owner, Owner::Dead),
            (renamed, &boot, gone, Owner::Elsewhere),
            (cloned.clone(), &boot, gone, Owner::Elsewhere),
            (cloned, "another boot", gone, Owner::Elsewhere),
        ] {
            let state = JobState {
                machine: machine.clone(),
                boot: boot.to_owned(),
                owner,
                ..mine.clone()
            };
            assert_eq!(state.owner(), expected, "{machine:?} {boot} {owner:?}");
        }
    }
}
