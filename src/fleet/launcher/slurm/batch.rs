//! A submitted Slurm job as an engine: its position in the queue, its end, its stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::verdict::End;
use super::watcher::{JobNodes, JobStatus, Watcher};
use super::{SCRIPT_END, SlurmError};
use crate::fleet::launcher::{Engine, LaunchError, QueueState};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::{Ending, StopReport};
use crate::system::runtime::block_on;

/// Polling interval while a job is being stopped.
const POLL_INTERVAL: Duration = Duration::from_millis(150);
/// Time that Slurm needs, beyond a process's end, to remove a killed job from its queue.
const QUEUE_LAG: Duration = Duration::from_millis(1500);
/// Extra time for that while the controller answers: better a late stop than a leaked job.
const SLOW_QUEUE: Duration = Duration::from_secs(6);
/// Timeout of the controller's answers while a job is being stopped.
const ANSWER: Duration = Duration::from_secs(3);

/// A submitted job. Dropping it cancels it.
pub(super) struct Batch {
    pub cluster: Cluster,
    pub number: u64,
    pub name: String,
    pub secrets: Option<PathBuf>,
    pub watcher: Watcher,
    pub image: Option<String>,
    pub gone: bool,
}

impl Batch {
    /// Whether the job has left the queue. Without an answer of the controller it counts as still there.
    async fn is_gone(&self) -> Result<bool, SlurmError> {
        let jobs = self.cluster.named(&self.name, ANSWER, &Cancellation::new()).await?;
        Ok(!jobs.iter().any(|job| job.number == self.number))
    }

    async fn await_gone(&self, until: Instant, hurry: &Cancellation) -> Result<bool, SlurmError> {
        loop {
            if self.is_gone().await? {
                return Ok(true);
            }
            if Instant::now() >= until || hurry.is_cancelled() {
                return Ok(false);
            }
            let _ = timeout(POLL_INTERVAL, hurry.cancelled()).await;
        }
    }

    async fn stop_job(&self, grace: Duration, limit: Duration, hurry: &Cancellation, report: &mut StopReport) -> Result<bool, SlurmError> {
        let never = Cancellation::new();
        // It is pending or suspended, so there is nothing to terminate.
        let takes_no_signal = matches!(self.watcher.status(), JobStatus::Waiting(_) | JobStatus::Unusable(_));
        let polite_until = Instant::now() + grace;
        let told = if takes_no_signal {
            // A job that has started in the meantime is cancelled as well.
            self.cluster.cancel(self.number, grace.max(ANSWER), &never).await
        } else {
            // Slurm's own way from SIGTERM to SIGKILL takes as long as the site's KillWait.
            self.cluster.terminate(self.number, grace.max(ANSWER), &never).await
        };
        match self.await_gone(polite_until, hurry).await {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            // Continue after one slow answer; without a controller there is nothing left to try.
            Err(error) if told.is_err() => return Err(error),
            Err(_) => {}
        }
        if !takes_no_signal {
            report.killed.push(format!("slurm job {}", self.number));
        }
        let killed = Instant::now();
        let last_moment = killed + limit + QUEUE_LAG;
        let left = || last_moment.saturating_duration_since(Instant::now());
        let _ = self.cluster.kill(self.number, left(), &never).await;
        // With one node there is no step that a cancelled job would take from the script.
        if self.nodes().len() > 1 && self.await_gone(killed + SCRIPT_END, &never).await.unwrap_or(false) {
            return Ok(true);
        }
        let _ = self.cluster.cancel(self.number, left(), &never).await;
        // Wait for a slow queue even when in a hurry: a second signal must not leave the job unconfirmed.
        self.await_gone(last_moment + SLOW_QUEUE, &never).await
    }

    async fn end(&mut self, grace: Duration, limit: Duration, hurry: &Cancellation) -> StopReport {
        let mut report = StopReport::default();
        let over = matches!(self.watcher.status(), JobStatus::Ended(_));
        self.watcher.end().await;
        let name = format!("slurm job {}", self.number);
        let stopped = if over {
            Ok(true)
        } else {
            self.stop_job(grace, limit, hurry, &mut report).await
        };
        match stopped {
            Ok(true) => self.gone = true,
            Ok(false) => report.left.push(format!("{name}: still in the queue")),
            Err(error) => report.left.push(format!("{name}: {error}")),
        }
        self.forget_secrets();
        report
    }

    fn lost(&self, problem: String) -> LaunchError {
        let number = self.number;
        SlurmError::Lost { number, problem }.into()
    }

    fn forget_secrets(&mut self) {
        if let Some(path) = self.secrets.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The position in the queue according to the watcher's last state.
fn queue_state_of(number: u64, status: &JobStatus) -> QueueState {
    match status {
        JobStatus::Waiting(reason) => QueueState::Waiting {
            what: format!("slurm job {number}"),
            reason: reason.clone(),
        },
        JobStatus::Running(JobNodes { nodes, .. }) => QueueState::Left {
            place: format!("slurm job {number} runs on {nodes}"),
        },
        JobStatus::Ended(_) | JobStatus::Unusable(_) | JobStatus::Lost(_) => QueueState::Left {
            place: format!("slurm job {number} is over"),
        },
    }
}

fn is_over(status: &JobStatus) -> bool {
    match status {
        JobStatus::Waiting(_) | JobStatus::Running(_) => false,
        JobStatus::Ended(_) | JobStatus::Unusable(_) | JobStatus::Lost(_) => true,
    }
}

impl Engine for Batch {
    fn queue_state(&self) -> QueueState {
        queue_state_of(self.number, &self.watcher.status())
    }

    fn queue_state_change<'a>(&'a self, known: &'a QueueState) -> BoxFuture<'a, QueueState> {
        Box::pin(async move {
            let is_new = |status: &JobStatus| !is_over(status) && queue_state_of(self.number, status) != *known;
            let status = self.watcher.wait_for(is_new).await;
            if is_over(&status) {
                // Waiters for the end are notified separately.
                return std::future::pending().await;
            }
            queue_state_of(self.number, &status)
        })
    }

    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>> {
        Box::pin(async {
            match self.watcher.wait_for(is_over).await {
                JobStatus::Ended(End::Exited(status)) => Ok(Ending::Exited(status)),
                JobStatus::Ended(End::Signalled(signal)) => Ok(Ending::Signalled(signal)),
                JobStatus::Ended(End::Failed(failure)) | JobStatus::Unusable(failure) => Err(LaunchError::Explained(failure)),
                JobStatus::Lost(problem) => Err(self.lost(problem)),
                JobStatus::Waiting(reason) => Err(self.lost(reason)),
                JobStatus::Running(place) => Err(self.lost(place.nodes)),
            }
        })
    }

    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport> {
        Box::pin(self.end(grace, limit, hurry))
    }

    fn host(&self) -> String {
        self.watcher.nodes().address
    }

    fn nodes(&self) -> Vec<String> {
        self.watcher.nodes().names
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let number = self.number.to_string();
        let JobNodes { nodes, .. } = self.watcher.nodes();
        let facts = [
            ("slurm_job_id", Some(&number)),
            ("slurm_nodes", Some(&nodes)),
            ("container_image", self.image.as_ref()),
        ];
        let known = facts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
        known.filter(|(_, value)| !value.is_empty()).collect()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.gone {
            let hurry = Cancellation::new();
            hurry.cancel(CancelCause::Abandoned);
            let _ = block_on(self.end(Duration::ZERO, Duration::from_secs(2), &hurry));
        }
    }
}
