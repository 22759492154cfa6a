//! A recipe that does everything itself: its end is awaited, and its results are taken.

use std::time::{Duration, SystemTime};

use super::journal::Begun;
use super::life::{Life, Trouble};
use super::watch::{Interruption, SharedEngine, look};
use crate::job::{JobFailure, Outcome, Phase};
use crate::system::process::Ending;

impl Life<'_> {
    /// A recipe that does everything itself: its end is awaited, and its raw result is taken.
    pub(super) fn await_recipe(&mut self, engine: &SharedEngine) -> Result<(), JobFailure> {
        let points = if self.spec.row.is_evaluated_alone() {
            Vec::new()
        } else {
            self.spec.points()
        };
        let begin = SystemTime::now();
        let result = self.phase(Phase::Load, |life, begun| {
            let ended = life.await_end(engine, begun)?;
            match ended {
                Ending::Exited(0) => Ok(()),
                other @ (Ending::Exited(_) | Ending::Signalled(_)) => Err(Trouble::Interrupted(Interruption::EngineEnded(other))),
            }
        });
        for point in points {
            let outcome = match &result {
                Ok(()) => self.take_result(&point, begin),
                Err(failure) => Outcome::Failed(JobFailure {
                    log_tail: None,
                    ..failure.clone()
                }),
            };
            self.note_point(&point, outcome, None);
        }
        result
    }

    fn await_end(&mut self, engine: &SharedEngine, begun: &Begun) -> Result<Ending, Trouble> {
        loop {
            match look(engine, self.stop) {
                Some(Interruption::EngineEnded(ending)) => return Ok(ending),
                Some(other) => return Err(Trouble::Interrupted(other)),
                None => {}
            }
            if begun.left().is_zero() {
                let limit = self.spec.profile.deadlines.of(Phase::Load);
                return Err(Trouble::Interrupted(Interruption::Deadline {
                    phase: Phase::Load,
                    limit,
                    last: None,
                }));
            }
            let _ = self.stop.wait_timeout(Duration::from_millis(50).min(begun.left()));
        }
    }
}
