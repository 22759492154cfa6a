//! A submitted job as an engine: its turn in the queue, its end, its stop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::verdict::End;
use super::watcher::{Seen, Watcher};
use super::{SCRIPT_END, SlurmError};
use crate::fleet::launcher::{Engine, LaunchError, Turn};
use crate::system::cancellation::Cancellation;
use crate::system::process::{Ending, StopReport};

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
    pub host: String,
    pub nodes: String,
    pub names: Vec<String>,
    pub image: Option<String>,
    pub gone: bool,
}

impl Batch {
    fn learn(&mut self, nodes: String, names: Vec<String>, address: String) {
        self.nodes = nodes;
        self.names = names;
        self.host = address;
    }

    /// Whether the job is out of the queue. Where the controller does not say, it counts as there.
    fn is_gone(&self) -> Result<bool, SlurmError> {
        let jobs = self.cluster.named(&self.name, ANSWER, &Cancellation::new())?;
        Ok(!jobs.iter().any(|job| job.number == self.number))
    }

    fn await_gone(&self, until: Instant, hurry: &dyn Fn() -> bool) -> Result<bool, SlurmError> {
        loop {
            if self.is_gone()? {
                return Ok(true);
            }
            if Instant::now() >= until || hurry() {
                return Ok(false);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn stop_job(&self, grace: Duration, limit: Duration, hurry: &dyn Fn() -> bool, report: &mut StopReport) -> Result<bool, SlurmError> {
        let never = Cancellation::new();
        // One that waits, or is suspended.
        let takes_no_signal = matches!(self.watcher.seen(), Seen::Waiting(_) | Seen::Unusable(_));
        let polite_until = Instant::now() + grace;
        let told = if takes_no_signal {
            // A job that runs by now is ended all the same.
            self.cluster.cancel(self.number, grace.max(ANSWER), &never)
        } else {
            // Slurm's own way from SIGTERM to SIGKILL takes as long as the site's KillWait says.
            self.cluster.terminate(self.number, grace.max(ANSWER), &never)
        };
        match self.await_gone(polite_until, hurry) {
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
        let _ = self.cluster.kill(self.number, left(), &never);
        // A job on one node needs no step for that.
        if self.names.len() > 1 && self.await_gone(killed + SCRIPT_END, &|| false).unwrap_or(false) {
            return Ok(true);
        }
        let _ = self.cluster.cancel(self.number, left(), &never);
        // A slow queue is waited for: whoever is in a hurry still wants to know that the job is gone.
        self.await_gone(last_moment + SLOW_QUEUE, &|| false)
    }

    fn forget_secrets(&mut self) {
        if let Some(path) = self.secrets.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Engine for Batch {
    fn turn(&mut self) -> Turn {
        match self.watcher.seen() {
            Seen::Waiting(reason) => Turn::Waits {
                what: format!("slurm job {}", self.number),
                reason,
            },
            Seen::Running { nodes, names, address } => {
                self.learn(nodes, names, address);
                Turn::Come {
                    place: format!("slurm job {} runs on {}", self.number, self.nodes),
                }
            }
            Seen::Ended(_) | Seen::Unusable(_) | Seen::Lost(_) => Turn::Come {
                place: format!("slurm job {} is over", self.number),
            },
        }
    }

    fn poll(&mut self) -> Result<Option<Ending>, LaunchError> {
        match self.watcher.seen() {
            Seen::Waiting(_) => Ok(None),
            Seen::Running { nodes, names, address } => {
                self.learn(nodes, names, address);
                Ok(None)
            }
            Seen::Ended(End::Exited(status)) => Ok(Some(Ending::Exited(status))),
            Seen::Ended(End::Signalled(signal)) => Ok(Some(Ending::Signalled(signal))),
            Seen::Ended(End::Failed(failure)) | Seen::Unusable(failure) => Err(LaunchError::Explained(failure)),
            Seen::Lost(problem) => Err(SlurmError::Lost {
                number: self.number,
                problem,
            }
            .into()),
        }
    }

    fn stop(&mut self, grace: Duration, limit: Duration, hurry: &dyn Fn() -> bool) -> StopReport {
        let mut report = StopReport::default();
        let over = matches!(self.watcher.seen(), Seen::Ended(_));
        self.watcher.end();
        let name = format!("slurm job {}", self.number);
        let stopped = if over {
            Ok(true)
        } else {
            self.stop_job(grace, limit, hurry, &mut report)
        };
        match stopped {
            Ok(true) => self.gone = true,
            Ok(false) => report.left.push(format!("{name}: still in the queue")),
            Err(error) => report.left.push(format!("{name}: {error}")),
        }
        self.forget_secrets();
        report
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn nodes(&self) -> &[String] {
        &self.names
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let number = self.number.to_string();
        let facts = [
            ("slurm_job_id", Some(&number)),
            ("slurm_nodes", Some(&self.nodes)),
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
            let _ = self.stop(Duration::ZERO, Duration::from_secs(2), &|| true);
        }
    }
}
