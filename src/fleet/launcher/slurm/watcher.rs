//! Follows a job of Slurm in a task of its own. Slurm has no events, so it is asked now and then; whoever waits for the job gets what
//! is new as an event.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

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

/// Where a job runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// Its nodes, as Slurm shortens a list of them.
    pub nodes: String,
    /// The name of each.
    pub names: Vec<String>,
    /// The address of the node of its script.
    pub address: String,
}

/// What was seen last.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// It waits in the queue, and why.
    Waiting(String),
    /// It runs.
    Running(Place),
    /// It has ended.
    Ended(End),
    /// It is of no more use, but still there: it may go on, and hold its nodes, when nobody owns it any more.
    Unusable(JobFailure),
    /// The controller has not been reached for too long.
    Lost(String),
}

/// What is known of a job.
#[derive(Debug)]
struct Known {
    seen: Seen,
    /// Where it ran last, also when it runs no more.
    place: Option<Place>,
}

/// The task, and what it saw.
#[derive(Debug)]
pub(super) struct Watcher {
    known: watch::Receiver<Known>,
    stop: Cancellation,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Begins to follow a job.
    pub fn start(cluster: Cluster, job: u64) -> Self {
        let seen = Seen::Waiting("it was just submitted".to_owned());
        let (sender, known) = watch::channel(Known { seen, place: None });
        let stop = Cancellation::new();
        let follower = Follower {
            cluster,
            job,
            known: sender,
            stop: stop.clone(),
        };
        let task = tokio::spawn(follower.follow());
        Self { known, stop, task }
    }

    /// What was seen last.
    pub fn seen(&self) -> Seen {
        self.known.borrow().seen.clone()
    }

    /// Where the job runs, or ran last.
    pub fn place(&self) -> Place {
        self.known.borrow().place.clone().unwrap_or_default()
    }

    /// Resolves when what was seen is something that is waited for.
    pub async fn seen_as(&self, is_wanted: impl Fn(&Seen) -> bool + Send) -> Seen {
        let mut known = self.known.clone();
        match known.wait_for(|known| is_wanted(&known.seen)).await {
            Ok(known) => known.seen.clone(),
            Err(_) => Seen::Lost("it is not watched any more".to_owned()),
        }
    }

    /// Ends the task.
    pub async fn end(&mut self) {
        self.stop.cancel(CancelCause::Abandoned);
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    cluster: Cluster,
    job: u64,
    known: watch::Sender<Known>,
    stop: Cancellation,
}

impl Follower {
    async fn follow(self) {
        let begun = Instant::now();
        let mut away_since: Option<Instant> = None;
        loop {
            match self.look().await {
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
            if timeout(pause, self.stop.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    fn note(&self, seen: Seen) {
        self.known.send_modify(|known| {
            if let Seen::Running(place) = &seen {
                known.place = Some(place.clone());
            }
            known.seen = seen;
        });
    }

    async fn look(&self) -> Result<Seen, SlurmError> {
        let Some(view) = self.cluster.look(self.job, &self.stop).await? else {
            return self.ended(None).await;
        };
        match view.state {
            SlurmState::Pending => Ok(Seen::Waiting(or_unknown(view.reason))),
            SlurmState::Configuring => Ok(Seen::Waiting(format!("{} is being made ready", view.nodes))),
            SlurmState::Running | SlurmState::Completing => Ok(self.running(view).await),
            SlurmState::Suspended
            | SlurmState::Completed
            | SlurmState::Failed
            | SlurmState::Cancelled
            | SlurmState::Timeout
            | SlurmState::NodeFail
            | SlurmState::Preempted
            | SlurmState::OutOfMemory => self.ended(Some(view)).await,
        }
    }

    async fn running(&self, view: JobView) -> Seen {
        let known = match &self.known.borrow().seen {
            Seen::Running(place) => Some(place.clone()),
            Seen::Waiting(_) | Seen::Ended(_) | Seen::Unusable(_) | Seen::Lost(_) => None,
        };
        let nodes = view.nodes;
        Seen::Running(match known {
            Some(place) => Place { nodes, ..place },
            None => Place {
                names: self.cluster.names(&nodes, &self.stop).await,
                address: self.cluster.address(&view.batch_host, &self.stop).await,
                nodes,
            },
        })
    }

    /// The queue has states but no exit status, so the rest is asked for elsewhere.
    async fn ended(&self, queue: Option<JobView>) -> Result<Seen, SlurmError> {
        let view = match queue {
            Some(view) if view.exit.is_some() || !needs_exit(view.state) => Some(view),
            queue => self.cluster.post_mortem(self.job, &self.stop).await?.or(queue),
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
            self.cluster.canceller(self.job, &self.stop).await
        } else {
            None
        };
        Ok(match end_of(self.job, &view, canceller.as_deref()) {
            Some(End::Failed(failure)) if !view.state.is_over() => Seen::Unusable(failure),
            Some(end) => Seen::Ended(end),
            None => self.running(view).await,
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
