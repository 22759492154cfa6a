//! The command line of `imax eval`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::evaluate::Evaluation;
use crate::cli::{Exit, Failure, OrExit as _};
use crate::eval::exam::Choices;
use crate::eval::request::{Api, RequestSettings};
use crate::eval::threshold::Thresholds;
use crate::matrix::Row;
use crate::model::{Secret, SourceFile};
use crate::result::{EvalConcs, Json, Object, eval_meta};
use crate::system::files;

/// Thresholds where none are named.
pub const THRESHOLDS: &str = "configs/eval-thresholds.yaml";
/// Most tokens of an answer where nobody says it, as in lm-eval.
const MAX_GEN_TOKS: u32 = 256;
/// The seed that lm-eval sends.
const SEED: u64 = 1234;

/// Evaluate accuracy: lm-eval task files against an OpenAI-compatible server.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  imax eval --base-url http://127.0.0.1:8000 --model org/model --tasks benchmarks/evals/gsm8k.yaml --output results"
)]
pub struct EvalArgs {
    /// Address of the server; `/v1` and the path behind it may be left out.
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// Name under which the server serves the model.
    #[arg(long)]
    pub model: String,
    /// Task files.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub tasks: Vec<PathBuf>,
    /// Folder of the results.
    #[arg(long, value_name = "DIR", default_value = "eval-results")]
    pub output: PathBuf,
    /// Examples before each question, instead of the task's number; a task that says 0 keeps it.
    #[arg(long, value_name = "N")]
    pub num_fewshot: Option<usize>,
    /// Requests under way at once.
    #[arg(long, value_name = "N", default_value = "32")]
    pub concurrent_requests: NonZeroUsize,
    /// Only the first questions of each task.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Form of the requests: the engine applies the model's chat template, or gets one text.
    #[arg(long, value_enum, default_value_t = ApiArg::Chat)]
    pub api: ApiArg,
    /// In a chat, put examples and question into one message instead of turns.
    #[arg(long)]
    pub single_turn: bool,
    /// Most tokens of an answer, instead of the task's number.
    #[arg(long, value_name = "N")]
    pub max_gen_toks: Option<u32>,
    /// Temperature, instead of the task's.
    #[arg(long)]
    pub temperature: Option<f64>,
    /// Nucleus sampling, instead of the task's.
    #[arg(long)]
    pub top_p: Option<f64>,
    /// Seed of a question's first answer; each repeat has the next.
    #[arg(long, default_value_t = SEED)]
    pub seed: u64,
    /// Longest time for one answer, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    pub request_timeout: u64,
    /// Go on with what an interrupted evaluation left in the folder.
    #[arg(long)]
    pub resume: bool,
    /// What scores have to be; configs/eval-thresholds.yaml where it is there.
    #[arg(long, value_name = "FILE")]
    pub thresholds: Option<PathBuf>,
    /// The matrix row, for meta_env.json; else the variables of a recipe describe the job.
    #[arg(long, value_name = "FILE")]
    pub row: Option<PathBuf>,
    /// Who evaluates: this program, or the Python harness, for task types that this program does not have.
    #[arg(long, value_enum, default_value_t = Engine::Native)]
    pub engine: Engine,
    /// Program of the Python harness.
    #[arg(long, value_name = "PROGRAM", env = "IMAX_LM_EVAL", default_value = "lm_eval")]
    pub lm_eval: String,
    /// Show no progress.
    #[arg(long, short)]
    pub quiet: bool,
}

/// The form of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApiArg {
    /// /v1/chat/completions.
    Chat,
    /// /v1/completions.
    Completions,
}

/// Who evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This program.
    Native,
    /// The Python harness, as a process of its own.
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

/// The settings of requests where nobody says otherwise.
#[must_use]
pub fn usual_settings(api: Api, model: &str) -> RequestSettings {
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

/// The key of the server, as OpenAI's own tools read it.
#[must_use]
pub fn key() -> Option<Secret> {
    std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty()).map(Secret::new)
}

/// Reads thresholds; without a name those of the usual place, if it is there.
///
/// # Errors
/// For a file that was named and is not there, and for one that is wrong.
pub fn thresholds(named: Option<&Path>) -> Result<Thresholds, Failure> {
    let usual = Path::new(THRESHOLDS);
    let path = match named {
        Some(path) => path,
        None if usual.is_file() => usual,
        None => return Ok(Thresholds::default()),
    };
    let text = files::read_text(path).or_exit(Exit::InvalidInput)?;
    Thresholds::read(&SourceFile::new(path.display().to_string(), text)).or_exit(Exit::InvalidInput)
}

impl EvalArgs {
    /// What to evaluate, and how.
    pub(super) fn evaluation(&self) -> Result<Evaluation, Failure> {
        Ok(Evaluation {
            base_url: self.base_url.clone(),
            settings: RequestSettings {
                override_max_gen_toks: self.max_gen_toks,
                temperature: self.temperature,
                top_p: self.top_p,
                seed: self.seed,
                multi_turn: !self.single_turn,
                ..usual_settings(self.api.into(), &self.model)
            },
            key: key(),
            concurrency: self.concurrent_requests.get(),
            timeout: Duration::from_secs(self.request_timeout),
            choices: Choices {
                num_fewshot: self.num_fewshot,
                limit: self.limit,
            },
            output: self.output.clone(),
            suffix: String::new(),
            resume: self.resume,
            thresholds: thresholds(self.thresholds.as_deref())?,
            model_names: vec![self.model.clone()],
        })
    }

    /// `meta_env.json`: from the row, or from the environment of a recipe.
    pub(super) fn meta(&self) -> Result<String, Failure> {
        let meta = match &self.row {
            Some(path) => {
                let text = files::read_text(path).or_exit(Exit::InvalidInput)?;
                let row: Row = serde_json::from_str(&text).or_exit(Exit::InvalidInput)?;
                let asked = &[];
                eval_meta(&row, EvalConcs { asked, completed: asked })
            }
            None => meta_of_environment(&self.model, self.concurrent_requests.get()),
        };
        Ok(Json::Object(meta).to_pretty())
    }
}

/// Variables of a recipe, and the keys that collectors read.
fn meta_of_environment(model: &str, concurrency: usize) -> Object {
    const TEXTS: [(&str, &str); 6] = [
        ("infmax_model_prefix", "MODEL_PREFIX"),
        ("hw", "RUNNER_TYPE"),
        ("framework", "FRAMEWORK"),
        ("precision", "PRECISION"),
        ("spec_decoding", "SPEC_DECODING"),
        ("dp_attention", "DP_ATTENTION"),
    ];
    const NUMBERS: [(&str, &str); 4] = [("isl", "ISL"), ("osl", "OSL"), ("tp", "TP"), ("ep", "EP_SIZE")];
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut meta = Object::new();
    meta.insert("is_multinode".to_owned(), false.into());
    meta.insert("model".to_owned(), model.into());
    for (key, name) in TEXTS {
        if let Some(value) = set(name) {
            meta.insert(key.to_owned(), value.as_str().into());
        }
    }
    for (key, name) in NUMBERS {
        if let Some(number) = set(name).and_then(|value| value.parse().ok()) {
            meta.insert(key.to_owned(), Json::Integer(number));
        }
    }
    meta.insert("conc".to_owned(), i64::try_from(concurrency).map_or(Json::Null, Json::Integer));
    meta
}
