//! The phase eval: runs accuracy tasks on the engine at each concurrency that the row selects. Tasks are read and checked in the phase
//! preflight, before anything is started.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::blocking::blocking;
use super::console::Console;
use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::{Interruption, PhaseError};
use super::load_settings::LoadTarget;
use super::phase::RunningPhase;
use super::preflight::node_timeout;
use super::progress::Progress;
use super::request::EvalOptions;
use super::supervision::{Observer, ProgressSender, WorkLimits, supervise};
use crate::eval::scored_task::Named;
use crate::eval::task_questions::Choices;
use crate::eval::threshold::Thresholds;
use crate::evaluate::{
    DocumentsError, EvaluationError, EvaluationProgress, EvaluationResult, EvaluationSettings, JudgedTask, PreparedTask,
    api_key_from_environment, default_request_settings, evaluate, failed_scores, prepare_tasks, read_thresholds, score_with_error,
};
use crate::job::{EvalRecord, FailureClass, JobFailure, Phase, PhaseEnding, RecipeStyle};
use crate::measure::hub::ReadDocumentsError;
use crate::model::Concurrency;
use crate::model::saturating;
use crate::model::with_causes;
use crate::result::{EvalConcs, Json, eval_meta};
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// Pause between two lines about the progress of an evaluation.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// The longest time for one answer, unless the phase's deadline is shorter.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1800);

/// The tasks of a job, read and checked.
#[derive(Debug)]
pub(super) struct EvalPlan {
    tasks: Vec<PreparedTask>,
    thresholds: Thresholds,
}

/// The evaluation at one concurrency did not pass.
struct EvalFailure {
    failure: JobFailure,
    ending: PhaseEnding,
    /// Whether the engine can be used for further evaluations.
    is_engine_usable: bool,
}

/// Reads the tasks and their data before the engine starts, so that GPUs do not wait for a download or for an invalid task file.
/// `None` if imax evaluates nothing.
pub(super) fn prepare_evals(ctx: &JobContext, phase: &RunningPhase) -> Result<Option<EvalPlan>, PhaseError> {
    if !ctx.spec.row.is_evaluated() {
        return Ok(None);
    }
    let thresholds =
        read_thresholds(ctx.evals.thresholds.as_deref()).map_err(|error| JobFailure::new(FailureClass::Invalid, with_causes(&error)))?;
    if ctx.spec.recipe_style() == RecipeStyle::SelfContained {
        // The recipe evaluates, and its scores are judged by the thresholds, which are known to be readable now.
        return Ok(None);
    }
    let default_tasks = vec![default_task(&ctx.folders.recipes)];
    let named = &ctx.evals.tasks;
    let tasks = if named.is_empty() { &default_tasks } else { named };
    let prepared = blocking(|| {
        prepare_tasks(tasks, choices(&ctx.evals), &mut || {
            !ctx.cancellation.is_cancelled() && !phase.is_late()
        })
    });
    ctx.check_cancelled()?;
    if let (Err(error), true) = (&prepared, phase.is_late()) {
        return Err(node_timeout(
            ctx,
            Phase::Preflight,
            format!("the evaluation is not prepared: {error}"),
        ));
    }
    let tasks = prepared.map_err(|error| {
        let reason = format!("the evaluation cannot be prepared: {error}");
        JobFailure::new(class_of_preparation(&error), reason)
    })?;
    Ok(Some(EvalPlan { tasks, thresholds }))
}

/// The repository's own gsm8k task, else the shipped one.
fn default_task(recipes: &Path) -> PathBuf {
    let own = recipes.join("evals/gsm8k.yaml");
    if own.exists() { own } else { PathBuf::from("gsm8k") }
}

fn class_of_preparation(error: &EvaluationError) -> FailureClass {
    match error {
        EvaluationError::Data {
            source: DocumentsError::Read(ReadDocumentsError::Hub(_)),
            ..
        } => FailureClass::Infra,
        EvaluationError::TaskFile(_)
        | EvaluationError::Task(_)
        | EvaluationError::File(_)
        | EvaluationError::Data { .. }
        | EvaluationError::TaskQuestions(_)
        | EvaluationError::ScoredTask(_)
        | EvaluationError::Request(_)
        | EvaluationError::Journal(_)
        | EvaluationError::SameName(_) => FailureClass::Invalid,
    }
}

fn choices(options: &EvalOptions) -> Choices {
    Choices {
        num_fewshot: options.num_fewshot,
        limit: options.limit,
    }
}

/// Evaluates at each concurrency, also after one that failed, and returns the first failure.
pub(super) async fn evaluate_points(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    target: &LoadTarget,
    plan: Option<EvalPlan>,
) -> Result<(), JobFailure> {
    let Some(plan) = plan.map(Arc::new) else {
        progress.journal.skip(Phase::Eval, "the row requests no evaluation");
        return Ok(());
    };
    let asked = ctx.spec.row.eval_concurrencies();
    let mut completed = Vec::new();
    let mut result = Ok(());
    for conc in &asked {
        let suffix = if asked.len() > 1 { format!("_conc{conc}") } else { String::new() };
        let evaluation = evaluation(ctx, target, &plan, *conc, suffix);
        let running = progress.journal.begin(Phase::Eval, Some(*conc));
        ctx.console.line(&format!("phase eval, concurrency {conc}"));
        let evaluated = evaluate_point(ctx, progress, engine, evaluation, Arc::clone(&plan), *conc).await;
        let (ending, reason) = match &evaluated {
            Ok(()) => (PhaseEnding::Done, None),
            Err(failed) => (failed.ending, Some(failed.failure.reason.clone())),
        };
        progress.journal.end(running, ending, reason);
        match evaluated {
            Ok(()) => completed.push(*conc),
            Err(failed) => {
                result = result.and(Err(failed.failure));
                if !failed.is_engine_usable {
                    return result;
                }
            }
        }
        write_meta(ctx, &asked, &completed)?;
    }
    result
}

fn write_meta(ctx: &JobContext, asked: &[Concurrency], completed: &[Concurrency]) -> Result<(), JobFailure> {
    let meta = eval_meta(&ctx.spec.row, EvalConcs { asked, completed });
    let path = ctx.folders.out.join("meta_env.json");
    files::write(&path, Json::Object(meta).to_pretty().as_bytes()).map_err(|error| JobFailure::new(FailureClass::Infra, error.to_string()))
}

async fn evaluate_point(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    evaluation: EvaluationSettings,
    plan: Arc<EvalPlan>,
    conc: Concurrency,
) -> Result<(), EvalFailure> {
    let limit = ctx.spec.profile.deadlines.of(Phase::Eval);
    // The stall limit of loads does not apply, because a single long answer may take longer.
    let limits = WorkLimits::new(limit, limit);
    let mut printer = ProgressPrinter {
        console: &ctx.console,
        conc,
        printed: Instant::now(),
    };
    let work = move |cancellation: &Cancellation, progress: &ProgressSender<EvaluationProgress>| {
        evaluate(&evaluation, &plan.tasks, cancellation, &mut |update| progress.send(update))
    };
    let (evaluated, interruption) = supervise(engine, &ctx.cancellation, limits, &mut printer, work, has_unanswered).await;
    if let Some(interruption) = interruption {
        return Err(EvalFailure::interrupted(ctx, interruption));
    }
    let evaluated = evaluated.map_err(|error| EvalFailure::new(FailureClass::Client, format!("the evaluation failed: {error}")))?;
    record_scores(ctx, &mut progress.evals, conc, &evaluated);
    check_scores(&evaluated)
}

fn has_unanswered(evaluated: &Result<EvaluationResult, EvaluationError>) -> bool {
    evaluated.as_ref().is_ok_and(|evaluated| !evaluated.is_complete())
}

struct ProgressPrinter<'a> {
    console: &'a Console,
    conc: Concurrency,
    printed: Instant,
}

impl Observer<EvaluationProgress> for ProgressPrinter<'_> {
    fn observe(&mut self, progress: EvaluationProgress, _: &mut WorkLimits) {
        if self.printed.elapsed() < PROGRESS_INTERVAL {
            return;
        }
        self.printed = Instant::now();
        let EvaluationProgress { total, answered, failed } = progress;
        let failures = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        self.console.line(&format!(
            "concurrency {}: eval, {answered} of {total} questions{failures}",
            self.conc
        ));
    }
}

fn evaluation(ctx: &JobContext, target: &LoadTarget, plan: &EvalPlan, conc: Concurrency, suffix: String) -> EvaluationSettings {
    let mut settings = default_request_settings(ctx.evals.api, &target.served_model);
    settings.override_max_gen_toks = ctx.evals.max_gen_toks;
    let row = &ctx.spec.row;
    EvaluationSettings {
        base_url: target.address.url(),
        requests: settings,
        answer_text: ctx.evals.answer_text.clone(),
        key: api_key_from_environment(),
        concurrency: saturating::to_usize(conc.get()),
        timeout: ctx.spec.profile.deadlines.of(Phase::Eval).min(ANSWER_TIMEOUT),
        choices: choices(&ctx.evals),
        output: ctx.folders.out.clone(),
        suffix,
        resume: false,
        thresholds: plan.thresholds.clone(),
        model_names: vec![row.model.to_string(), target.served_model.clone(), row.model_prefix.to_string()],
    }
}

fn record_scores(ctx: &JobContext, records: &mut Vec<EvalRecord>, conc: Concurrency, evaluated: &EvaluationResult) {
    for problem in &evaluated.about.problems {
        ctx.console.line(&format!("warning: {problem}"));
    }
    for judged in &evaluated.tasks {
        print_score(&ctx.console, conc, judged);
        records.push(eval_record(conc, judged, &evaluated.results_file));
    }
}

fn print_score(console: &Console, conc: Concurrency, judged: &JudgedTask) {
    let Some(named) = judged.scored.main_score() else { return };
    let Some(score) = named.score else { return };
    let threshold = judged
        .verdict
        .threshold()
        .map(|threshold| format!(", threshold {threshold}: {}", judged.verdict.as_str()));
    console.line(&format!(
        "concurrency {conc}: {} {} {}{}",
        judged.scored.task,
        named.key(),
        score_with_error(&score),
        threshold.unwrap_or_default()
    ));
}

fn eval_record(conc: Concurrency, judged: &JudgedTask, results: &str) -> EvalRecord {
    let main = judged.scored.main_score();
    let score = main.and_then(|named| named.score);
    EvalRecord {
        conc,
        task: judged.scored.task.clone(),
        score_name: main.map(Named::key).unwrap_or_default(),
        score: score.map(|score| score.mean),
        stderr: score.and_then(|score| score.stderr),
        interval_95: score.map(|score| [score.interval.0, score.interval.1]),
        answered: judged.scored.answered,
        asked: judged.scored.asked,
        threshold: judged.verdict.threshold(),
        verdict: judged.verdict.as_str().to_owned(),
        results: results.to_owned(),
    }
}

fn check_scores(evaluated: &EvaluationResult) -> Result<(), EvalFailure> {
    if !evaluated.is_complete() {
        let problem = evaluated.about.problems.first().cloned().unwrap_or_default();
        let reason = format!("not every question of the evaluation was answered: {problem}");
        return Err(EvalFailure::new(FailureClass::Server, reason));
    }
    let below = failed_scores(&evaluated.tasks);
    if below.is_empty() {
        return Ok(());
    }
    let reason = format!("accuracy is below the threshold by more than the error allows: {below}");
    Err(EvalFailure::new(FailureClass::Server, reason))
}

impl EvalFailure {
    fn new(class: FailureClass, reason: String) -> Self {
        Self {
            failure: JobFailure::new(class, reason),
            ending: PhaseEnding::Failed,
            is_engine_usable: true,
        }
    }

    fn interrupted(ctx: &JobContext, interruption: Interruption) -> Self {
        let is_engine_usable = interruption.leaves_engine_usable();
        let (ending, failure) = ctx.explain(Phase::Eval, interruption.into());
        Self {
            failure,
            ending,
            is_engine_usable,
        }
    }
}
