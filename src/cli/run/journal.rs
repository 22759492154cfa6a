//! The journal of a job: each phase with its start, end, deadline and reason, as `job.json` has them.

use std::time::{Duration, Instant};

use crate::job::{Deadlines, Phase, PhaseEnding, PhaseRecord};
use crate::model::Concurrency;
use crate::system::host;

/// Collects phases as they come.
#[derive(Debug)]
pub struct Journal {
    deadlines: Deadlines,
    /// The try that phases belong to, from 1.
    pub(super) attempt: u32,
    phases: Vec<PhaseRecord>,
}

/// A phase that has begun. It ends by being given back to the journal.
#[derive(Debug)]
#[must_use]
pub struct Begun {
    phase: Phase,
    conc: Option<Concurrency>,
    started: String,
    since: Instant,
    deadline: Duration,
}

impl Begun {
    /// When the phase's time is over.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.since + self.deadline
    }

    /// How much of the phase's time is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until().saturating_duration_since(Instant::now())
    }
}

impl Journal {
    /// An empty journal.
    #[must_use]
    pub fn new(deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            attempt: 1,
            phases: Vec::new(),
        }
    }

    /// Begins a phase.
    pub fn begin(&self, phase: Phase, conc: Option<Concurrency>) -> Begun {
        Begun {
            phase,
            conc,
            started: host::timestamp(),
            since: Instant::now(),
            deadline: self.deadlines.of(phase),
        }
    }

    /// Ends a phase.
    pub fn end(&mut self, begun: Begun, ending: PhaseEnding, reason: Option<String>) {
        let Begun {
            phase,
            conc,
            started,
            since,
            deadline,
        } = begun;
        self.phases.push(PhaseRecord {
            phase,
            attempt: self.attempt,
            conc,
            started,
            ended: host::timestamp(),
            seconds: since.elapsed().as_secs_f64(),
            deadline_s: deadline.as_secs_f64(),
            ending,
            reason,
        });
    }

    /// Notes a phase in which nothing was done.
    pub fn skip(&mut self, phase: Phase, reason: &str) {
        let begun = self.begin(phase, None);
        self.end(begun, PhaseEnding::Skipped, Some(reason.to_owned()));
    }

    /// The phases so far.
    #[must_use]
    pub fn into_phases(self) -> Vec<PhaseRecord> {
        self.phases
    }
}
