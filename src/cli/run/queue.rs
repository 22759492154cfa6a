//! The wait for a scheduler: a phase of its own with a deadline of its own, because a busy cluster says nothing about what
//! is measured.

use std::sync::PoisonError;
use std::time::Duration;

use super::journal::Begun;
use super::life::{Life, Trouble};
use super::watch::{Interruption, SharedEngine, look};
use crate::fleet::launcher::Turn;
use crate::job::{JobFailure, Phase};

/// How often the queue's state is looked at; the scheduler itself is asked less often.
const LOOK: Duration = Duration::from_millis(50);

impl Life<'_> {
    /// Waits until the engine has what it runs on. Without a queue there is no such phase.
    pub(super) fn await_turn(&mut self, engine: &SharedEngine) -> Result<(), JobFailure> {
        if turn(engine) == Turn::NoQueue {
            return Ok(());
        }
        self.phase(Phase::Queue, |life, begun| life.queue(engine, begun))?;
        let engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
        (self.facts, self.nodes) = (engine.facts(), engine.nodes().to_vec());
        Ok(())
    }

    fn queue(&mut self, engine: &SharedEngine, begun: &Begun) -> Result<(), Trouble> {
        let mut said = String::new();
        loop {
            // Something that ended while it waited, or just after, is noticed here with its reason.
            if let Some(interruption) = look(engine, self.stop) {
                return Err(Trouble::Interrupted(interruption));
            }
            let waits = match turn(engine) {
                Turn::NoQueue => return Ok(()),
                Turn::Come { place } => {
                    self.voice.line(&place);
                    return Ok(());
                }
                Turn::Waits { what, reason } => format!("{what} waits: {reason}"),
            };
            if waits != said {
                self.voice.line(&waits);
                said.clone_from(&waits);
            }
            if begun.left().is_zero() {
                return Err(Trouble::Interrupted(Interruption::StillQueued {
                    limit: self.spec.profile.deadlines.of(Phase::Queue),
                    waits,
                }));
            }
            let _ = self.stop.wait_timeout(LOOK.min(begun.left()));
        }
    }
}

fn turn(engine: &SharedEngine) -> Turn {
    engine.lock().unwrap_or_else(PoisonError::into_inner).turn()
}
