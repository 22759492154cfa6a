//! `imax ready`: self-contained recipes call it to wait for the engine that they started, as the phase ready does for other recipes.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use crate::fleet::engine_log;
use crate::fleet::readiness::{Ready, Target, probe_until_ready};
use crate::job::diagnose;
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::process_of;

/// Lines of the engine's log that an error quotes.
const TAIL_LINES: usize = 40;
/// Interval of checks whether the engine's process still runs; it is not a child of this process.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct ExternalEngine {
    /// The URL, health path and model to probe.
    pub target: Target,
    /// Its process, whose exit ends the wait.
    pub pid: Option<i32>,
    /// Its log, which may show why it is not ready.
    pub log: Option<PathBuf>,
    /// The longest wait.
    pub deadline: Duration,
}

/// Why an engine is not ready.
#[derive(Debug, thiserror::Error)]
pub enum ExternalEngineError {
    #[error("cancelled")]
    Cancelled(CancelCause),
    /// The engine exited, or was not ready in time.
    #[error("{problem}")]
    NotReady {
        /// The problem, with the cause that the log shows.
        problem: String,
        /// The end of the log.
        log_tail: Option<String>,
    },
}

/// Waits until an engine answers its health check and gives one token.
///
/// # Errors
/// [`ExternalEngineError`] if the engine exits first, the deadline passes, or the wait is cancelled.
pub async fn wait_for_external_engine(engine: &ExternalEngine, cancellation: &Cancellation) -> Result<Ready, ExternalEngineError> {
    tokio::select! {
        biased;
        cause = cancellation.cancelled() => Err(ExternalEngineError::Cancelled(cause)),
        pid = exited(engine.pid) => Err(not_ready(engine, format!("the engine (process {pid}) ended before it was ready"))),
        ready = probe_until_ready(&engine.target, engine.deadline) => ready.map_err(|error| not_ready(engine, error.to_string())),
    }
}

/// Waits for the exit of a process. Without one it waits forever.
async fn exited(pid: Option<i32>) -> i32 {
    let Some(pid) = pid else {
        return std::future::pending().await;
    };
    // The start time distinguishes the process from a later one with the same id.
    let process = process_of(pid);
    while process.is_some() && process_of(pid) == process {
        sleep(POLL_INTERVAL).await;
    }
    pid
}

fn not_ready(engine: &ExternalEngine, problem: String) -> ExternalEngineError {
    let Some(path) = &engine.log else {
        return ExternalEngineError::NotReady { problem, log_tail: None };
    };
    let log = engine_log::tail(path, &[]);
    let problem = match diagnose(&log) {
        Some(diagnosis) => format!("{problem}: {} (log: {})", diagnosis.cause.sentence, diagnosis.line),
        None => problem,
    };
    let log_tail = Some(engine_log::last_lines(&log, TAIL_LINES));
    ExternalEngineError::NotReady { problem, log_tail }
}
