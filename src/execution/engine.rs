//! A launched engine, which several parts of a phase observe at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::blocking::blocking;
use super::interruption::Interruption;
use crate::fleet::launcher::{Engine, EngineAddress, LaunchError, QueueState};
use crate::system::cancellation::Cancellation;
use crate::system::process::StopReport;

pub(super) struct LaunchedEngine(Box<dyn Engine>);

impl LaunchedEngine {
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Self(engine)
    }

    /// Waits until the job is cancelled or the engine ends.
    pub async fn interrupted(&self, cancellation: &Cancellation) -> Interruption {
        tokio::select! {
            biased;
            cause = cancellation.cancelled() => Interruption::Cancelled(cause),
            ended = self.0.ended() => match ended {
                Ok(ending) => Interruption::EngineExited(ending),
                Err(LaunchError::Explained(failure)) => Interruption::EngineFailed(failure),
                Err(error) => Interruption::EngineUnknown(error.to_string()),
            },
        }
    }

    /// Where the engine is in its scheduler's queue.
    pub fn queue_state(&self) -> QueueState {
        self.0.queue_state()
    }

    /// Resolves when it is elsewhere than `known` says.
    pub async fn queue_state_change(&self, known: &QueueState) -> QueueState {
        self.0.queue_state_change(known).await
    }

    /// The address on which it listens, `port` being the job's.
    pub fn address(&self, port: u16) -> EngineAddress {
        self.0.address(port)
    }

    /// The nodes that a scheduler gave the job.
    pub fn nodes(&self) -> Vec<String> {
        self.0.nodes()
    }

    /// What is known of the engine for the provenance of results.
    pub fn facts(&self) -> BTreeMap<String, String> {
        self.0.facts()
    }

    /// Stops it: SIGTERM, then after `grace` or at a request of `hurry` SIGKILL, and gives up `kill_limit` after that.
    pub async fn stop(mut self, grace: Duration, kill_limit: Duration, hurry: &Cancellation) -> StopReport {
        let report = self.0.stop(grace, kill_limit, hurry).await;
        // What could not be stopped is tried once more.
        blocking(|| drop(self));
        report
    }
}
