//! The flags of `imax eval`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::meta;
use crate::cli::{Exit, Failure};
use crate::eval::answer_text::{AnswerText, THINK_END};
use crate::eval::request::{Api, RequestSettings};
use crate::eval::task_questions::Choices;
use crate::evaluate::{EvalRequest, EvaluationSettings, Evaluator, api_key_from_environment, default_request_settings, read_thresholds};
use crate::result::Json;

/// Evaluate accuracy: lm-eval task files against an OpenAI-compatible server.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  imax eval --base-url http://127.0.0.1:8000 --model org/model --tasks gsm8k --output results\n  \
    imax eval --base-url http://127.0.0.1:8000 --model org/thinker --tasks gsm8k my-task.yaml --think-end-token --max-gen-toks 16384"
)]
pub struct EvalArgs {
    /// Base URL of the server; `/v1` and the path after it can be left out.
    #[arg(long, value_name = "URL")]
    base_url: String,
    /// The model's name in requests.
    #[arg(long)]
    model: String,
    /// Task files, or names of built-in tasks: gsm8k, gpqa_diamond, sums.
    #[arg(long, value_name = "TASK", num_args = 1.., value_delimiter = ',', required = true)]
    tasks: Vec<PathBuf>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR", default_value = "eval-results")]
    output: PathBuf,
    /// Examples before each question, instead of the task's number; a task with 0 keeps it.
    #[arg(long, value_name = "N")]
    num_fewshot: Option<usize>,
    /// Concurrent requests.
    #[arg(long, value_name = "N", default_value = "32")]
    concurrent_requests: NonZeroUsize,
    /// Evaluate only the first N questions of each task.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// API of the requests: chat, for which the engine applies the model's chat template, or completions with plain text.
    #[arg(long, value_enum, default_value_t = ApiArg::Chat)]
    api: ApiArg,
    /// Put the examples and the question of a chat into one message instead of several turns.
    #[arg(long)]
    single_turn: bool,
    /// Maximum number of tokens per answer, instead of the task's number.
    #[arg(long, value_name = "N")]
    max_gen_toks: Option<u32>,
    /// Temperature, instead of the task's.
    #[arg(long)]
    temperature: Option<f64>,
    /// Total probability of the tokens to sample from (nucleus sampling), instead of the task's.
    #[arg(long)]
    top_p: Option<f64>,
    /// Seed of the first answer to a question; each repeat uses the next higher seed.
    #[arg(long, default_value_t = 1234)]
    seed: u64,
    /// Ignore an answer's text up to the last occurrence of this token, the end of the reasoning; for servers without a reasoning parser
    /// [without a value: `</think>`].
    #[arg(long, value_name = "TOKEN", num_args = 0..=1, default_missing_value = THINK_END)]
    think_end_token: Option<String>,
    /// Cut an answer before the first of the task's stop strings, for servers that ignore them.
    #[arg(long)]
    cut_at_stop: bool,
    /// Timeout of a request in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    request_timeout: u64,
    /// Resume an interrupted evaluation from the files in the output folder.
    #[arg(long)]
    resume: bool,
    /// Required scores [default: configs/eval-thresholds.yaml, if it exists].
    #[arg(long, value_name = "FILE")]
    thresholds: Option<PathBuf>,
    /// The matrix row for meta_env.json [default: the environment of a recipe].
    #[arg(long, value_name = "FILE")]
    row: Option<PathBuf>,
    /// The evaluator: imax itself, or the Python harness for task types that imax does not support.
    #[arg(long, value_enum, default_value_t = EvaluatorArg::Native)]
    engine: EvaluatorArg,
    /// Executable of the Python harness.
    #[arg(long, value_name = "PROGRAM", env = "IMAX_LM_EVAL", default_value = "lm_eval")]
    lm_eval: String,
    /// Show no progress.
    #[arg(long, short)]
    pub quiet: bool,
}

/// The API that questions are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApiArg {
    /// /v1/chat/completions.
    Chat,
    /// /v1/completions.
    Completions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EvaluatorArg {
    /// imax itself.
    Native,
    /// The Python harness, as a child process.
    LmEval,
}

impl From<ApiArg> for Api {
    fn from(api: ApiArg) -> Self {
        match api {
            ApiArg::Chat => Self::Chat,
            ApiArg::Completions => Self::Completions,
        }
    }
}

impl EvalArgs {
    /// Reads the thresholds and the row, and returns the input of the evaluation.
    pub(super) fn into_request(self) -> Result<EvalRequest, Failure> {
        let Self {
            base_url,
            model,
            tasks,
            output,
            num_fewshot,
            concurrent_requests,
            limit,
            api,
            single_turn,
            max_gen_toks,
            temperature,
            top_p,
            seed,
            think_end_token,
            cut_at_stop,
            request_timeout,
            resume,
            thresholds,
            row,
            engine,
            lm_eval,
            quiet: _,
        } = self;
        let answer_text = AnswerText {
            think_end_token,
            cut_at_stop,
        };
        if engine == EvaluatorArg::LmEval && answer_text != AnswerText::default() {
            let message = "--think-end-token and --cut-at-stop change how imax reads an answer, so they exclude --engine lm-eval";
            return Err(Failure::new(Exit::Usage, message));
        }
        let concurrency = concurrent_requests.get();
        let meta = match row {
            Some(path) => meta::of_row(&path)?,
            None => meta::of_environment(&model, concurrency),
        };
        Ok(EvalRequest {
            settings: EvaluationSettings {
                base_url,
                requests: RequestSettings {
                    override_max_gen_toks: max_gen_toks,
                    temperature,
                    top_p,
                    seed,
                    multi_turn: !single_turn,
                    ..default_request_settings(api.into(), &model)
                },
                answer_text,
                key: api_key_from_environment(),
                concurrency,
                timeout: Duration::from_secs(request_timeout),
                choices: Choices { num_fewshot, limit },
                output,
                suffix: String::new(),
                resume,
                thresholds: read_thresholds(thresholds.as_deref())?,
                model_names: vec![model],
            },
            tasks,
            meta: Json::Object(meta).to_pretty(),
            evaluator: match engine {
                EvaluatorArg::Native => Evaluator::Native,
                EvaluatorArg::LmEval => Evaluator::LmEval { program: lm_eval },
            },
        })
    }
}
