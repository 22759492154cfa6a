//! Follows a job of Slurm in a thread of its own: squeue takes its time, and the engine is looked at twenty times a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::SlurmError;
use super::answer::{JobView, SlurmState};
use super::cluster::Cluster;
use super::verdict::{End, end_of};
use crate::job::{FailureClass, JobFailure};
use crate::system::cancellation::{CancelCause, Cancellation};

/// How often Slurm is asked.
const PAUSE: Duration = Duration::from_secs(1);
/// How often after the job has been there for a while: a controller serves many.
const LONG_PAUSE: Duration = Duration::from_secs(3);
/// When that is.
const A_WHILE: Duration = Duration::from_secs(60);
/// How long the controller may be away before the job counts as lost: a restart of it ends no job.
const AWAY: Duration = Duration::from_secs(300);

/// What was seen last.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// It waits in the queue, and why.
    Waiting(String),
    /// It runs.
    Running {
        /// Its nodes, as Slurm shortens a list of them.
        nodes: String,
        /// The name of each.
        names: Vec<String>,
        /// The address of the node of its script.
        address: String,
    },
    /// It has ended.
    Ended(End),
    /// It is of no more use, but still there: it may go on, and hold its nodes, when nobody owns it any more.
    Unusable(JobFailure),
    /// The controller has not been reached for too long.
    Lost(String),
}

/// The thread, and what it saw.
#[derive(Debug)]
pub(super) struct Watcher {
    seen: Arc<Mutex<Seen>>,
    stop: Cancellation,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Begins to follow a job.
    pub fn start(cluster: Cluster, job: u64) -> Self {
        let seen = Arc::new(Mutex::new(Seen::Waiting("it was just submitted".to_owned())));
        let stop = Cancellation::new();
        let follower = Follower {
            cluster,
            job,
            seen: Arc::clone(&seen),
            stop: stop.clone(),
        };
        Self {
            seen,
            stop,
            thread: Some(std::thread::spawn(move || follower.follow())),
        }
    }

    /// What was seen last.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the thread.
    pub fn end(&mut self) {
        self.stop.cancel(CancelCause::Abandoned);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}

struct Follower {
    cluster: Cluster,
    job: u64,
    seen: Arc<Mutex<Seen>>,
    stop: Cancellation,
}

impl Follower {
    fn follow(self) {
        let begun = Instant::now();
        let mut away_since: Option<Instant> = None;
        loop {
            match self.look() {
                Ok(seen) => {
                    away_since = None;
                    let is_last = matches!(seen, Seen::Ended(_) | Seen::Unusable(_));
                    self.note(seen);
                    if is_last {
                        return;
                    }
                }
                Err(error) => {
                    let since = *away_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= AWAY {
                        return self.note(Seen::Lost(error.to_string()));
                    }
                }
            }
            let pause = if begun.elapsed() < A_WHILE { PAUSE } else { LONG_PAUSE };
            if self.stop.wait_timeout(pause).is_some() {
                return;
            }
        }
    }

    fn note(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn look(&self) -> Result<Seen, SlurmError> {
        let Some(view) = self.cluster.look(self.job, &self.stop)? else {
            return self.ended(None);
        };
        match view.state {
            SlurmState::Pending => Ok(Seen::Waiting(or_unknown(view.reason))),
            SlurmState::Configuring => Ok(Seen::Waiting(format!("{} is being made ready", view.nodes))),
            SlurmState::Running | SlurmState::Completing => Ok(self.running(view)),
            SlurmState::Suspended
            | SlurmState::Completed
            | SlurmState::Failed
            | SlurmState::Cancelled
            | SlurmState::Timeout
            | SlurmState::NodeFail
            | SlurmState::Preempted
            | SlurmState::OutOfMemory => self.ended(Some(view)),
        }
    }

    fn running(&self, view: JobView) -> Seen {
        let known = match &*self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            Seen::Running { address, names, .. } => Some((address.clone(), names.clone())),
            Seen::Waiting(_) | Seen::Ended(_) | Seen::Unusable(_) | Seen::Lost(_) => None,
        };
        let (address, names) = known.unwrap_or_else(|| {
            let address = self.cluster.address(&view.batch_host, &self.stop);
            (address, self.cluster.names(&view.nodes, &self.stop))
        });
        Seen::Running {
            nodes: view.nodes,
            names,
            address,
        }
    }

    /// The queue has states but no exit status, so the rest is asked for elsewhere.
    fn ended(&self, queue: Option<JobView>) -> Result<Seen, SlurmError> {
        let view = match queue {
            Some(view) if view.exit.is_some() || !needs_exit(view.state) => Some(view),
            queue => self.cluster.post_mortem(self.job, &self.stop)?.or(queue),
        };
        let Some(view) = view else {
            let reason = format!(
                "slurm has forgotten job {}, so its end is not known; keep accounting, or a longer MinJobAge",
                self.job
            );
            return Ok(Seen::Ended(End::Failed(JobFailure::new(FailureClass::Infra, reason))));
        };
        let is_cancelled = view.state == SlurmState::Cancelled;
        let canceller = if is_cancelled {
            self.cluster.canceller(self.job, &self.stop)
        } else {
            None
        };
        Ok(match end_of(self.job, &view, canceller.as_deref()) {
            Some(End::Failed(failure)) if !view.state.is_over() => Seen::Unusable(failure),
            Some(end) => Seen::Ended(end),
            None => self.running(view),
        })
    }
}

fn needs_exit(state: SlurmState) -> bool {
    match state {
        SlurmState::Failed => true,
        SlurmState::Pending
        | SlurmState::Configuring
        | SlurmState::Running
        | SlurmState::Suspended
        | SlurmState::Completing
        | SlurmState::Completed
        | SlurmState::Cancelled
        | SlurmState::Timeout
        | SlurmState::NodeFail
        | SlurmState::Preempted
        | SlurmState::OutOfMemory => false,
    }
}

fn or_unknown(reason: String) -> String {
    if reason.is_empty() {
        "no reason was given".to_owned()
    } else {
        reason
    }
}
