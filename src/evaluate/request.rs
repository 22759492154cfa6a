//! The use case of `imax eval`: evaluates with this program or with the Python harness, and writes `meta_env.json`. It prints
//! nothing.

use std::io;
use std::path::PathBuf;

use super::evaluation::{EvaluationError, EvaluationProgress, EvaluationResult, EvaluationSettings, evaluate, prepare_tasks};
use super::harness::{self, HarnessError, HarnessResultFile};
use crate::eval::request::{Api, RequestSettings};
use crate::model::Secret;
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::files::{self, FileError};

/// Most tokens of an answer unless the task or the user says otherwise, as in lm-eval.
const MAX_GEN_TOKS: u32 = 256;
/// The seed that lm-eval sends.
const SEED: u64 = 1234;

/// What to evaluate, and with what.
#[derive(Debug, Clone)]
pub struct EvalRequest {
    /// How to evaluate.
    pub settings: EvaluationSettings,
    /// Task files.
    pub tasks: Vec<PathBuf>,
    /// Content of `meta_env.json`.
    pub meta: String,
    /// Which program evaluates.
    pub evaluator: Evaluator,
}

/// Which program evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluator {
    /// This one.
    Native,
    /// The Python harness, as a process of its own.
    LmEval {
        /// Name or path of its program.
        program: String,
    },
}

/// What an evaluation found.
#[derive(Debug, Clone)]
pub enum EvalOutcome {
    /// The scores of this program.
    Native(Box<EvaluationResult>),
    /// The result files of the Python harness.
    LmEval(Vec<HarnessResultFile>),
    /// A signal stopped the Python harness.
    Stopped(CancelCause),
}

/// Why there are no scores.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The folder of the results cannot be made.
    #[error("cannot create {}: {source}", path.display())]
    Output {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This program's evaluation failed.
    #[error(transparent)]
    Evaluation(EvaluationError),
    /// This program's evaluation failed, and a signal had been received.
    #[error("{error}")]
    Stopped {
        /// The signal.
        cause: CancelCause,
        /// What the signal interrupted.
        error: EvaluationError,
    },
    /// The Python harness failed.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// `meta_env.json` cannot be written.
    #[error(transparent)]
    Meta(#[from] FileError),
}

/// Settings of requests with lm-eval's defaults.
#[must_use]
pub fn default_request_settings(api: Api, model: &str) -> RequestSettings {
    RequestSettings {
        api,
        model: model.to_owned(),
        max_gen_toks: MAX_GEN_TOKS,
        override_max_gen_toks: None,
        temperature: None,
        top_p: None,
        seed: SEED,
        multi_turn: true,
    }
}

/// The server's API key in `OPENAI_API_KEY`, the variable that OpenAI's own tools read.
#[must_use]
pub fn api_key_from_environment() -> Option<Secret> {
    std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty()).map(Secret::new)
}

/// Evaluates, and writes every file of the evaluation.
///
/// # Errors
/// [`EvalError`]; a question without an answer is part of the outcome.
pub fn run(request: &EvalRequest, stop: &Cancellation, progress: &mut dyn FnMut(EvaluationProgress)) -> Result<EvalOutcome, EvalError> {
    let EvalRequest {
        settings,
        tasks,
        meta,
        evaluator,
    } = request;
    std::fs::create_dir_all(&settings.output).map_err(|source| EvalError::Output {
        path: settings.output.clone(),
        source,
    })?;
    let outcome = match evaluator {
        Evaluator::Native => {
            let result = evaluate_natively(settings, tasks, stop, progress).map_err(|error| match stop.cause() {
                Some(cause) => EvalError::Stopped { cause, error },
                None => EvalError::Evaluation(error),
            })?;
            EvalOutcome::Native(Box::new(result))
        }
        Evaluator::LmEval { program } => harness::run(program, settings, tasks, stop)?,
    };
    files::write(&settings.output.join("meta_env.json"), meta.as_bytes())?;
    Ok(outcome)
}

fn evaluate_natively(
    settings: &EvaluationSettings,
    tasks: &[PathBuf],
    stop: &Cancellation,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<EvaluationResult, EvaluationError> {
    let tasks = prepare_tasks(tasks, settings.choices, &mut || !stop.is_cancelled())?;
    evaluate(settings, &tasks, stop, progress)
}
