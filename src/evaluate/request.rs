//! The use case of `imax eval`: evaluates natively or with the Python harness lm-eval, and writes `meta_env.json`. It prints nothing.

use std::io;
use std::path::PathBuf;

use super::evaluation::{EvaluationError, EvaluationProgress, EvaluationResult, EvaluationSettings, evaluate, prepare_tasks};
use super::harness::{self, HarnessError, HarnessResultFile};
use crate::eval::request::{Api, RequestSettings};
use crate::model::Secret;
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::environment;
use crate::system::files::{self, FileError};

/// Default maximum of tokens in an answer, as in lm-eval.
const MAX_GEN_TOKS: u32 = 256;
/// The seed that lm-eval sends.
const SEED: u64 = 1234;

/// Input of an evaluation.
#[derive(Debug, Clone)]
pub struct EvalRequest {
    /// Settings of the evaluation.
    pub settings: EvaluationSettings,
    /// Task files.
    pub tasks: Vec<PathBuf>,
    /// Content of `meta_env.json`.
    pub meta: String,
    /// The evaluator.
    pub evaluator: Evaluator,
}

/// The program that evaluates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluator {
    /// imax itself.
    Native,
    /// The Python harness, as a process of its own.
    LmEval {
        /// Name or path of its program.
        program: String,
    },
}

/// The outcome of an evaluation.
#[derive(Debug, Clone)]
pub enum EvalOutcome {
    /// Scores of imax's own evaluation.
    Native(Box<EvaluationResult>),
    /// The result files of the Python harness.
    LmEval(Vec<HarnessResultFile>),
    /// A signal stopped the Python harness.
    Stopped(CancelCause),
}

/// Why an evaluation has no scores.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The output folder cannot be created.
    #[error("cannot create {}: {source}", path.display())]
    Output {
        /// The folder.
        path: PathBuf,
        /// The system error.
        source: io::Error,
    },
    /// The native evaluation failed.
    #[error(transparent)]
    Evaluation(EvaluationError),
    /// The native evaluation failed after a signal.
    #[error("{error}")]
    Stopped {
        /// The signal.
        cause: CancelCause,
        /// The error.
        error: EvaluationError,
    },
    /// The Python harness failed.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// `meta_env.json` cannot be written.
    #[error(transparent)]
    Meta(#[from] FileError),
}

/// Request settings with lm-eval's defaults.
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

/// The server's API key from `OPENAI_API_KEY`, which OpenAI's tools read too.
#[must_use]
pub fn api_key_from_environment() -> Option<Secret> {
    environment::text("OPENAI_API_KEY").map(Secret::new)
}

/// Evaluates and writes all files of the evaluation.
///
/// # Errors
/// [`EvalError`]; questions without an answer are part of the outcome.
pub fn run(
    request: &EvalRequest,
    cancellation: &Cancellation,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<EvalOutcome, EvalError> {
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
            let result = evaluate_natively(settings, tasks, cancellation, progress).map_err(|error| match cancellation.cause() {
                Some(cause) => EvalError::Stopped { cause, error },
                None => EvalError::Evaluation(error),
            })?;
            EvalOutcome::Native(Box::new(result))
        }
        Evaluator::LmEval { program } => harness::run(program, settings, tasks, cancellation)?,
    };
    files::write(&settings.output.join("meta_env.json"), meta.as_bytes())?;
    Ok(outcome)
}

fn evaluate_natively(
    settings: &EvaluationSettings,
    tasks: &[PathBuf],
    cancellation: &Cancellation,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<EvaluationResult, EvaluationError> {
    let tasks = prepare_tasks(tasks, settings.choices, &mut || !cancellation.is_cancelled())?;
    evaluate(settings, &tasks, cancellation, progress)
}
