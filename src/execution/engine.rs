//! A launched engine, which several parts of a phase observe at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::blocking::blocking;
use super::interruption::Interruption;
use crate::fleet::launcher::{Engine, LaunchError, Turn};
use crate::system::cancellation::Cancellation;
use crate::system::process::StopReport;

/// Pause between two looks at an engine: its launcher gives no event when it exits.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A launched engine.
pub(super) struct LaunchedEngine {
    engine: Arc<Mutex<Box<dyn Engine>>>,
}

impl LaunchedEngine {
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Self {
            engine: Arc::new(Mutex::new(engine)),
        }
    }

    /// Waits until the job is cancelled or the engine ends.
    pub async fn interrupted(&self, cancellation: &Cancellation) -> Interruption {
        tokio::select! {
            cause = cancellation.cancelled() => Interruption::Cancelled(cause),
            interruption = self.ended() => interruption,
        }
    }

    async fn ended(&self) -> Interruption {
        loop {
            if let Some(interruption) = self.poll().await {
                return interruption;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Whether the job is cancelled or the engine has ended.
    pub async fn interruption(&self, cancellation: &Cancellation) -> Option<Interruption> {
        match cancellation.cause() {
            Some(cause) => Some(Interruption::Cancelled(cause)),
            None => self.poll().await,
        }
    }

    /// A look may ask a scheduler, which takes its time: it has a thread of its own, so that a signal is noticed meanwhile.
    async fn poll(&self) -> Option<Interruption> {
        let engine = Arc::clone(&self.engine);
        let polled = tokio::task::spawn_blocking(move || lock(&engine).poll()).await;
        match polled {
            Ok(Ok(None)) => None,
            Ok(Ok(Some(ending))) => Some(Interruption::EngineExited(ending)),
            Ok(Err(LaunchError::Explained(failure))) => Some(Interruption::EngineFailed(failure)),
            Ok(Err(error)) => Some(Interruption::EngineUnknown(error.to_string())),
            Err(error) => Some(Interruption::EngineUnknown(error.to_string())),
        }
    }

    /// Where the engine is in its scheduler's queue.
    pub fn queue_state(&self) -> Turn {
        blocking(|| lock(&self.engine).turn())
    }

    pub fn host(&self) -> String {
        blocking(|| lock(&self.engine).host().to_owned())
    }

    /// The nodes that a scheduler gave the job.
    pub fn nodes(&self) -> Vec<String> {
        blocking(|| lock(&self.engine).nodes().to_vec())
    }

    /// What is known of the engine for the provenance of results.
    pub fn facts(&self) -> BTreeMap<String, String> {
        blocking(|| lock(&self.engine).facts())
    }

    /// Stops it: SIGTERM, then after `grace` or as soon as `hurry` says so SIGKILL, and gives up `kill_limit` after that.
    pub fn stop(self, grace: Duration, kill_limit: Duration, hurry: &dyn Fn() -> bool) -> StopReport {
        blocking(|| {
            let report = lock(&self.engine).stop(grace, kill_limit, hurry);
            drop(self);
            report
        })
    }
}

fn lock(engine: &Mutex<Box<dyn Engine>>) -> MutexGuard<'_, Box<dyn Engine>> {
    engine.lock().unwrap_or_else(PoisonError::into_inner)
}
