//! The input of `execute`: a row, folders, and settings that override those of the runner profile.

use std::num::NonZeroU32;
use std::path::PathBuf;

use crate::eval::answer_text::AnswerText;
use crate::eval::request::Api;
use crate::matrix::Row;

#[derive(Debug, Clone)]
pub struct ExecutionRequest {
    pub row: Row,
    /// Output folder of the job; it is created if it does not exist.
    pub out: PathBuf,
    /// Folder of the recipes.
    pub recipe_dir: PathBuf,
    /// Folder of the runner profiles and launch scripts.
    pub runner_dir: PathBuf,
    /// Name of the runner profile; by default the one of the runner.
    pub profile: Option<String>,
    /// Name of the runner; by default this machine's.
    pub runner_name: Option<String>,
    /// Port of the engine; by default a free one.
    pub port: Option<u16>,
    /// Load settings that override those of the profile.
    pub load: LoadOverrides,
    /// Seed of the random prompts.
    pub seed: u64,
    /// Options of evaluations, for rows that request one.
    pub evals: EvalOptions,
    /// Print failures only.
    pub quiet: bool,
}

/// Load settings that override those of the runner profile.
#[derive(Debug, Clone, Default)]
pub struct LoadOverrides {
    pub prompts_per_concurrency: Option<NonZeroU32>,
    pub warmups_per_concurrency: Option<u32>,
    /// Lower bound of random lengths, as a fraction of the row's lengths.
    pub random_range_ratio: Option<f64>,
    /// Folder or hub name of the tokenizer.
    pub tokenizer: Option<String>,
    /// File or folder of recorded sessions.
    pub sessions: Option<String>,
}

/// Options of evaluations.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// Task files, or names of shipped tasks; by default `evals/gsm8k.yaml` in the folder of the recipes, or else the shipped `gsm8k`.
    pub tasks: Vec<PathBuf>,
    /// Number of questions per task; by default all.
    pub limit: Option<usize>,
    /// Number of examples before each question; by default the task's.
    pub num_fewshot: Option<usize>,
    /// Maximum number of tokens per answer; by default the task's.
    pub max_gen_toks: Option<u32>,
    pub api: Api,
    /// How the answer is extracted from an engine's text.
    pub answer_text: AnswerText,
    /// File of thresholds; by default `configs/eval-thresholds.yaml`, if it exists.
    pub thresholds: Option<PathBuf>,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            limit: None,
            num_fewshot: None,
            max_gen_toks: None,
            api: Api::Chat,
            answer_text: AnswerText::default(),
            thresholds: None,
        }
    }
}
