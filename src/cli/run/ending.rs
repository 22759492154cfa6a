//! The phase stop: whatever came of the engine or of a failed launch is ended, and the post-hooks run.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::life::{Life, Trouble};
use super::watch::{Interruption, SharedEngine};
use crate::fleet::job_state::JobState;
use crate::fleet::reap::reap_job;
use crate::job::{FailureClass, JobFailure, Phase, PhaseEnding};

/// When a cancelled job must have stopped everything: it ends within 7 s of the signal, because GitHub's runner kills what is
/// left after 10, and the rest is for its record.
const CANCELLED: Duration = Duration::from_secs(6);
/// What of that the engine has before it is killed.
const CANCEL_GRACE: Duration = Duration::from_millis(3500);
/// What of that is kept for post-hooks, where there are any.
const HOOKS: Duration = Duration::from_millis(1500);
/// How long processes have to go after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_millis(1500);
/// How long a failed launch may be cleared up.
const CLEARING: Duration = Duration::from_secs(60);

impl Life<'_> {
    /// When everything must be stopped, where a signal came.
    pub(super) fn cancelled_until(&self) -> Option<Instant> {
        self.stop.requested_at().map(|since| since + CANCELLED)
    }

    /// How long the engine of a cancelled job has before it is killed.
    fn cancel_grace(&self) -> Duration {
        if self.spec.profile.hooks.post.is_empty() {
            CANCEL_GRACE
        } else {
            CANCEL_GRACE - HOOKS
        }
    }

    /// Ends what a failed launch may have left. What could not be ended, because the container engine or Slurm has gone
    /// meanwhile, or what may still come of it, stays written down, and a later run finishes it.
    pub(super) fn stop_failed_launch(&mut self, state: JobState) {
        let begun = self.journal.begin(Phase::Stop, None);
        self.voice.line("phase stop");
        let until = self
            .cancelled_until()
            .map_or_else(|| Instant::now() + CLEARING, |until| until - HOOKS);
        // A further signal ends this.
        let reaped = reap_job(state, &self.stop.for_next_request(), until);
        let has_begun_hooks = !reaped.state.hooks_owed.is_empty();
        let hooks = if has_begun_hooks { self.run_post_hooks(&begun) } else { Ok(()) };
        if reaped.is_finished() {
            self.states.forget(&self.spec.id);
        } else {
            self.leave_behind(reaped.state.clone());
        }
        let left = reaped.left.iter().chain(&reaped.awaited);
        let left: Vec<String> = left.map(|what| format!("left for a later `imax run --reap`: {what}")).collect();
        left.iter().for_each(|what| self.voice.line(what));
        let problems: Vec<String> = left.into_iter().chain(hooks.err().map(|failure| failure.reason)).collect();
        if problems.is_empty() {
            self.journal.end(begun, PhaseEnding::Done, None);
        } else {
            self.journal.end(begun, PhaseEnding::Failed, Some(problems.join("; ")));
        }
    }

    /// Keeps the state of a job of which something could not be stopped. Its post-hooks have run.
    fn leave_behind(&mut self, state: JobState) {
        self.left_behind = true;
        let hooks_owed = Vec::new();
        // Where this fails, what is written down names more than there is, which does no harm.
        let _ = self.states.write(&JobState { hooks_owed, ..state });
    }

    pub(super) fn stop_engine(&mut self, engine: SharedEngine, state: JobState) -> Result<(), JobFailure> {
        let was_cancelled = self.stop.is_cancelled();
        let patience = self.stop.requests();
        let begun = self.journal.begin(Phase::Stop, None);
        self.voice.line("phase stop");
        let mut engine = engine.into_inner().unwrap_or_else(PoisonError::into_inner);
        let grace = self.spec.profile.deadlines.of(Phase::Stop);
        let grace = if was_cancelled { grace.min(self.cancel_grace()) } else { grace };
        // A signal during an ordinary stop ends its patience, as a second signal does during a cancelled one.
        let hurry = || self.stop.requests() > patience;
        let report = engine.stop(grace, KILL_LIMIT, &hurry);
        drop(engine);
        let hooks = self.run_post_hooks(&begun);
        let killed = (!report.killed.is_empty()).then(|| format!("killed after SIGTERM did not end it: {}", report.killed.join(", ")));
        if !report.left.is_empty() {
            self.leave_behind(state);
            let reason = format!("still there after SIGKILL: {}", report.left.join(", "));
            self.journal.end(begun, PhaseEnding::Failed, Some(reason.clone()));
            return Err(JobFailure::new(FailureClass::Infra, reason));
        }
        self.states.forget(&self.spec.id);
        // What came first is the cause, and a hook that a signal left too little time is not to blame.
        let ended = match self.stop.cause().filter(|_| !was_cancelled) {
            Some(cause) => Err(Trouble::Interrupted(Interruption::Cancelled(cause))),
            None => hooks.map_err(Trouble::Failed),
        };
        match ended {
            Ok(()) => {
                self.journal.end(begun, PhaseEnding::Done, killed);
                Ok(())
            }
            Err(trouble) => {
                let (ending, failure) = self.explain(Phase::Stop, trouble);
                let reasons: Vec<String> = killed.into_iter().chain([failure.reason.clone()]).collect();
                self.journal.end(begun, ending, Some(reasons.join("; ")));
                Err(failure)
            }
        }
    }
}
