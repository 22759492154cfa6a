//! Cleaning up after jobs whose `imax run` died: by SIGKILL, a crash or a reboot. Only what carries the id of a job of
//! ours, and only where that job's owner is dead, is touched.

use std::time::Duration;

use super::job_state::{Holding, JobState, StateFolder};
use super::process::{marked_processes, stop_members};

/// How long a leftover process has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long it has to go after SIGKILL.
const LIMIT: Duration = Duration::from_secs(5);

/// What was done about one dead job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    /// The job's state.
    pub state: JobState,
    /// What was stopped or removed, for people.
    pub removed: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
}

/// Stops everything that dead jobs left. A job of which something is left keeps its state, for a later try.
#[must_use]
pub fn reap_dead_jobs(states: &StateFolder) -> Vec<Reaped> {
    let dead = states.all().into_iter().filter(|state| !state.owner_is_alive());
    dead.map(|state| reap_job(states, state)).collect()
}

/// Stops everything that one job left. It keeps its state where something is still there.
#[must_use]
pub fn reap_job(states: &StateFolder, state: JobState) -> Reaped {
    let reaped = reap(state);
    if reaped.left.is_empty() {
        states.forget(&reaped.state.job);
    }
    reaped
}

fn reap(state: JobState) -> Reaped {
    let mut seen = Vec::new();
    let mut members = || {
        let found = marked_processes(state.job.as_str());
        for process in &found {
            let name = format!("process {} ({})", process.name, process.id.pid);
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        found
    };
    let report = stop_members(&mut members, GRACE, LIMIT, &|| false);
    let mut left: Vec<String> = report
        .left
        .iter()
        .map(|process| format!("process {process} does not end"))
        .collect();
    let mut removed: Vec<String> = seen;
    for holding in &state.holds {
        match super::launcher::remove(holding, &state.job) {
            Ok(true) => removed.push(describe(holding)),
            Ok(false) => {}
            Err(error) => left.push(format!("{}: {error}", describe(holding))),
        }
    }
    Reaped { state, removed, left }
}

fn describe(holding: &Holding) -> String {
    match holding {
        Holding::Container { name, .. } => format!("container {name}"),
        Holding::SlurmJob { name, .. } => format!("slurm job {name}"),
    }
}
