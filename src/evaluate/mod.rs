//! Runs accuracy tasks against a server: loads documents from files or the Hugging Face hub, sends requests over HTTP, keeps a
//! journal of answers so that an interrupted evaluation can be resumed, and writes the result files. The Python harness lm-eval can
//! be run instead.

mod client;
mod documents;
mod evaluation;
mod harness;
mod journal;
mod request;
mod result_files;
mod scores;
mod task_file;
#[cfg(test)]
mod tests;
mod thresholds;

pub use documents::DocumentsError;
pub use evaluation::{
    EvaluationError, EvaluationProgress, EvaluationResult, EvaluationSettings, JudgedTask, PreparedTask, evaluate, prepare_tasks,
};
pub use harness::{HarnessError, HarnessResultFile, HarnessScore};
pub use request::{EvalError, EvalOutcome, EvalRequest, Evaluator, api_key_from_environment, default_request_settings, run};
pub use scores::{failed_scores, score_with_error, unsure_scores};
pub use thresholds::{ThresholdsError, read_thresholds};
