//! The life of a job, phase by phase, from a clean start to a clean end. Whatever happens between launch and stop,
//! stop is reached.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::evals::is_alone;
use super::journal::{Begun, Journal};
use super::load::Engine as LoadTarget;
use super::prepare::Places;
use super::voice::Voice;
use super::watch::{Interruption, SharedEngine, look};
use crate::edge::engine_log;
use crate::edge::host;
use crate::edge::job_state::{JobState, StateFolder};
use crate::edge::launcher::{LaunchError, LaunchRequest, Tries, launcher_of};
use crate::edge::process::Ending;
use crate::edge::ready::{NotReady, Target, wait_until_ready};
use crate::edge::stop::{StopCause, StopSignal};
use crate::edge::telemetry::{HostSampler, Sampler};
use crate::job::{
    Attempt, EvalRecord, FailureClass, GpuSample, HostSample, JobFailure, JobSpec, NodeFacts, Outcome, Phase, PhaseEnding, PhaseRecord,
    PointRecord, RecipeStyle, Resolved, Variable, diagnose,
};
use crate::model::Secret;

/// A cancelled job must have stopped everything after 7 s: GitHub's runner kills what is left after 10.
const CANCEL_GRACE: Duration = Duration::from_millis(3500);
/// How long processes have to go after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_millis(1500);
/// Lines of the engine's log that go with a failure.
const TAIL_LINES: usize = 40;

/// Everything that a job needs to live.
pub struct Life<'a> {
    pub(super) spec: &'a JobSpec,
    pub(super) places: &'a Places,
    pub(super) stop: &'a StopSignal,
    pub(super) voice: &'a Voice,
    pub(super) environment: &'a [Variable],
    pub(super) secrets: &'a [Secret],
    pub(super) port: u16,
    pub(super) seed: u64,
    pub(super) states: &'a StateFolder,
    pub(super) journal: Journal,
    pub(super) points: Vec<PointRecord>,
    pub(super) served_model: Option<String>,
    pub(super) facts: BTreeMap<String, String>,
    pub(super) loaded: Vec<super::points::Loaded>,
    pub(super) sampler: Option<Sampler>,
    pub(super) samples: Vec<GpuSample>,
    pub(super) host_sampler: Option<HostSampler>,
    pub(super) host_samples: Vec<HostSample>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) pulls: Tries,
    /// What the preflight found of the node.
    pub(super) node: NodeFacts,
    /// Whether something that this job started could not be stopped.
    pub(super) left_behind: bool,
    /// What is evaluated where the row asks for it.
    pub(super) evals: &'a super::evals::EvalOptions,
    pub(super) eval_plan: Option<super::evals::EvalPlan>,
    pub(super) eval_records: Vec<EvalRecord>,
}

/// What is left of a life.
pub struct Lived {
    /// Why the job as a whole failed, if it did.
    pub failure: Option<JobFailure>,
    /// Each point that was begun.
    pub points: Vec<PointRecord>,
    /// Each phase that was begun.
    pub phases: Vec<PhaseRecord>,
    /// The name under which the engine served the model.
    pub served_model: Option<String>,
    /// What the launcher knows of the engine.
    pub facts: BTreeMap<String, String>,
    /// What the preflight found of the node.
    pub node: NodeFacts,
    /// What was tried, and how often.
    pub attempts: Vec<Attempt>,
    /// The scores of evaluations.
    pub evals: Vec<EvalRecord>,
}

/// Why a phase did not end well.
pub(super) enum Trouble {
    /// Something ended it from outside.
    Interrupted(Interruption),
    /// It failed by itself.
    Failed(JobFailure),
}

impl From<JobFailure> for Trouble {
    fn from(failure: JobFailure) -> Self {
        Self::Failed(failure)
    }
}

impl Life<'_> {
    /// One try.
    pub(super) fn run(&mut self) -> Result<(), JobFailure> {
        self.phase(Phase::Preflight, |life, begun| {
            life.preflight()?;
            life.prepare_evals(begun)
        })?;
        self.phase(Phase::Clean, |life, begun| life.clean(begun))?;
        let state = JobState::of_this_process(self.spec.id.clone(), &self.places.out, host::timestamp());
        let launched = self.phase(Phase::Launch, |life, begun| life.launch(state, begun));
        let engine = match launched {
            Ok(engine) => Mutex::new(engine),
            Err(failure) => {
                // A launcher leaves nothing of a failed attempt.
                self.states.forget(&self.spec.id);
                return Err(failure);
            }
        };
        let used = self.await_turn(&engine).and_then(|()| {
            self.start_sampling();
            self.use_engine(&engine)
        });
        self.finish_sampling();
        let stopped = self.stop_engine(engine);
        let collected = self.collect();
        // The first failure is the cause; those of stopping and collecting may only follow from it.
        used.and(stopped).and(collected)?;
        match self.stop.cause() {
            Some(cause) => Err(Interruption::Cancelled(cause).failure(Phase::Collect)),
            None => Ok(()),
        }
    }

    fn use_engine(&mut self, engine: &SharedEngine) -> Result<(), JobFailure> {
        match self.spec.recipe.style {
            RecipeStyle::EngineOnly => {
                let target = self.phase(Phase::Ready, |life, begun| life.ready(engine, begun))?;
                if is_alone(&self.spec.row) {
                    for phase in [Phase::WarmUp, Phase::Load] {
                        self.journal.skip(phase, "the row asks for an evaluation alone");
                    }
                } else {
                    self.load_points(engine, &target)?;
                }
                self.evaluate_points(engine, &target)
            }
            RecipeStyle::SelfContained => {
                self.journal.skip(Phase::Ready, "the recipe waits for its engine itself");
                self.journal.skip(Phase::WarmUp, "the recipe warms its engine up itself");
                let begin = std::time::SystemTime::now();
                self.await_recipe(engine)?;
                self.take_evals(begin)
            }
        }
    }

    /// Runs a phase and notes how it ended.
    pub(super) fn phase<T>(&mut self, phase: Phase, work: impl FnOnce(&mut Self, &Begun) -> Result<T, Trouble>) -> Result<T, JobFailure> {
        let begun = self.journal.begin(phase, None);
        self.voice.line(&format!("phase {phase}"));
        let result = match self.stop.cause() {
            Some(cause) => Err(Trouble::Interrupted(Interruption::Cancelled(cause))),
            None => work(self, &begun),
        };
        match result {
            Ok(value) => {
                self.journal.end(begun, PhaseEnding::Done, None);
                Ok(value)
            }
            Err(trouble) => {
                let (ending, failure) = self.explain(phase, trouble);
                self.journal.end(begun, ending, Some(failure.reason.clone()));
                Err(failure)
            }
        }
    }

    /// How a phase ended, and the failure with what the engine's log says about it.
    pub(super) fn explain(&self, phase: Phase, trouble: Trouble) -> (PhaseEnding, JobFailure) {
        match trouble {
            Trouble::Failed(failure) => (PhaseEnding::Failed, failure),
            Trouble::Interrupted(interruption) => {
                let failure = interruption.failure(phase);
                let failure = match interruption {
                    Interruption::Cancelled(_) | Interruption::StillQueued { .. } => failure,
                    Interruption::EngineEnded(_)
                    | Interruption::EngineLost(_)
                    | Interruption::Explained(_)
                    | Interruption::Deadline { .. }
                    | Interruption::Stalled(_) => self.with_log(failure),
                };
                (interruption.ending(), failure)
            }
        }
    }

    fn with_log(&self, mut failure: JobFailure) -> JobFailure {
        let log = engine_log::tail(&self.log(), self.secrets);
        // What the launcher knows for sure is not explained again by what a log seems to say.
        if let Some(diagnosis) = diagnose(&log).filter(|_| failure.cause.is_none()) {
            failure.reason = format!("{}: {} (log: {})", failure.reason, diagnosis.cause.sentence, diagnosis.line);
            failure.cause = Some(diagnosis.cause.code.to_owned());
        }
        let tail = engine_log::last_lines(&log, TAIL_LINES);
        failure.log_tail = (!tail.is_empty()).then_some(tail);
        failure
    }

    pub(super) fn log(&self) -> std::path::PathBuf {
        self.places.out.join("server.log")
    }

    fn launch(&mut self, mut state: JobState, begun: &Begun) -> Result<Box<dyn crate::edge::launcher::Engine>, Trouble> {
        let infra = |error: String| JobFailure::new(FailureClass::Infra, error);
        let launcher = launcher_of(&self.spec.profile.launch);
        state.holds = launcher.holds(self.spec);
        // Written before anything is started: whatever comes of it can be found if we are killed.
        self.states.write(&state).map_err(|error| infra(error.to_string()))?;
        self.run_hooks(&self.spec.profile.hooks.pre, begun)?;
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
        });
        let engine = engine.map_err(|error| self.launch_trouble(&error))?;
        self.facts = engine.facts();
        Ok(engine)
    }

    fn launch_trouble(&self, error: &LaunchError) -> Trouble {
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

    fn ready(&mut self, engine: &SharedEngine, begun: &Begun) -> Result<LoadTarget, Trouble> {
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

    /// A recipe that does everything itself: its end is awaited, and its raw result is taken.
    fn await_recipe(&mut self, engine: &SharedEngine) -> Result<(), JobFailure> {
        let points = if is_alone(&self.spec.row) { Vec::new() } else { self.spec.points() };
        let begin = std::time::SystemTime::now();
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
            let _ = self.stop.wait_for(Duration::from_millis(50).min(begun.left()));
        }
    }

    /// Notes what became of a point.
    pub(super) fn note_point(&mut self, point: &Resolved, outcome: Outcome, raw: Option<String>) {
        let Resolved { conc, result_filename } = point;
        let record = PointRecord {
            conc: *conc,
            result_filename: result_filename.clone(),
            outcome,
            raw,
            normalised: None,
            energy: None,
            gpu_usage: None,
            host_use: None,
        };
        match self.points.iter_mut().find(|known| known.conc == *conc) {
            Some(known) => {
                known.outcome = record.outcome;
                known.raw = record.raw.or(known.raw.take());
            }
            None => self.points.push(record),
        }
    }

    fn stop_engine(&mut self, engine: SharedEngine) -> Result<(), JobFailure> {
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
