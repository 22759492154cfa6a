//! Jobs in the queue that nobody owns: those of a dead job, and those that come of a submission without an answer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::answer::SlurmState;
use super::cluster::Cluster;
use super::{SCRIPT_END, SlurmError};
use crate::system::cancellation::Cancellation;

/// How often a job that is to leave the queue is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a submission without an answer may take to appear in the queue.
const LATE_SUBMISSION: Duration = Duration::from_secs(2);

/// Waits for the job of a submission without an answer, and cancels it. Says whether it appeared.
pub(super) async fn cancel_arriving(cluster: &Cluster, name: &str, stop: &Cancellation) -> bool {
    let until = Instant::now() + LATE_SUBMISSION;
    loop {
        if cancel_named(cluster, name, stop, until).await.is_ok_and(|found| found) {
            return true;
        }
        if Instant::now() >= until || timeout(LOOK, stop.cancelled()).await.is_ok() {
            return false;
        }
    }
}

/// Cancels this user's jobs with a name, and waits until they are gone. Says whether there were any.
pub(super) async fn cancel_named(cluster: &Cluster, name: &str, stop: &Cancellation, until: Instant) -> Result<bool, SlurmError> {
    // The last look must have time for an answer.
    let left = || until.saturating_duration_since(Instant::now()).max(LOOK);
    let scripts_until = Instant::now() + SCRIPT_END.min(left() / 2);
    let mut told = BTreeSet::new();
    loop {
        let jobs = cluster.named(name, left(), stop).await?;
        let Some(first) = jobs.first() else { return Ok(!told.is_empty()) };
        if !told.is_empty() && Instant::now() >= until {
            return Err(SlurmError::Stays(first.number));
        }
        for job in &jobs {
            // One that ends by itself in between refuses; the next look shows that.
            if told.insert(job.number) {
                let _ = cluster.kill(job.number, left(), stop).await;
            }
            if job.state != SlurmState::Running || Instant::now() >= scripts_until {
                let _ = cluster.cancel(job.number, left(), stop).await;
            }
        }
        let _ = timeout(LOOK, stop.cancelled()).await;
    }
}
