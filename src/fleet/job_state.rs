//! Job state on disk: one small file for each job that may have something running, written before the job starts
//! anything and removed when all of it is stopped. A file whose owner is dead lists what has to be cleaned up.
//! Home folders are often shared, so a file names the machine of its owner: no other machine can tell whether it still runs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::JobId;
use crate::system::environment;
use crate::system::files::{self, FileError};
use crate::system::host::{Machine, machine, own_user};
use crate::system::process::{ProcessId, boot_id, is_alive, own_id};

/// The format of a state file.
const SCHEMA: &str = "imax-job-state/1";

/// What a job may have running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    pub schema: String,
    pub job: JobId,
    /// The `imax run` process that owns it.
    pub owner: Option<ProcessId>,
    pub machine: Machine,
    /// Boot id of the machine when the owner started.
    pub boot: String,
    /// Output folder of the job.
    pub out: PathBuf,
    /// Start, RFC 3339.
    pub started: String,
    /// Resources besides the processes that carry the job's mark.
    pub holds: Vec<Holding>,
    /// Since when a launcher request has been unanswered, RFC 3339: until it is answered, a holding may appear.
    pub asked: Option<String>,
    /// The profile's post-hooks, to be run after everything was stopped.
    pub hooks_owed: Vec<String>,
}

/// A resource other than a process of this machine that can outlive `imax run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Name of the launcher that made it.
    pub launcher: String,
    /// Description for people: `container imax-1`.
    pub what: String,
    /// Data by which the launcher finds it; no other code reads this.
    pub data: Value,
    /// Whether it may appear late, after a request that had no answer.
    pub may_come_late: bool,
}

impl JobState {
    /// The state of a job owned by this process.
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

    /// The state of the owner. On this machine, an owner from before the last boot is dead, and so is one whose process does not exist.
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

/// State of the `imax run` process that owns a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Alive,
    /// It was on this machine and has ended.
    Dead,
    /// It is on another machine, which alone can tell.
    Elsewhere,
}

/// The folder of state files: it must survive a reboot, and be the same for every job of this user on this node.
#[derive(Debug, Clone)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// `IMAX_STATE_DIR`, or `imax/jobs` below `XDG_STATE_HOME`, `~/.local/state`, or `/var/tmp/imax-<uid>`.
    #[must_use]
    pub fn from_environment() -> Self {
        let folder = environment::path("IMAX_STATE_DIR")
            .or_else(|| environment::path("XDG_STATE_HOME").map(|state| state.join("imax/jobs")))
            .or_else(|| environment::path("HOME").map(|home| home.join(".local/state/imax/jobs")))
            .unwrap_or_else(|| PathBuf::from(format!("/var/tmp/imax-{}/jobs", own_user())));
        Self(folder)
    }

    #[cfg(test)]
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The file of a job's state, which exists while the job runs.
    #[must_use]
    pub fn file(&self, job: &JobId) -> PathBuf {
        self.path(job)
    }

    /// Writes a job's state.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write(&self, state: &JobState) -> Result<(), FileError> {
        files::write_json(&self.path(&state.job), state)
    }

    /// Removes a job's state; does nothing if there is none.
    pub fn forget(&self, job: &JobId) {
        let _ = std::fs::remove_file(self.path(job));
    }

    /// The states of all jobs. Other files in the folder are ignored.
    #[must_use]
    pub fn all(&self) -> Vec<JobState> {
        let Ok(entries) = std::fs::read_dir(&self.0) else {
            return Vec::new();
        };
        let mut states: Vec<JobState> = entries
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                let is_ours = path.extension().is_some_and(|extension| extension == "json");
                let state: JobState = serde_json::from_slice(&files::read(&path).ok().filter(|_| is_ours)?).ok()?;
                (state.schema == SCHEMA && self.path(&state.job) == path).then_some(state)
            })
            .collect();
        states.sort_by(|a, b| a.started.cmp(&b.started));
        states
    }

    /// A file next to the states that jobs lock for what only one of them should do at a time, such as pulling an image.
    /// It is created if missing and never removed: a lock on a removed file would exclude no other process.
    ///
    /// # Errors
    /// If it cannot be created.
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
    fn states_are_found_until_removed_and_other_files_are_left() {
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
    fn only_the_owners_machine_can_tell_whether_it_runs() {
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
            // After a reboot the process id may belong to another process.
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
