//! What can end a phase from outside: a signal, the engine's death, the phase's deadline, a load that stands still.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::fleet::launcher::{Engine, LaunchError};
use crate::job::{FailureClass, JobFailure, Phase, PhaseEnding};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::Ending;

/// How often the engine and the clock are looked at while a load runs.
const LOOK: Duration = Duration::from_millis(50);
/// How long an engine whose connections broke is looked at: a process closes its sockets before it is seen to have ended,
/// by seconds where it frees much memory or where a container engine or a scheduler has to notice it first.
const DYING: Duration = Duration::from_secs(10);

/// Why a phase was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interruption {
    /// A signal.
    Cancelled(CancelCause),
    /// The engine ended.
    EngineEnded(Ending),
    /// It cannot be found out whether the engine runs.
    EngineLost(String),
    /// The launcher knows what ended the engine.
    Explained(JobFailure),
    /// The scheduler has not given the job its nodes in time, and why.
    StillQueued {
        /// How long it waited.
        limit: Duration,
        /// What waits, and for what.
        waits: String,
    },
    /// The node was not fit or not free when the phase's time was over, which says nothing about what is measured.
    NodeLate {
        /// The phase.
        phase: Phase,
        /// Its time.
        limit: Duration,
        /// What was the matter at last.
        last: String,
    },
    /// The phase's time is over.
    Deadline {
        /// The phase.
        phase: Phase,
        /// Its time.
        limit: Duration,
        /// What was the matter at last, if known.
        last: Option<String>,
    },
    /// No token came for that long.
    Stalled(Duration),
}

impl Interruption {
    /// As the journal has it.
    #[must_use]
    pub fn ending(&self) -> PhaseEnding {
        match self {
            Self::Cancelled(_) => PhaseEnding::Cancelled,
            Self::EngineEnded(_) | Self::EngineLost(_) => PhaseEnding::Failed,
            Self::Explained(failure) => match failure.class {
                FailureClass::Timeout => PhaseEnding::DeadlineExceeded,
                FailureClass::Server
                | FailureClass::Client
                | FailureClass::Infra
                | FailureClass::Cancelled
                | FailureClass::Invalid
                | FailureClass::Missing => PhaseEnding::Failed,
            },
            Self::StillQueued { .. } | Self::NodeLate { .. } | Self::Deadline { .. } | Self::Stalled(_) => PhaseEnding::DeadlineExceeded,
        }
    }

    /// As the job's failure, in the phase in which it came.
    #[must_use]
    pub fn failure(&self, phase: Phase) -> JobFailure {
        let seconds = |time: &Duration| time.as_secs_f64();
        match self {
            Self::Cancelled(cause) => {
                let signal = match cause {
                    CancelCause::Interrupt => "SIGINT",
                    CancelCause::Terminate => "SIGTERM",
                    CancelCause::Hangup => "SIGHUP",
                    CancelCause::Abandoned => "the caller",
                };
                JobFailure::new(FailureClass::Cancelled, format!("cancelled by {signal} in phase {phase}"))
            }
            Self::EngineEnded(ending) => JobFailure::new(FailureClass::Server, format!("the engine {ending} in phase {phase}")),
            Self::EngineLost(error) => JobFailure::new(FailureClass::Infra, format!("lost sight of the engine in phase {phase}: {error}")),
            Self::Explained(failure) => JobFailure {
                reason: format!("{} (in phase {phase})", failure.reason),
                ..failure.clone()
            },
            Self::StillQueued { limit, waits } => JobFailure {
                cause: Some("queue-deadline".to_owned()),
                ..JobFailure::new(
                    FailureClass::Infra,
                    format!(
                        "{waits} after {} s in the queue; free its nodes, use another partition, or raise `deadlines.queue` in the runner profile",
                        seconds(limit)
                    ),
                )
            },
            Self::NodeLate { phase, limit, last } => JobFailure::new(
                FailureClass::Infra,
                format!(
                    "phase {phase} was not over after its deadline of {} s: {last}; look after the node, or raise `deadlines.{phase}` in the \
                     runner profile if it needs longer",
                    seconds(limit)
                ),
            ),
            Self::Deadline { phase, limit, last } => {
                let detail = last.as_ref().map(|last| format!(": {last}")).unwrap_or_default();
                JobFailure::new(
                    FailureClass::Timeout,
                    format!(
                        "phase {phase} was not over after its deadline of {} s{detail}; raise `deadlines.{phase}` in the runner profile if it needs longer",
                        seconds(limit)
                    ),
                )
            }
            Self::Stalled(time) => JobFailure::new(
                FailureClass::Timeout,
                format!(
                    "the engine hangs: no token for {} s in phase {phase} (`deadlines.stall` in the runner profile)",
                    seconds(time)
                ),
            ),
        }
    }
}

/// An engine that several threads look at.
pub type SharedEngine = Mutex<Box<dyn Engine>>;

/// Whether a signal came or the engine ended.
pub fn look(engine: &SharedEngine, stop: &Cancellation) -> Option<Interruption> {
    if let Some(cause) = stop.cause() {
        return Some(Interruption::Cancelled(cause));
    }
    match engine.lock().unwrap_or_else(PoisonError::into_inner).poll() {
        Ok(None) => None,
        Ok(Some(ending)) => Some(Interruption::EngineEnded(ending)),
        Err(LaunchError::Explained(failure)) => Some(Interruption::Explained(failure)),
        Err(error) => Some(Interruption::EngineLost(error.to_string())),
    }
}

/// What a watcher knows of the load that it watches; the load's progress updates it.
#[derive(Debug)]
pub struct LoadClock {
    state: Mutex<LoadState>,
    stall: Duration,
}

#[derive(Debug, Clone, Copy)]
struct LoadState {
    phase: Phase,
    until: Instant,
    limit: Duration,
    tokens: u64,
    moved: Instant,
}

impl LoadClock {
    /// A clock for a phase that begins now.
    #[must_use]
    pub fn new(phase: Phase, limit: Duration, stall: Duration) -> Self {
        let now = Instant::now();
        let state = LoadState {
            phase,
            until: now + limit,
            limit,
            tokens: 0,
            moved: now,
        };
        Self {
            state: Mutex::new(state),
            stall,
        }
    }

    /// The next phase begins.
    pub fn enter(&self, phase: Phase, limit: Duration) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = LoadState {
            phase,
            until: now + limit,
            limit,
            tokens: 0,
            moved: now,
        };
    }

    /// So many tokens have come by now.
    pub fn progress(&self, tokens: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens != state.tokens {
            state.tokens = tokens;
            state.moved = Instant::now();
        }
    }

    fn look(&self) -> Option<Interruption> {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() >= state.until {
            return Some(Interruption::Deadline {
                phase: state.phase,
                limit: state.limit,
                last: None,
            });
        }
        (state.moved.elapsed() >= self.stall).then_some(Interruption::Stalled(self.stall))
    }
}

/// Runs `work` while a second thread watches. When something ends the work from outside, the flag that `work` got is
/// raised, and what it was is given back beside the work's own result. A result that `broke` says to come of a dead engine
/// may be there before the engine is seen dead, so that is waited for.
pub fn watched<T>(
    engine: &SharedEngine,
    stop: &Cancellation,
    clock: &LoadClock,
    work: impl FnOnce(&Cancellation) -> T,
    broke: impl FnOnce(&T) -> bool,
) -> (T, Option<Interruption>) {
    let work_stop = stop.child();
    let done = Cancellation::new();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while done.wait_timeout(LOOK).is_none() {
                if let Some(interruption) = look(engine, stop).or_else(|| clock.look()) {
                    work_stop.cancel(CancelCause::Abandoned);
                    return Some(interruption);
                }
            }
            None
        });
        // Ends the watcher also where the work panics; the scope waits for it.
        let guard = done.cancel_on_drop();
        let result = work(&work_stop);
        drop(guard);
        let seen = watcher.join().unwrap_or(None);
        // A signal may have ended the work before the watcher looked again.
        let seen = seen.or_else(|| stop.cause().map(Interruption::Cancelled));
        let seen = seen.or_else(|| broke(&result).then(|| await_death(engine, stop)).flatten());
        (result, seen)
    })
}

/// What ends an engine that may be dying, if that is seen in time.
fn await_death(engine: &SharedEngine, stop: &Cancellation) -> Option<Interruption> {
    let until = Instant::now() + DYING;
    loop {
        let seen = look(engine, stop);
        if seen.is_some() || Instant::now() >= until {
            return seen;
        }
        let _ = stop.wait_timeout(LOOK);
    }
}
