//! A launched engine. Several tasks of a phase can wait for it at the same time.

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

    /// The engine's position in its scheduler's queue.
    pub fn queue_state(&self) -> QueueState {
        self.0.queue_state()
    }

    /// Resolves when the position differs from `known`.
    pub async fn queue_state_change(&self, known: &QueueState) -> QueueState {
        self.0.queue_state_change(known).await
    }

    /// The address on which it listens; `port` is the job's port.
    pub fn address(&self, port: u16) -> EngineAddress {
        self.0.address(port)
    }

    /// The nodes that a scheduler assigned to the job.
    pub fn nodes(&self) -> Vec<String> {
        self.0.nodes()
    }

    /// Facts about the engine for the provenance of results, such as the image's digest.
    pub fn facts(&self) -> BTreeMap<String, String> {
        self.0.facts()
    }

    /// Stops it: SIGTERM, then SIGKILL after `grace` or when `hurry` is cancelled. Gives up `kill_limit` after that.
    pub async fn stop(mut self, grace: Duration, kill_limit: Duration, hurry: &Cancellation) -> StopReport {
        let report = self.0.stop(grace, kill_limit, hurry).await;
        // Dropping an engine that could not be stopped tries again. It blocks.
        blocking(|| drop(self));
        report
    }
}
