//! The commands that a profile puts around a job. Where the first of those before it began, those after it run too,
//! whatever became of the job: they may give back what the former took.

use std::time::{Duration, Instant};

use super::journal::Begun;
use super::life::{Life, Trouble};
use super::watch::Interruption;
use crate::job::{FailureClass, JobFailure};
use crate::system::process::{Ending, Group, Input, StartedFrom};

/// How often a hook is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a hook that must end has after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);
/// What post-hooks have at least, also where stopping the engine took all of the phase's time.
const LEAST: Duration = Duration::from_secs(10);

impl Life<'_> {
    /// Runs the pre-hooks one after the other with the recipe's environment, in the time that the phase has left.
    pub(super) fn run_pre_hooks(&self, begun: &Begun) -> Result<(), Trouble> {
        for hook in &self.spec.profile.hooks.pre {
            self.run_hook(hook, &|| match self.stop.cause() {
                Some(cause) => Some(Trouble::Interrupted(Interruption::Cancelled(cause))),
                None => begun.left().is_zero().then(|| Trouble::Failed(late(hook))),
            })?;
        }
        Ok(())
    }

    /// Runs all post-hooks, also after one that fails. A signal leaves them what a cancelled job has left, in equal parts.
    /// The failure is the first one's; each is said.
    pub(super) fn run_post_hooks(&self, begun: &Begun) -> Result<(), JobFailure> {
        let until = begun.until().max(Instant::now() + LEAST);
        let mut result = Ok(());
        let hooks = &self.spec.profile.hooks.post;
        for (hook, waiting) in hooks.iter().zip(remaining(hooks.len())) {
            let begun = Instant::now();
            let is_over = || {
                let cancelled = self.stop.requested_at().zip(self.cancelled_until());
                let until = cancelled.map_or(until, |(since, end)| share(begun.max(since), end, waiting).min(until));
                Instant::now() >= until
            };
            let ended = self.run_hook(hook, &|| is_over().then(|| late(hook)));
            if let Err(failure) = &ended {
                self.voice.line(&failure.reason);
            }
            result = result.and(ended);
        }
        result
    }

    /// Runs a hook until `over` gives a reason to end it.
    fn run_hook<E: From<JobFailure>>(&self, hook: &str, over: &dyn Fn() -> Option<E>) -> Result<(), E> {
        if let Some(reason) = over() {
            return Err(reason);
        }
        self.voice.line(&format!("hook: {hook}"));
        // A mark of its own: the engine's stop must not end a hook, nor a hook's end the engine.
        let mark = format!("{}-hook", self.spec.id);
        let mut group = Group::start(&StartedFrom {
            program: "bash",
            arguments: &["-c".to_owned(), hook.to_owned()],
            folder: &self.places.repository,
            input: Input::Empty,
            environment: self.environment,
            job: &mark,
            log: &self.log(),
        })
        .map_err(|error| infra(error.to_string()))?;
        let ended = loop {
            if let Some(ending) = group.poll().map_err(|error| infra(error.to_string()))? {
                break Ok(ending);
            }
            if let Some(reason) = over() {
                break Err(reason);
            }
            std::thread::sleep(LOOK);
        };
        let hurry = || self.cancelled_until().is_some_and(|until| Instant::now() >= until);
        let _ = group.stop(GRACE, GRACE, &hurry);
        match ended? {
            Ending::Exited(0) => Ok(()),
            other @ (Ending::Exited(_) | Ending::Signalled(_)) => Err(infra(format!("hook `{hook}` {other}; see server.log")).into()),
        }
    }
}

fn infra(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Infra, reason)
}

fn late(hook: &str) -> JobFailure {
    infra(format!("hook `{hook}` was not over in time"))
}

/// How many are still to run, for each of `count`, itself with them.
fn remaining(count: usize) -> impl Iterator<Item = u32> {
    (1..=u32::try_from(count).unwrap_or(u32::MAX)).rev()
}

/// When the first of `count` equal parts of the time between two moments ends.
fn share(from: Instant, end: Instant, count: u32) -> Instant {
    from + end.saturating_duration_since(from) / count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_shared_out() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(remaining(3).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(share(now, after(6), 3), after(2));
        assert_eq!(share(after(2), after(6), 1), after(6));
        // Too late for anything.
        assert_eq!(share(after(9), after(6), 2), after(9));
    }
}
