//! A submitted job as an engine: its turn in the queue, its end, its stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::verdict::End;
use super::watcher::{Place, Seen, Watcher};
use super::{SCRIPT_END, SlurmError};
use crate::fleet::launcher::{Engine, LaunchError, Turn};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::{Ending, StopReport};
use crate::system::runtime::block_on;

/// How often a job that is being stopped is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// What Slurm needs, beyond a process's own end, until a killed job is out of its queue.
const QUEUE_LAG: Duration = Duration::from_millis(1500);
/// How much longer that may take while the controller answers: a job that is gone late is better than one that is left.
const SLOW_QUEUE: Duration = Duration::from_secs(6);
/// How long the controller has to answer while a job is being stopped.
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
    /// Whether the job is out of the queue. Where the controller does not say, it counts as there.
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
            let _ = timeout(LOOK, hurry.cancelled()).await;
        }
    }

    async fn stop_job(&self, grace: Duration, limit: Duration, hurry: &Cancellation, report: &mut StopReport) -> Result<bool, SlurmError> {
        let never = Cancellation::new();
        // One that waits, or is suspended.
        let takes_no_signal = matches!(self.watcher.seen(), Seen::Waiting(_) | Seen::Unusable(_));
        let polite_until = Instant::now() + grace;
        let told = if takes_no_signal {
            // A job that runs by now is ended all the same.
            self.cluster.cancel(self.number, grace.max(ANSWER), &never).await
        } else {
            // Slurm's own way from SIGTERM to SIGKILL takes as long as the site's KillWait says.
            self.cluster.terminate(self.number, grace.max(ANSWER), &never).await
        };
        match self.await_gone(polite_until, hurry).await {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            // One slow answer is no reason not to go on; where the controller is away, there is nothing that could be done.
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
        // A job on one node needs no step for that.
        if self.nodes().len() > 1 && self.await_gone(killed + SCRIPT_END, &never).await.unwrap_or(false) {
            return Ok(true);
        }
        let _ = self.cluster.cancel(self.number, left(), &never).await;
        // A slow queue is waited for: whoever is in a hurry still wants to know that the job is gone.
        self.await_gone(last_moment + SLOW_QUEUE, &never).await
    }

    async fn end(&mut self, grace: Duration, limit: Duration, hurry: &Cancellation) -> StopReport {
        let mut report = StopReport::default();
        let over = matches!(self.watcher.seen(), Seen::Ended(_));
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

/// Where a job is in the queue, of what was seen of it.
fn turn_of(number: u64, seen: &Seen) -> Turn {
    match seen {
        Seen::Waiting(reason) => Turn::Waits {
            what: format!("slurm job {number}"),
            reason: reason.clone(),
        },
        Seen::Running(Place { nodes, .. }) => Turn::Come {
            place: format!("slurm job {number} runs on {nodes}"),
        },
        Seen::Ended(_) | Seen::Unusable(_) | Seen::Lost(_) => Turn::Come {
            place: format!("slurm job {number} is over"),
        },
    }
}

fn is_over(seen: &Seen) -> bool {
    match seen {
        Seen::Waiting(_) | Seen::Running(_) => false,
        Seen::Ended(_) | Seen::Unusable(_) | Seen::Lost(_) => true,
    }
}

impl Engine for Batch {
    fn turn(&self) -> Turn {
        turn_of(self.number, &self.watcher.seen())
    }

    fn turn_after<'a>(&'a self, known: &'a Turn) -> BoxFuture<'a, Turn> {
        Box::pin(async move {
            let is_new = |seen: &Seen| !is_over(seen) && turn_of(self.number, seen) != *known;
            let seen = self.watcher.seen_as(is_new).await;
            if is_over(&seen) {
                // Who waits for the end hears of it.
                return std::future::pending().await;
            }
            turn_of(self.number, &seen)
        })
    }

    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>> {
        Box::pin(async {
            match self.watcher.seen_as(is_over).await {
                Seen::Ended(End::Exited(status)) => Ok(Ending::Exited(status)),
                Seen::Ended(End::Signalled(signal)) => Ok(Ending::Signalled(signal)),
                Seen::Ended(End::Failed(failure)) | Seen::Unusable(failure) => Err(LaunchError::Explained(failure)),
                Seen::Lost(problem) => Err(self.lost(problem)),
                Seen::Waiting(reason) => Err(self.lost(reason)),
                Seen::Running(place) => Err(self.lost(place.nodes)),
            }
        })
    }

    fn stop<'a>(&'a mut self, grace: Duration, limit: Duration, hurry: &'a Cancellation) -> BoxFuture<'a, StopReport> {
        Box::pin(self.end(grace, limit, hurry))
    }

    fn host(&self) -> String {
        self.watcher.place().address
    }

    fn nodes(&self) -> Vec<String> {
        self.watcher.place().names
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let number = self.number.to_string();
        let Place { nodes, .. } = self.watcher.place();
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
