//! Jobs in the queue without an owner: those of a dead job, and those of a submission without an answer.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::answer::SlurmState;
use super::cluster::Cluster;
use super::{SCRIPT_END, SlurmError};
use crate::system::cancellation::Cancellation;

/// Polling interval while a job leaves the queue.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long a submission without an answer may take to appear in the queue.
const LATE_SUBMISSION: Duration = Duration::from_secs(2);

/// Waits for the job of a submission without an answer, and cancels it. Returns whether it appeared.
pub(super) async fn cancel_arriving(cluster: &Cluster, name: &str, cancellation: &Cancellation) -> bool {
    let until = Instant::now() + LATE_SUBMISSION;
    loop {
        if cancel_named(cluster, name, cancellation, until).await.is_ok_and(|found| found) {
            return true;
        }
        if Instant::now() >= until || timeout(POLL_INTERVAL, cancellation.cancelled()).await.is_ok() {
            return false;
        }
    }
}

/// Cancels this user's jobs with a name, and waits until they are gone. Returns whether there were any.
pub(super) async fn cancel_named(cluster: &Cluster, name: &str, cancellation: &Cancellation, until: Instant) -> Result<bool, SlurmError> {
    // Leave enough time for the last query to be answered.
    let left = || until.saturating_duration_since(Instant::now()).max(POLL_INTERVAL);
    let scripts_until = Instant::now() + SCRIPT_END.min(left() / 2);
    let mut told = BTreeSet::new();
    loop {
        let jobs = cluster.named(name, left(), cancellation).await?;
        let Some(first) = jobs.first() else { return Ok(!told.is_empty()) };
        if !told.is_empty() && Instant::now() >= until {
            return Err(SlurmError::Stays(first.number));
        }
        for job in &jobs {
            // A job that ends in between refuses the signal; the next query shows that.
            if told.insert(job.number) {
                let _ = cluster.kill(job.number, left(), cancellation).await;
            }
            if job.state != SlurmState::Running || Instant::now() >= scripts_until {
                let _ = cluster.cancel(job.number, left(), cancellation).await;
            }
        }
        let _ = timeout(POLL_INTERVAL, cancellation.cancelled()).await;
    }
}
