//! The life of a job, phase by phase, from a clean start to a clean end. Whatever happens between launch and stop,
//! stop is reached.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::journal::{Begun, Journal};
use super::prepare::Places;
use super::voice::Voice;
use super::watch::{Interruption, SharedEngine};
use crate::fleet::engine_log;
use crate::fleet::job_state::{JobState, StateFolder};
use crate::fleet::launcher::Tries;
use crate::fleet::telemetry::{HostSampler, Sampler};
use crate::git::checkout::Checkout;
use crate::job::{
    Attempt, EvalRecord, GpuSample, HostSample, JobFailure, JobSpec, NodeFacts, Outcome, Phase, PhaseEnding, PhaseRecord, PointRecord,
    RecipeStyle, Resolved, diagnose,
};
use crate::model::{Secret, Variable};
use crate::system::cancellation::Cancellation;
use crate::system::host;

/// Lines of the engine's log that go with a failure.
const TAIL_LINES: usize = 40;

/// Everything that a job needs to live.
pub struct Life<'a> {
    pub(super) spec: &'a JobSpec,
    pub(super) places: &'a Places,
    /// The commit that is measured, as soon as git has said it.
    pub(super) checkout: &'a Checkout,
    pub(super) stop: &'a Cancellation,
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
    /// The nodes that a scheduler gave the job, in its order.
    pub(super) nodes: Vec<String>,
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
            life.preflight(begun)?;
            life.prepare_evals(begun)
        })?;
        self.phase(Phase::Clean, |life, begun| life.clean(begun))?;
        let mut state = JobState::of_this_process(self.spec.id.clone(), &self.places.out, host::timestamp());
        let launched = self.phase(Phase::Launch, |life, begun| life.launch(&mut state, begun));
        let engine = match launched {
            Ok(engine) => Mutex::new(engine),
            Err(failure) => {
                self.stop_failed_launch(state);
                return Err(failure);
            }
        };
        let used = self.await_turn(&engine).and_then(|()| {
            self.start_sampling();
            self.use_engine(&engine)
        });
        self.finish_sampling();
        let stopped = self.stop_engine(engine, state);
        self.take_node_facts();
        // The first failure is the cause; those of stopping and collecting may only follow from it.
        let ended = used.and(stopped);
        let collected = self.collect(ended.is_err());
        ended.and(collected)
    }

    fn use_engine(&mut self, engine: &SharedEngine) -> Result<(), JobFailure> {
        match self.spec.recipe.style {
            RecipeStyle::EngineOnly => {
                let target = self.phase(Phase::Ready, |life, begun| life.ready(engine, begun))?;
                if self.spec.row.is_evaluated_alone() {
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
                    Interruption::Cancelled(_) | Interruption::StillQueued { .. } | Interruption::NodeLate { .. } => failure,
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

    /// Notes what became of a point.
    pub(super) fn note_point(&mut self, point: &Resolved, outcome: Outcome, raw: Option<String>) {
        let Resolved { conc, result_filename } = point;
        match self.points.iter_mut().find(|known| known.conc == *conc) {
            Some(known) => {
                known.outcome = outcome;
                known.raw = raw.or(known.raw.take());
            }
            None => self.points.push(PointRecord {
                raw,
                ..PointRecord::new(*conc, result_filename.clone(), outcome)
            }),
        }
    }
}
