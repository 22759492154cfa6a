//! The commands that a profile puts around a job.

use super::journal::Begun;
use super::life::{Life, Trouble};
use super::watch::Interruption;
use crate::edge::process::{Ending, Group, Input, StartedFrom};
use crate::job::{FailureClass, JobFailure};
use std::time::Duration;

/// How often a hook is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a hook that must end has after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

impl Life<'_> {
    /// Runs the commands one after the other with the recipe's environment, in the time that the phase has left.
    pub(super) fn run_hooks(&self, hooks: &[String], begun: &Begun) -> Result<(), Trouble> {
        for hook in hooks {
            self.voice.line(&format!("hook: {hook}"));
            self.run_hook(hook, begun)?;
        }
        Ok(())
    }

    fn run_hook(&self, hook: &str, begun: &Begun) -> Result<(), Trouble> {
        let infra = |reason: String| Trouble::Failed(JobFailure::new(FailureClass::Infra, reason));
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
            match group.poll().map_err(|error| infra(error.to_string()))? {
                Some(ending) => break Ok(ending),
                None if begun.left().is_zero() => break Err(infra(format!("hook `{hook}` was not over at the deadline of its phase"))),
                None => {}
            }
            if let Some(cause) = self.stop.wait_for(LOOK) {
                break Err(Trouble::Interrupted(Interruption::Cancelled(cause)));
            }
        };
        let _ = group.stop(GRACE, GRACE, &|| false);
        match ended? {
            Ending::Exited(0) => Ok(()),
            other @ (Ending::Exited(_) | Ending::Signalled(_)) => Err(infra(format!("hook `{hook}` {other}; see server.log"))),
        }
    }
}
