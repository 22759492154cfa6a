//! Slurm jobs that a site's launch script submits under the name of the runner, as InferenceX's scripts do. Such an allocation outlives its
//! script (`salloc --no-shell`), and is known by user and name only. Before a script starts, no job may have the name; so every job that
//! has it afterwards was submitted by the script, and is cancelled with it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::SlurmError;
use super::answer::{NamedJob, SlurmState};
use super::cluster::Cluster;
use crate::fleet::job_state::{Owner, StateFolder};
use crate::fleet::launcher::{LaunchError, LaunchRequest, QueueState, Removal};
use crate::job::{FailureClass, JobFailure};
use crate::model::JobId;
use crate::system::cancellation::Cancellation;

/// Timeout of one question before the script starts and while it runs.
const QUESTION: Duration = Duration::from_secs(15);
/// How long jobs of an earlier run may take to end: Slurm gives their processes time, and epilogs take minutes.
const CLEARING: Duration = Duration::from_secs(600);
/// Pause between two looks at jobs that end.
const ENDING_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two looks at the queue while the script runs.
const QUEUE_INTERVAL: Duration = Duration::from_secs(5);

/// The jobs with a runner's names.
#[derive(Debug, Clone)]
pub(in crate::fleet::launcher) struct RunnerJobs {
    names: Vec<String>,
    cluster: Cluster,
    /// Jobs with the names that are not the script's.
    others: BTreeSet<u64>,
}

/// The Slurm job in which this process runs, as runners of some sites do, often under the runner's name.
fn own_job() -> Option<u64> {
    std::env::var("SLURM_JOB_ID").ok()?.parse().ok()
}

/// What the state of a job stores about them.
#[derive(Serialize, Deserialize)]
pub(in crate::fleet::launcher) struct HeldNames {
    pub names: Vec<String>,
    /// `SLURM_CONF`, if it was set.
    pub configuration: Option<String>,
}

impl RunnerJobs {
    pub fn new(job: &JobId, held: HeldNames) -> Self {
        let HeldNames { names, configuration } = held;
        Self {
            names,
            cluster: Cluster::of_script(job, configuration),
            others: own_job().into_iter().collect(),
        }
    }

    async fn list(&self, limit: Duration, cancellation: &Cancellation) -> Result<Vec<NamedJob>, SlurmError> {
        let mut jobs = Vec::new();
        for name in &self.names {
            jobs.extend(self.cluster.named(name, limit, cancellation).await?);
        }
        jobs.retain(|job| !self.others.contains(&job.number));
        Ok(jobs)
    }

    fn shown(&self, job: &NamedJob) -> String {
        format!("Slurm job {} ({})", job.number, self.names.join(" or "))
    }

    /// Cancels what an earlier run left under the names, before a script starts. Jobs of another live run of this user on this machine
    /// are left alone.
    pub async fn clear(&mut self, request: &LaunchRequest<'_>) -> Result<(), LaunchError> {
        let found = self.list(QUESTION, request.cancellation).await?;
        if is_held_by_another(&self.names, &request.spec.id) {
            self.others.extend(found.iter().map(|job| job.number));
            return Ok(());
        }
        for job in &found {
            (request.say)(&format!("cancelling {}, which an earlier run left", self.shown(job)));
        }
        let until = request.until.min(Instant::now() + CLEARING);
        match self.cancel_until_gone(true, request.cancellation, until).await {
            Err(SlurmError::Stays(number)) => {
                let reason = format!(
                    "Slurm job {number}, which an earlier run left under the name {}, does not end after scancel; look at its nodes with `scontrol \
                     show job {number}`",
                    self.names.join(" or ")
                );
                Err(LaunchError::Explained(JobFailure::new(FailureClass::Infra, reason)))
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    /// Cancels all jobs of the names at once, also those that the controller does not list yet.
    pub async fn cancel_by_name(&self, limit: Duration, cancellation: &Cancellation) {
        if !self.others.is_empty() {
            return;
        }
        for name in &self.names {
            // If there is none, Slurm may call it an error; what is left is seen in the queue.
            let _ = self.cluster.cancel_named(name, limit, cancellation).await;
        }
    }

    /// Cancels the script's jobs after the script has ended, and waits until nothing of them runs. One that is still in the queue at the
    /// deadline has been cancelled, and Slurm ends it.
    pub async fn end(&self, cancellation: &Cancellation, until: Instant) -> Result<(), LaunchError> {
        loop {
            match self.cancel_until_gone(false, cancellation, until).await {
                Ok(_) => return Ok(()),
                Err(SlurmError::Stays(number)) => {
                    tracing::warn!(number, "Slurm job was cancelled and has not ended yet");
                    return Ok(());
                }
                Err(error @ SlurmError::Stopped) => return Err(error.into()),
                // A controller that is restarted answers again soon.
                Err(error) if Instant::now() + ENDING_INTERVAL >= until => return Err(error.into()),
                Err(_) => sleep(ENDING_INTERVAL).await,
            }
        }
    }

    /// Returns whether there were any. Jobs whose processes have ended count as gone unless their nodes are wanted: `with_epilog`.
    async fn cancel_until_gone(&self, with_epilog: bool, cancellation: &Cancellation, until: Instant) -> Result<bool, SlurmError> {
        let left = || until.saturating_duration_since(Instant::now()).max(ENDING_INTERVAL);
        let mut told = BTreeSet::new();
        loop {
            let mut jobs = self.list(left().min(QUESTION), cancellation).await?;
            jobs.retain(|job| with_epilog || job.state != SlurmState::Completing);
            let Some(first) = jobs.first() else { return Ok(!told.is_empty()) };
            for job in &jobs {
                // A job that ends in between refuses it; one that does not is cancelled again.
                if !told.contains(&job.number) && self.cluster.cancel(job.number, left(), cancellation).await.is_ok() {
                    told.insert(job.number);
                }
            }
            if Instant::now() >= until {
                return Err(SlurmError::Stays(first.number));
            }
            if timeout(ENDING_INTERVAL, cancellation.cancelled()).await.is_ok() {
                return Err(SlurmError::Stopped);
            }
        }
    }

    /// Resolves when the position of the script's job in the queue differs from `known`. Questions without an answer are asked again.
    pub async fn queue_state_change(&self, known: &QueueState) -> QueueState {
        let never = Cancellation::default();
        loop {
            if let Ok(jobs) = self.list(QUESTION, &never).await {
                let state = self.queue_state(&jobs, &never).await;
                // A job that has ended leaves no position; it had its nodes.
                if state != *known && state != QueueState::NoQueue {
                    return state;
                }
            }
            sleep(QUEUE_INTERVAL).await;
        }
    }

    async fn queue_state(&self, jobs: &[NamedJob], cancellation: &Cancellation) -> QueueState {
        let has_nodes = |job: &&NamedJob| match job.state {
            SlurmState::Running | SlurmState::Suspended | SlurmState::Completing => true,
            SlurmState::Pending
            | SlurmState::Configuring
            | SlurmState::Completed
            | SlurmState::Failed
            | SlurmState::Cancelled
            | SlurmState::Timeout
            | SlurmState::NodeFail
            | SlurmState::Preempted
            | SlurmState::OutOfMemory => false,
        };
        let (what, job) = match (jobs.iter().find(has_nodes), jobs.first()) {
            (Some(job), _) => ("runs", job),
            (None, Some(job)) => ("waits", job),
            (None, None) => return QueueState::NoQueue,
        };
        let view = self.cluster.look(job.number, cancellation).await.ok().flatten();
        let (nodes, reason) = view.map(|view| (view.nodes, view.reason)).unwrap_or_default();
        if what == "runs" {
            QueueState::Left {
                place: format!("{} runs on {nodes}", self.shown(job)),
            }
        } else {
            QueueState::Waiting {
                what: self.shown(job),
                reason,
            }
        }
    }
}

/// Removes what a dead run left under its names. Returns whether there was anything.
pub(in crate::fleet::launcher) async fn remove_named(held: &Value, removal: &Removal<'_>) -> Result<bool, LaunchError> {
    let held = HeldNames::deserialize(held).map_err(SlurmError::State)?;
    // A live run of the same runner has ended them already, and its own have the same name.
    if is_held_by_another(&held.names, removal.job) {
        return Ok(false);
    }
    let jobs = RunnerJobs::new(removal.job, held);
    Ok(jobs.cancel_until_gone(false, removal.cancellation, removal.until).await?)
}

/// Whether another run of this user that is alive on this machine has jobs with one of the names.
fn is_held_by_another(names: &[String], job: &JobId) -> bool {
    StateFolder::from_environment().all().iter().any(|state| {
        let names_of = |data: &Value| HeldNames::deserialize(data).map(|held| held.names).unwrap_or_default();
        let mut held = state.holds.iter().flat_map(|holding| names_of(&holding.data));
        state.job != *job && state.owner() == Owner::Alive && held.any(|name| names.contains(&name))
    })
}
