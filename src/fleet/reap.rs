//! Clean-up after jobs whose `imax run` died by SIGKILL, a crash or a reboot. Only what carries the id of one of this user's jobs
//! is touched, and only if that job's owner is known to be dead.

use std::time::{Duration, Instant};

use crate::fleet::job_state::{Holding, JobState, Owner, StateFolder};
use crate::system::cancellation::Cancellation;
use crate::system::process::{marked_processes, stop_members_async};

/// Time between SIGTERM and SIGKILL for a leftover process.
const GRACE: Duration = Duration::from_secs(5);
/// Time for it to end after SIGKILL.
const LIMIT: Duration = Duration::from_secs(5);
/// How long after a request without an answer a scheduler may still carry it out: tools and controllers time out earlier.
const LATE_ANSWER: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// Result of the clean-up after one dead job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    pub state: JobState,
    /// What was stopped or removed, for people.
    pub removed: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
    /// Resources that an unanswered request may still create.
    pub awaited: Vec<String>,
}

impl Reaped {
    /// Whether nothing is left and nothing may appear. Otherwise the state is kept for a later attempt.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.left.is_empty() && self.awaited.is_empty()
    }
}

/// Stops everything left by dead jobs of this machine, and of machines that are known to be gone. A job whose clean-up is not
/// finished keeps its state for a later attempt; so does one not reached before a signal or the deadline.
pub async fn reap_dead_jobs(states: &StateFolder, gone: &[String], cancellation: &Cancellation, until: Instant) -> Vec<Reaped> {
    let mut done = Vec::new();
    for state in states.all().into_iter().filter(|state| match state.owner() {
        Owner::Dead => true,
        Owner::Alive => false,
        Owner::Elsewhere => is_of(state, gone),
    }) {
        let reaped = reap_job(state, cancellation, until).await;
        if reaped.is_finished() {
            states.forget(&reaped.state.job);
        }
        done.push(reaped);
    }
    done
}

/// The jobs of other machines, which are left alone.
#[must_use]
pub fn jobs_elsewhere(states: &StateFolder, gone: &[String]) -> Vec<JobState> {
    states
        .all()
        .into_iter()
        .filter(|state| state.owner() == Owner::Elsewhere && !is_of(state, gone))
        .collect()
}

fn is_of(state: &JobState, machines: &[String]) -> bool {
    machines.contains(&state.machine.name)
}

/// Stops everything left by one job. A signal interrupts it.
pub async fn reap_job(state: JobState, cancellation: &Cancellation, until: Instant) -> Reaped {
    let (removed, left) = stop_processes(&state, cancellation, until).await;
    let mut reaped = Reaped {
        removed,
        left,
        awaited: Vec::new(),
        state,
    };
    for holding in &reaped.state.holds {
        match crate::fleet::launcher::remove(holding, &reaped.state.job, cancellation, until).await {
            Ok(true) => reaped.removed.push(holding.what.clone()),
            Ok(false) if may_still_appear(&reaped.state, holding) => reaped.awaited.push(holding.what.clone()),
            Ok(false) => {}
            Err(error) => reaped.left.push(format!("{}: {error}", holding.what)),
        }
    }
    reaped
}

/// Returns what was stopped, and what is still there.
async fn stop_processes(state: &JobState, cancellation: &Cancellation, until: Instant) -> (Vec<String>, Vec<String>) {
    let time = until.saturating_duration_since(Instant::now());
    if cancellation.is_cancelled() || time.is_zero() {
        return (Vec::new(), vec!["its processes: no time left to search for them".to_owned()]);
    }
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
    let report = stop_members_async(&mut members, GRACE.min(time / 2), LIMIT.min(time / 2), cancellation).await;
    let left = report.left.iter().map(|process| format!("process {process} does not end"));
    (seen, left.collect())
}

/// Whether an absent holding may still appear, because a request for it had no answer.
fn may_still_appear(state: &JobState, holding: &Holding) -> bool {
    let asked = state
        .asked
        .as_deref()
        .and_then(|time| chrono::DateTime::parse_from_rfc3339(time).ok());
    holding.may_come_late && asked.is_some_and(|asked| chrono::Utc::now().signed_duration_since(asked) < LATE_ANSWER)
}
