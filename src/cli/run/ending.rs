//! The phase stop: whatever came of the engine is ended, and the post-hooks run where nobody is in a hurry.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::life::{Life, Trouble};
use super::watch::{Interruption, SharedEngine};
use crate::edge::stop::StopCause;
use crate::job::{FailureClass, JobFailure, Phase, PhaseEnding};

/// When a cancelled job must have stopped everything: it ends within 7 s of the signal, because GitHub's runner kills what is
/// left after 10, and the rest is for its record.
const CANCELLED: Duration = Duration::from_secs(6);
/// What of that the engine has before it is killed.
const CANCEL_GRACE: Duration = Duration::from_millis(3500);
/// How long processes have to go after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_millis(1500);

/// What of that is kept for post-hooks.
const HOOKS: Duration = Duration::from_millis(1500);
/// How long a failed launch may be cleared up.
const CLEARING: Duration = Duration::from_secs(60);

impl Life<'_> {
    /// How long a failed launch may be cleared up from now on.
    pub(super) fn clear_until(&self) -> Instant {
        self.stop
            .since()
            .map_or_else(|| Instant::now() + CLEARING, |since| since + CANCELLED - HOOKS)
    }

    pub(super) fn stop_engine(&mut self, engine: SharedEngine) -> Result<(), JobFailure> {
        let was_cancelled = self.stop.is_set();
        let patience = self.stop.times_raised();
        let begun = self.journal.begin(Phase::Stop, None);
        self.voice.line("phase stop");
        let mut engine = engine.into_inner().unwrap_or_else(PoisonError::into_inner);
        let grace = self.spec.profile.deadlines.of(Phase::Stop);
        let grace = if was_cancelled { grace.min(CANCEL_GRACE) } else { grace };
        // A signal during an ordinary stop ends its patience, as a second signal does during a cancelled one.
        let hurry = || self.stop.times_raised() > patience;
        let report = engine.stop(grace, KILL_LIMIT, &hurry);
        drop(engine);
        let hooks = if self.stop.is_set() {
            Ok(())
        } else {
            self.run_hooks(&self.spec.profile.hooks.post, &begun)
        };
        let killed = (!report.killed.is_empty()).then(|| format!("killed after SIGTERM did not end it: {}", report.killed.join(", ")));
        if !report.left.is_empty() {
            self.left_behind = true;
            let reason = format!("still there after SIGKILL: {}", report.left.join(", "));
            self.journal.end(begun, PhaseEnding::Failed, Some(reason.clone()));
            return Err(JobFailure::new(FailureClass::Infra, reason));
        }
        self.states.forget(&self.spec.id);
        match hooks {
            Ok(()) if self.stop.is_set() && !was_cancelled => {
                let cause = self.stop.cause().unwrap_or(StopCause::Terminate);
                let (ending, failure) = self.explain(Phase::Stop, Trouble::Interrupted(Interruption::Cancelled(cause)));
                self.journal.end(begun, ending, killed);
                Err(failure)
            }
            Ok(()) => {
                self.journal.end(begun, PhaseEnding::Done, killed);
                Ok(())
            }
            Err(trouble) => {
                let (ending, failure) = self.explain(Phase::Stop, trouble);
                self.journal.end(begun, ending, Some(failure.reason.clone()));
                Err(failure)
            }
        }
    }
}
