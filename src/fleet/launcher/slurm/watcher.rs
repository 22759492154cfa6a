//! Follows a Slurm job in its own task. Slurm has no events, so it is polled, and changes are published
//! as events to those who wait for the job.

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

/// Polling interval.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Polling interval for a job older than [`YOUNG`], to spare the controller.
const SLOW_POLL_INTERVAL: Duration = Duration::from_secs(3);
const YOUNG: Duration = Duration::from_secs(60);
/// How long the controller may be unreachable before the job counts as lost: restarting it ends no job.
const CONTROLLER_TIMEOUT: Duration = Duration::from_secs(300);

/// Nodes of a running job.
#[derive(Debug, Clone, Default)]
pub(super) struct JobNodes {
    /// Slurm host list.
    pub nodes: String,
    /// Their names.
    pub names: Vec<String>,
    /// The address of the node that runs the script.
    pub address: String,
}

/// State of the job at the last poll.
#[derive(Debug, Clone)]
pub(super) enum JobStatus {
    /// It waits in the queue, for this reason.
    Waiting(String),
    Running(JobNodes),
    Ended(End),
    /// It is unusable but still there: it may resume, and hold its nodes, unless it is cancelled.
    Unusable(JobFailure),
    /// The controller has been unreachable for too long.
    Lost(String),
}

#[derive(Debug)]
struct Snapshot {
    status: JobStatus,
    /// Where it ran last, kept after its end.
    nodes: Option<JobNodes>,
}

/// The polling task, and its results.
#[derive(Debug)]
pub(super) struct Watcher {
    known: watch::Receiver<Snapshot>,
    cancellation: Cancellation,
    task: JoinHandle<()>,
}

impl Watcher {
    pub fn start(cluster: Cluster, job: u64) -> Self {
        let status = JobStatus::Waiting("just submitted".to_owned());
        let (sender, known) = watch::channel(Snapshot { status, nodes: None });
        let cancellation = Cancellation::new();
        let follower = Follower {
            cluster,
            job,
            known: sender,
            cancellation: cancellation.clone(),
        };
        let task = tokio::spawn(follower.follow());
        Self { known, cancellation, task }
    }

    /// The state at the last poll.
    pub fn status(&self) -> JobStatus {
        self.known.borrow().status.clone()
    }

    /// Where the job runs, or ran last.
    pub fn nodes(&self) -> JobNodes {
        self.known.borrow().nodes.clone().unwrap_or_default()
    }

    /// Resolves when the state satisfies `is_wanted`.
    pub async fn wait_for(&self, is_wanted: impl Fn(&JobStatus) -> bool + Send) -> JobStatus {
        let mut known = self.known.clone();
        match known.wait_for(|known| is_wanted(&known.status)).await {
            Ok(known) => known.status.clone(),
            Err(_) => JobStatus::Lost("the task that watches it has ended".to_owned()),
        }
    }

    pub async fn end(&mut self) {
        self.cancellation.cancel(CancelCause::Abandoned);
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
    known: watch::Sender<Snapshot>,
    cancellation: Cancellation,
}

impl Follower {
    async fn follow(self) {
        let begun = Instant::now();
        let mut away_since: Option<Instant> = None;
        loop {
            match self.look().await {
                Ok(status) => {
                    away_since = None;
                    let is_last = matches!(status, JobStatus::Ended(_) | JobStatus::Unusable(_));
                    self.note(status);
                    if is_last {
                        return;
                    }
                }
                Err(error) => {
                    let since = *away_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= CONTROLLER_TIMEOUT {
                        return self.note(JobStatus::Lost(error.to_string()));
                    }
                }
            }
            let pause = if begun.elapsed() < YOUNG {
                POLL_INTERVAL
            } else {
                SLOW_POLL_INTERVAL
            };
            if timeout(pause, self.cancellation.cancelled()).await.is_ok() {
                return;
            }
        }
    }

    fn note(&self, status: JobStatus) {
        self.known.send_modify(|known| {
            if let JobStatus::Running(nodes) = &status {
                known.nodes = Some(nodes.clone());
            }
            known.status = status;
        });
    }

    async fn look(&self) -> Result<JobStatus, SlurmError> {
        let Some(view) = self.cluster.look(self.job, &self.cancellation).await? else {
            return self.ended(None).await;
        };
        match view.state {
            SlurmState::Pending => Ok(JobStatus::Waiting(or_unknown(view.reason))),
            SlurmState::Configuring => Ok(JobStatus::Waiting(format!("{} is being configured", view.nodes))),
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

    async fn running(&self, view: JobView) -> JobStatus {
        let known = match &self.known.borrow().status {
            JobStatus::Running(nodes) => Some(nodes.clone()),
            JobStatus::Waiting(_) | JobStatus::Ended(_) | JobStatus::Unusable(_) | JobStatus::Lost(_) => None,
        };
        let nodes = view.nodes;
        JobStatus::Running(match known {
            Some(known) => JobNodes { nodes, ..known },
            None => JobNodes {
                names: self.cluster.names(&nodes, &self.cancellation).await,
                address: self.cluster.address(&view.batch_host, &self.cancellation).await,
                nodes,
            },
        })
    }

    /// The queue has states but no exit status, which comes from scontrol or accounting.
    async fn ended(&self, queue: Option<JobView>) -> Result<JobStatus, SlurmError> {
        let view = match queue {
            Some(view) if view.exit.is_some() || !needs_exit(view.state) => Some(view),
            queue => self.cluster.post_mortem(self.job, &self.cancellation).await?.or(queue),
        };
        let Some(view) = view else {
            let reason = format!(
                "slurm has forgotten job {}, so its exit status is unknown; enable accounting, or a longer MinJobAge",
                self.job
            );
            return Ok(JobStatus::Ended(End::Failed(JobFailure::new(FailureClass::Infra, reason))));
        };
        let is_cancelled = view.state == SlurmState::Cancelled;
        let canceller = if is_cancelled {
            self.cluster.canceller(self.job, &self.cancellation).await
        } else {
            None
        };
        Ok(match end_of(self.job, &view, canceller.as_deref()) {
            Some(End::Failed(failure)) if !view.state.is_over() => JobStatus::Unusable(failure),
            Some(end) => JobStatus::Ended(end),
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
