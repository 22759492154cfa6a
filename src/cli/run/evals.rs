//! The evaluation of a row: its tasks are read before anything is started, and asked of the engine that is up, at each
//! concurrency that the row asks for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::journal::Begun;
use super::life::{Life, Trouble};
use super::load::Engine as LoadTarget;
use super::watch::{Interruption, LoadClock, SharedEngine, watched};
use crate::cli::eval::ApiArg;
use crate::cli::in_words;
use crate::eval::exam::Choices;
use crate::eval::threshold::Thresholds;
use crate::evaluate::{
    DocumentsError, EvaluationError, EvaluationResult, EvaluationSettings, JudgedTask, PreparedTask, api_key_from_environment,
    default_request_settings, evaluate, failed_scores, prepare_tasks, read_thresholds, score_with_error,
};
use crate::job::{EvalRecord, FailureClass, JobFailure, Phase, PhaseEnding, RecipeStyle};
use crate::matrix::Row;
use crate::model::Concurrency;
use crate::result::{EvalConcs, Json, eval_meta};
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// Pause between two lines about an evaluation.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// How long one answer may take, where the phase's deadline is longer.
const ONE_ANSWER: Duration = Duration::from_secs(1800);

/// What is evaluated on rows that ask for it.
#[derive(Debug, Clone, Args)]
pub struct EvalOptions {
    /// Task files for rows that ask for an evaluation; benchmarks/evals/gsm8k.yaml where none is named.
    #[arg(long, value_name = "FILE", num_args = 1.., value_delimiter = ',', env = "IMAX_EVAL_TASKS")]
    pub eval_tasks: Vec<PathBuf>,
    /// Only the first questions of each task.
    #[arg(long, value_name = "N", env = "IMAX_EVAL_LIMIT")]
    pub eval_limit: Option<usize>,
    /// Examples before each question, instead of the task's number.
    #[arg(long, value_name = "N", env = "IMAX_EVAL_NUM_FEWSHOT")]
    pub eval_num_fewshot: Option<usize>,
    /// Most tokens of an answer, instead of the task's number.
    #[arg(long, value_name = "N", env = "IMAX_EVAL_MAX_GEN_TOKS")]
    pub eval_max_gen_toks: Option<u32>,
    /// Form of the requests of an evaluation.
    #[arg(long, value_enum, env = "IMAX_EVAL_API", default_value_t = ApiArg::Chat)]
    pub eval_api: ApiArg,
    /// What scores have to be; configs/eval-thresholds.yaml where it is there.
    #[arg(long, value_name = "FILE", env = "IMAX_EVAL_THRESHOLDS")]
    pub eval_thresholds: Option<PathBuf>,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self {
            eval_tasks: Vec::new(),
            eval_limit: None,
            eval_num_fewshot: None,
            eval_max_gen_toks: None,
            eval_api: ApiArg::Chat,
            eval_thresholds: None,
        }
    }
}

/// The tasks of a job, read.
#[derive(Debug)]
pub struct EvalPlan {
    tasks: Vec<PreparedTask>,
    thresholds: Thresholds,
}

/// The concurrencies at which a row is evaluated: all, the one that it names, or its highest.
fn concurrencies(row: &Row) -> Vec<Concurrency> {
    let all = row.conc.as_slice();
    match (row.eval.all_concs, row.eval.conc) {
        (Some(true), _) => all.to_vec(),
        (Some(false) | None, Some(conc)) => vec![conc],
        (Some(false) | None, None) => all.iter().max().copied().into_iter().collect(),
    }
}

impl Life<'_> {
    fn choices(&self) -> Choices {
        Choices {
            num_fewshot: self.evals.eval_num_fewshot,
            limit: self.evals.eval_limit,
        }
    }

    /// Reads tasks and data before the engine is started: GPUs must not wait for a download, nor for a broken task file.
    pub(super) fn prepare_evals(&mut self, begun: &Begun) -> Result<(), Trouble> {
        if !self.spec.row.is_evaluated() || self.spec.recipe.style == RecipeStyle::SelfContained {
            return Ok(());
        }
        let usual = vec![self.places.recipes.join("evals/gsm8k.yaml")];
        let named = &self.evals.eval_tasks;
        let tasks = if named.is_empty() { &usual } else { named };
        let mut go_on = || !self.stop.is_cancelled() && !begun.left().is_zero();
        let prepared = prepare_tasks(tasks, self.choices(), &mut go_on);
        if let Some(cause) = self.stop.cause() {
            return Err(Trouble::Interrupted(Interruption::Cancelled(cause)));
        }
        if let (Err(error), true) = (&prepared, begun.left().is_zero()) {
            return Err(self.node_late(Phase::Preflight, format!("the evaluation is not prepared: {error}")));
        }
        let thresholds = read_thresholds(self.evals.eval_thresholds.as_deref())
            .map_err(|error| JobFailure::new(FailureClass::Invalid, in_words(&error.into())))?;
        let tasks = prepared.map_err(|error| {
            let class = match &error {
                EvaluationError::Data {
                    source: DocumentsError::Hub(_),
                    ..
                } => FailureClass::Infra,
                EvaluationError::Task(_)
                | EvaluationError::File(_)
                | EvaluationError::Data { .. }
                | EvaluationError::Exam(_)
                | EvaluationError::Sheet(_)
                | EvaluationError::Request(_)
                | EvaluationError::Journal(_)
                | EvaluationError::SameName(_) => FailureClass::Invalid,
            };
            JobFailure::new(class, format!("the evaluation cannot be prepared: {error}"))
        })?;
        self.eval_plan = Some(EvalPlan { tasks, thresholds });
        Ok(())
    }

    /// Evaluates at each concurrency in its turn, all of them also where one fails.
    pub(super) fn evaluate_points(&mut self, engine: &SharedEngine, target: &LoadTarget) -> Result<(), JobFailure> {
        let Some(plan) = self.eval_plan.take() else {
            self.journal.skip(Phase::Eval, "the row asks for no evaluation");
            return Ok(());
        };
        let asked = concurrencies(&self.spec.row);
        let mut completed = Vec::new();
        let mut first_failure = None;
        for conc in &asked {
            let evaluated = self.evaluate_point(engine, target, &plan, *conc, asked.len() > 1);
            match evaluated {
                Ok(()) => completed.push(*conc),
                Err((failure, fatal)) => {
                    first_failure = first_failure.or(Some(failure));
                    if fatal {
                        break;
                    }
                }
            }
            let meta = eval_meta(
                &self.spec.row,
                EvalConcs {
                    asked: &asked,
                    completed: &completed,
                },
            );
            let path = self.places.out.join("meta_env.json");
            files::write(&path, Json::Object(meta).to_pretty().as_bytes())
                .map_err(|error| JobFailure::new(FailureClass::Infra, error.to_string()))?;
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// One evaluation. The failure says whether the engine is of no more use.
    fn evaluate_point(
        &mut self,
        engine: &SharedEngine,
        target: &LoadTarget,
        plan: &EvalPlan,
        conc: Concurrency,
        several: bool,
    ) -> Result<(), (JobFailure, bool)> {
        let evaluation = self.evaluation(target, plan, conc, several);
        let limit = self.spec.profile.deadlines.of(Phase::Eval);
        // The stall that a load has does not fit here: one long answer may take longer.
        let clock = LoadClock::new(Phase::Eval, limit, limit);
        let begun = self.journal.begin(Phase::Eval, Some(conc));
        self.voice.line(&format!("phase eval, concurrency {conc}"));
        let voice = self.voice;
        let mut said = Instant::now();
        let unanswered =
            |result: &Result<EvaluationResult, EvaluationError>| result.as_ref().is_ok_and(|evaluated| !evaluated.is_complete());
        let work = |stop: &Cancellation| {
            evaluate(&evaluation, &plan.tasks, stop, &mut |progress| {
                if said.elapsed() >= SAY_EVERY {
                    said = Instant::now();
                    let failed = if progress.failed > 0 {
                        format!(", {} failed", progress.failed)
                    } else {
                        String::new()
                    };
                    voice.line(&format!(
                        "concurrency {conc}: eval, {} of {} questions{failed}",
                        progress.answered, progress.total
                    ));
                }
            })
        };
        let (result, interruption) = watched(engine, self.stop, &clock, work, unanswered);
        let failure = self.eval_failure(conc, result, interruption);
        let (ending, reason) = match &failure {
            None => (PhaseEnding::Done, None),
            Some((ending, failure, _)) => (*ending, Some(failure.reason.clone())),
        };
        self.journal.end(begun, ending, reason);
        failure.map_or(Ok(()), |(_, failure, fatal)| Err((failure, fatal)))
    }

    fn evaluation(&self, target: &LoadTarget, plan: &EvalPlan, conc: Concurrency, several: bool) -> EvaluationSettings {
        let mut settings = default_request_settings(self.evals.eval_api.into(), &target.served_model);
        settings.override_max_gen_toks = self.evals.eval_max_gen_toks;
        let row = &self.spec.row;
        EvaluationSettings {
            base_url: format!("http://{}:{}", target.host, target.port),
            requests: settings,
            key: api_key_from_environment(),
            concurrency: usize::try_from(conc.get()).unwrap_or(usize::MAX),
            timeout: self.spec.profile.deadlines.of(Phase::Eval).min(ONE_ANSWER),
            choices: self.choices(),
            output: self.places.out.clone(),
            suffix: if several { format!("_conc{conc}") } else { String::new() },
            resume: false,
            thresholds: plan.thresholds.clone(),
            model_names: vec![row.model.to_string(), target.served_model.clone(), row.model_prefix.to_string()],
        }
    }

    /// Notes the scores, and says what is wrong: how the phase ended, the failure, whether it is fatal.
    fn eval_failure(
        &mut self,
        conc: Concurrency,
        result: Result<EvaluationResult, EvaluationError>,
        interruption: Option<Interruption>,
    ) -> Option<(PhaseEnding, JobFailure, bool)> {
        let failed = |class, reason: String| Some((PhaseEnding::Failed, JobFailure::new(class, reason), false));
        if let Some(interruption) = interruption {
            let fatal = !matches!(interruption, Interruption::Deadline { .. });
            let (ending, failure) = self.explain(Phase::Eval, Trouble::Interrupted(interruption));
            return Some((ending, failure, fatal));
        }
        let evaluated = match result {
            Ok(evaluated) => evaluated,
            Err(error) => return failed(FailureClass::Client, format!("the evaluation failed: {error}")),
        };
        for problem in &evaluated.about.problems {
            self.voice.line(&format!("warning: {problem}"));
        }
        for judged in &evaluated.tasks {
            self.note_score(conc, judged, &evaluated.results_file);
        }
        if !evaluated.is_complete() {
            let reason = evaluated.about.problems.first().cloned().unwrap_or_default();
            return failed(
                FailureClass::Server,
                format!("not every question of the evaluation was answered: {reason}"),
            );
        }
        let below = failed_scores(&evaluated.tasks);
        if below.is_empty() {
            return None;
        }
        failed(
            FailureClass::Server,
            format!("accuracy is below the threshold by more than the error allows: {below}"),
        )
    }

    fn note_score(&mut self, conc: Concurrency, judged: &JudgedTask, results: &str) {
        let main = judged.sheet.main_score();
        let score = main.and_then(|named| named.score);
        let verdict = judged.verdict;
        if let (Some(named), Some(score)) = (main, score) {
            let threshold = verdict
                .threshold()
                .map(|threshold| format!(", threshold {threshold}: {}", verdict.as_str()));
            self.voice.line(&format!(
                "concurrency {conc}: {} {} {}{}",
                judged.sheet.task,
                named.key(),
                score_with_error(&score),
                threshold.unwrap_or_default()
            ));
        }
        self.eval_records.push(EvalRecord {
            conc,
            task: judged.sheet.task.clone(),
            score_name: main.map(crate::eval::sheet::Named::key).unwrap_or_default(),
            score: score.map(|score| score.mean),
            stderr: score.and_then(|score| score.stderr),
            interval_95: score.map(|score| [score.interval.0, score.interval.1]),
            answered: judged.sheet.answered,
            asked: judged.sheet.asked,
            threshold: verdict.threshold(),
            verdict: verdict.as_str().to_owned(),
            results: results.to_owned(),
        });
    }

    /// A recipe that does everything itself has evaluated, too, where the row asks for it.
    pub(super) fn take_evals(&mut self, since: std::time::SystemTime) -> Result<(), JobFailure> {
        if !self.spec.row.is_evaluated() {
            self.journal.skip(Phase::Eval, "the row asks for no evaluation");
            return Ok(());
        }
        self.journal.skip(Phase::Eval, "the recipe evaluates itself");
        let is_result = |path: &std::path::Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let fresh = path
                .metadata()
                .and_then(|data| data.modified())
                .is_ok_and(|at| at + Duration::from_secs(2) >= since);
            name.starts_with("results") && name.ends_with(".json") && fresh
        };
        let found = std::fs::read_dir(&self.places.out).is_ok_and(|entries| entries.flatten().any(|entry| is_result(&entry.path())));
        if found {
            return Ok(());
        }
        let reason =
            "the row asks for an evaluation, and the recipe ended without its results (`run_eval` writes results_*.json to IMAX_OUT)";
        Err(JobFailure::new(FailureClass::Server, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_says_at_which_concurrencies_it_is_evaluated() {
        let base = json!({
            "image": "sim:1", "model": "org/m", "model-prefix": "m", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 32, "osl": 8,
            "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": [4, 16, 8], "max-model-len": 64, "exp-name": "m", "run-eval": true
        });
        for (key, value, expected) in [
            ("run-eval", json!(true), &[16][..]),
            ("eval-conc", json!(8), &[8]),
            ("eval-all-concs", json!(true), &[4, 16, 8]),
            ("conc", json!(2), &[2]),
        ] {
            let mut row = base.clone();
            row[key] = value;
            let row: Row = serde_json::from_value(row).unwrap();
            let found: Vec<u32> = concurrencies(&row).iter().map(|conc| conc.get()).collect();
            assert_eq!(found, expected, "{key}");
        }
    }
}
