//! External reasons for the end of a phase: a signal, the engine's exit, the phase's deadline, a load that makes no progress.

use std::time::Duration;

use crate::job::{FailureClass, JobFailure, Phase, PhaseEnding};
use crate::system::cancellation::CancelCause;
use crate::system::process::Ending;

/// Why a phase did not complete.
#[derive(Debug)]
pub(super) enum PhaseError {
    /// An external event ended it.
    Interrupted(Interruption),
    /// Its own work failed.
    Failed(JobFailure),
}

impl From<JobFailure> for PhaseError {
    fn from(failure: JobFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Interruption> for PhaseError {
    fn from(interruption: Interruption) -> Self {
        Self::Interrupted(interruption)
    }
}

/// An external event that ends a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interruption {
    Cancelled(CancelCause),
    EngineExited(Ending),
    /// The state of the engine cannot be determined.
    EngineUnknown(String),
    /// The engine ended, and the launcher knows the cause.
    EngineFailed(JobFailure),
    /// The scheduler did not start the job in time.
    QueueTimeout {
        limit: Duration,
        /// What is queued, and the scheduler's reason.
        status: String,
    },
    /// The node was not ready in time; not a fault of what is measured.
    NodeTimeout {
        limit: Duration,
        /// The remaining problem.
        status: String,
    },
    DeadlineExceeded {
        limit: Duration,
        /// The remaining problem, if known.
        status: Option<String>,
    },
    /// A recipe that measures itself did not end in time.
    RecipeTimeout {
        limit: Duration,
    },
    /// No token was produced for this long.
    Stalled(Duration),
}

impl Interruption {
    /// The ending by which the phase is recorded.
    pub fn ending(&self) -> PhaseEnding {
        match self {
            Self::Cancelled(_) => PhaseEnding::Cancelled,
            Self::EngineExited(_) | Self::EngineUnknown(_) => PhaseEnding::Failed,
            Self::EngineFailed(failure) => match failure.class {
                FailureClass::Timeout => PhaseEnding::DeadlineExceeded,
                FailureClass::Server
                | FailureClass::Client
                | FailureClass::Infra
                | FailureClass::Cancelled
                | FailureClass::Invalid
                | FailureClass::Missing => PhaseEnding::Failed,
            },
            Self::QueueTimeout { .. }
            | Self::NodeTimeout { .. }
            | Self::DeadlineExceeded { .. }
            | Self::RecipeTimeout { .. }
            | Self::Stalled(_) => PhaseEnding::DeadlineExceeded,
        }
    }

    /// Whether the engine's log may show the cause.
    pub fn concerns_engine(&self) -> bool {
        match self {
            Self::EngineExited(_)
            | Self::EngineUnknown(_)
            | Self::EngineFailed(_)
            | Self::DeadlineExceeded { .. }
            | Self::RecipeTimeout { .. }
            | Self::Stalled(_) => true,
            Self::Cancelled(_) | Self::QueueTimeout { .. } | Self::NodeTimeout { .. } => false,
        }
    }

    /// Whether the engine can be used for the next point: only after a load that exceeded its deadline.
    pub fn leaves_engine_usable(&self) -> bool {
        match self {
            Self::DeadlineExceeded { .. } => true,
            Self::Cancelled(_)
            | Self::EngineExited(_)
            | Self::EngineUnknown(_)
            | Self::EngineFailed(_)
            | Self::QueueTimeout { .. }
            | Self::NodeTimeout { .. }
            | Self::RecipeTimeout { .. }
            | Self::Stalled(_) => false,
        }
    }

    /// The failure of the job that was interrupted in this phase.
    pub fn failure(&self, phase: Phase) -> JobFailure {
        match self {
            Self::Cancelled(cause) => JobFailure::new(
                FailureClass::Cancelled,
                format!("cancelled by {} in phase {phase}", canceller(*cause)),
            ),
            Self::EngineExited(ending) => JobFailure::new(FailureClass::Server, format!("the engine {ending} in phase {phase}")),
            Self::EngineUnknown(error) => JobFailure::new(
                FailureClass::Infra,
                format!("cannot determine whether the engine runs in phase {phase}: {error}"),
            ),
            Self::EngineFailed(failure) => JobFailure {
                reason: format!("{} (in phase {phase})", failure.reason),
                ..failure.clone()
            },
            Self::QueueTimeout { limit, status } => JobFailure {
                cause: Some("queue-deadline".to_owned()),
                ..JobFailure::new(
                    FailureClass::Infra,
                    format!(
                        "{status} after {} s in the queue; free its nodes, use another partition, or raise `deadlines.queue` in the runner profile",
                        limit.as_secs_f64()
                    ),
                )
            },
            Self::NodeTimeout { limit, status } => {
                let remedy = format!("check the node, or raise `deadlines.{phase}` in the runner profile");
                JobFailure::new(FailureClass::Infra, exceeded(phase, *limit, Some(status), &remedy))
            }
            Self::DeadlineExceeded { limit, status } => {
                let remedy = format!("raise `deadlines.{phase}` in the runner profile if it needs longer");
                JobFailure::new(FailureClass::Timeout, exceeded(phase, *limit, status.as_deref(), &remedy))
            }
            Self::RecipeTimeout { limit } => JobFailure::new(
                FailureClass::Timeout,
                format!(
                    "the recipe did not end within {} s (it was in phase {phase}); raise `deadlines.recipe` in the runner profile if it needs \
                     longer",
                    limit.as_secs_f64()
                ),
            ),
            Self::Stalled(time) => JobFailure::new(
                FailureClass::Timeout,
                format!(
                    "the engine hangs: no token for {} s in phase {phase} (`deadlines.stall` in the runner profile)",
                    time.as_secs_f64()
                ),
            ),
        }
    }
}

fn exceeded(phase: Phase, limit: Duration, status: Option<&str>, remedy: &str) -> String {
    let status = status.map(|status| format!(": {status}")).unwrap_or_default();
    format!("phase {phase} exceeded its deadline of {} s{status}; {remedy}", limit.as_secs_f64())
}

fn canceller(cause: CancelCause) -> &'static str {
    match cause {
        CancelCause::Interrupt => "SIGINT",
        CancelCause::Terminate => "SIGTERM",
        CancelCause::Hangup => "SIGHUP",
        CancelCause::Abandoned => "the caller",
    }
}
