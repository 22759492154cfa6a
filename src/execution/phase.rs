//! Phases. Each has a deadline and is recorded with its start, its end and the reason of its end.

use std::time::{Duration, Instant};

use tracing::{Instrument as _, debug, info_span};

use super::context::JobContext;
use super::interruption::PhaseError;
use crate::job::{Deadlines, JobFailure, Phase, PhaseEnding, PhaseRecord};
use crate::model::Concurrency;
use crate::system::host;

/// Runs a phase and records how it ended. In a cancelled job, the work is not started.
pub(super) async fn run_phase<T>(
    ctx: &JobContext,
    journal: &mut PhaseJournal,
    phase: Phase,
    work: impl AsyncFnOnce(&RunningPhase) -> Result<T, PhaseError>,
) -> Result<T, JobFailure> {
    let running = journal.begin(phase, None);
    ctx.console.line(&format!("phase {phase}"));
    let result = match ctx.check_cancelled() {
        Ok(()) => work(&running).instrument(info_span!("phase", %phase)).await,
        Err(cancelled) => Err(cancelled),
    };
    match result {
        Ok(value) => {
            journal.end(running, PhaseEnding::Done, None);
            Ok(value)
        }
        Err(error) => {
            let (ending, failure) = ctx.explain(phase, error);
            journal.end(running, ending, Some(failure.reason.clone()));
            Err(failure)
        }
    }
}

/// The finished phases of a job, as in `job.json`.
#[derive(Debug)]
pub(super) struct PhaseJournal {
    deadlines: Deadlines,
    /// The attempt that phases belong to, from 1.
    attempt: u32,
    phases: Vec<PhaseRecord>,
}

/// A phase that has begun. [`PhaseJournal::end`] ends it.
#[derive(Debug)]
#[must_use]
pub(super) struct RunningPhase {
    phase: Phase,
    conc: Option<Concurrency>,
    started: String,
    since: Instant,
    limit: Duration,
}

impl RunningPhase {
    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn began(&self) -> Instant {
        self.since
    }

    /// Records it as another phase: what happens shows only later which one it is.
    pub fn rename(&mut self, phase: Phase) {
        self.phase = phase;
    }

    pub fn deadline(&self) -> Instant {
        self.since + self.limit
    }

    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    pub fn is_late(&self) -> bool {
        self.time_left().is_zero()
    }
}

impl PhaseJournal {
    pub fn new(deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            attempt: 1,
            phases: Vec::new(),
        }
    }

    /// Sets the attempt of all further phases.
    pub fn set_attempt(&mut self, number: u32) {
        self.attempt = number;
    }

    pub fn begin(&self, phase: Phase, conc: Option<Concurrency>) -> RunningPhase {
        debug!(%phase, ?conc, "phase began");
        RunningPhase {
            phase,
            conc,
            started: host::timestamp(),
            since: Instant::now(),
            limit: self.deadlines.of(phase),
        }
    }

    /// A phase whose deadline is that of several phases together.
    pub fn begin_until(&self, phase: Phase, until: Instant) -> RunningPhase {
        let running = self.begin(phase, None);
        // In whole seconds, as people set it: some microseconds have passed since the deadline was computed.
        let left = until.saturating_duration_since(running.since) + Duration::from_millis(500);
        RunningPhase {
            limit: Duration::from_secs(left.as_secs()),
            ..running
        }
    }

    pub fn end(&mut self, running: RunningPhase, ending: PhaseEnding, reason: Option<String>) {
        let RunningPhase {
            phase,
            conc,
            started,
            since,
            limit,
        } = running;
        debug!(%phase, ?conc, ?ending, reason, "phase ended");
        self.phases.push(PhaseRecord {
            phase,
            attempt: self.attempt,
            conc,
            started,
            ended: host::timestamp(),
            seconds: since.elapsed().as_secs_f64(),
            deadline_s: limit.as_secs_f64(),
            ending,
            reason,
        });
    }

    /// Records a phase that is skipped.
    pub fn skip(&mut self, phase: Phase, reason: &str) {
        let running = self.begin(phase, None);
        self.end(running, PhaseEnding::Skipped, Some(reason.to_owned()));
    }

    pub fn into_phases(self) -> Vec<PhaseRecord> {
        self.phases
    }
}
