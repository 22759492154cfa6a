//! From a clean node to an engine that answers: the phases launch and ready.

use std::ops::ControlFlow;
use std::sync::PoisonError;

use super::journal::Begun;
use super::life::{Life, Trouble};
use super::load::Engine as LoadTarget;
use super::watch::{Interruption, SharedEngine, look};
use crate::fleet::job_state::JobState;
use crate::fleet::launcher::{Engine, LaunchError, LaunchRequest, launcher_of};
use crate::fleet::readiness::{NotReady, Target, wait_until_ready};
use crate::job::{FailureClass, JobFailure, Phase};
use crate::system::host;

impl Life<'_> {
    pub(super) fn launch(&mut self, state: &mut JobState, begun: &Begun) -> Result<Box<dyn Engine>, Trouble> {
        let infra = |error: String| JobFailure::new(FailureClass::Infra, error);
        let launcher = launcher_of(&self.spec.profile.launch);
        state.holds = launcher.holds(self.spec);
        state.hooks_owed.clone_from(&self.spec.profile.hooks.post);
        // Written before anything is started: whatever comes of it can be found if we are killed.
        if let Err(error) = self.states.write(state) {
            // No hook has begun.
            state.hooks_owed.clear();
            return Err(infra(error.to_string()).into());
        }
        self.run_pre_hooks(begun)?;
        state.asked = Some(host::timestamp());
        self.states.write(state).map_err(|error| infra(error.to_string()))?;
        let engine = launcher.launch(&LaunchRequest {
            spec: self.spec,
            environment: self.environment,
            recipe_folder: &self.places.recipes,
            runner_folder: &self.places.runners,
            repository: &self.places.repository,
            out: &self.places.out,
            log: &self.log(),
            port: self.port,
            stop: self.stop,
            until: begun.until(),
            tries: &self.pulls,
            say: &|text| self.voice.line(text),
        });
        if !matches!(engine, Err(LaunchError::Unanswered(_))) {
            state.asked = None;
        }
        let engine = engine.map_err(|error| self.launch_trouble(&error))?;
        // Where this fails, what is written down names more than there may be, which does no harm.
        let _ = self.states.write(state);
        self.facts = engine.facts();
        Ok(engine)
    }

    fn launch_trouble(&self, error: &LaunchError) -> Trouble {
        if let LaunchError::Unanswered(cause) = error {
            return self.launch_trouble(cause);
        }
        let cancelled = matches!(error, LaunchError::Stopped).then(|| self.stop.cause()).flatten();
        if let Some(cause) = cancelled {
            return Trouble::Interrupted(Interruption::Cancelled(cause));
        }
        if let LaunchError::Late(what) = error {
            return Trouble::Interrupted(Interruption::Deadline {
                phase: Phase::Launch,
                limit: self.spec.profile.deadlines.of(Phase::Launch),
                last: Some(what.clone()),
            });
        }
        let explained = if let LaunchError::Explained(failure) = error {
            failure.clone()
        } else {
            JobFailure::new(FailureClass::Infra, error.to_string())
        };
        Trouble::Failed(explained.with_cause())
    }

    pub(super) fn ready(&mut self, engine: &SharedEngine, begun: &Begun) -> Result<LoadTarget, Trouble> {
        let host = engine.lock().unwrap_or_else(PoisonError::into_inner).host().to_owned();
        let target = Target {
            host: host.clone(),
            port: self.port,
            tls: None,
            health_path: self.spec.profile.health_path.clone(),
            model: self.spec.row.model.to_string(),
        };
        let mut check = || match look(engine, self.stop) {
            Some(interruption) => ControlFlow::Break(interruption),
            None => ControlFlow::Continue(()),
        };
        let limit = begun.left();
        let ready = wait_until_ready(&target, limit, &mut check).map_err(|error| {
            Trouble::Interrupted(match error {
                NotReady::Ended(interruption) => interruption,
                NotReady::Late { waited, last } => Interruption::Deadline {
                    phase: Phase::Ready,
                    limit: waited,
                    last: Some(last),
                },
            })
        })?;
        self.voice
            .line(&format!("the engine serves {} on port {}", ready.served_model, self.port));
        self.served_model = Some(ready.served_model.clone());
        let target = LoadTarget {
            host,
            port: self.port,
            served_model: ready.served_model,
        };
        self.note_engine_version(&target);
        Ok(target)
    }
}
