//! `imax run`: executes one matrix row on this machine and writes its results and `job.json` to a folder.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::eval::ApiArg;
use super::reap::reap;
use super::row_choice::{ChosenRow, RowChoiceArgs};
use super::{Exit, Failure, OrExit as _, job_plan, output};
use crate::eval::answer_text::{AnswerText, THINK_END};
use crate::execution::{EvalOptions, ExecutionRequest, LoadOverrides, execute, plan_job};
use crate::matrix::fingerprint;
use crate::planning::{ConfigFiles, check_runner};
use crate::system::cancellation::Cancellation;

/// Execute one matrix row on this machine.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax run --row row.json --out results --runner-name h200-a_0\n  \
        imax run --config-key dsr1-fp8-h200-sglang --conc 16\n  \
        imax run --config-key dsr1-fp8-h200-sglang --conc 16 --dry-run\n  \
        imax run --config-key dsr1-fp8-h200-sglang --conc 16 --profile-engine\n  \
        imax run --model org/model --hardware cpu --framework llamacpp --conc 2 --input-len 128 --output-len 64")]
pub struct RunArgs {
    #[command(flatten)]
    choice: RowChoiceArgs,
    /// Output folder of the job; it is created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Runner profile, instead of the one that the runner's name selects; `local` is built in.
    #[arg(long, value_name = "NAME", env = "IMAX_PROFILE")]
    profile: Option<String>,
    /// Folder of the recipes.
    #[arg(long, value_name = "DIR", default_value = "benchmarks")]
    recipe_dir: PathBuf,
    /// Folder of the runner profiles and launch scripts.
    #[arg(long, value_name = "DIR", default_value = "runners")]
    runner_dir: PathBuf,
    /// Name of this runner, `<prefix>_<n>` [default: this machine's name].
    #[arg(long, value_name = "NAME", env = "RUNNER_NAME")]
    runner_name: Option<String>,
    /// Port of the engine [default: a free one].
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    #[command(flatten)]
    load: LoadArgs,
    /// Run the engine's profiler during the load, and keep its traces. One request per concurrent request, unless --num-prompts-per-conc says
    /// otherwise; the figures are marked and are no baseline.
    #[arg(long, env = "IMAX_PROFILE_ENGINE", conflicts_with = "reap")]
    profile_engine: bool,
    /// Seed of the random prompts; each concurrency has its own prompts.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    evals: EvalRowArgs,
    /// Clean up after jobs whose imax process was killed; do not run a row.
    #[arg(long, conflicts_with_all = ["row", "config_key", "model"])]
    reap: bool,
    /// With --reap: another machine that shares this folder of job states and will not be online again. What its jobs left is removed if
    /// it can be reached from this machine.
    #[arg(long, value_name = "NAME", requires = "reap")]
    gone_machine: Vec<String>,
    /// Print what would be started and written (command, environment without secrets, mounts, deadlines, files) without doing it.
    #[arg(long, conflicts_with = "reap")]
    dry_run: bool,
    /// Print failures only.
    #[arg(long, short)]
    quiet: bool,
}

/// Options that override the load settings of the runner profile.
#[derive(Debug, Args)]
struct LoadArgs {
    /// Measured requests per concurrent request, instead of the profile's number.
    #[arg(long, value_name = "N")]
    num_prompts_per_conc: Option<NonZeroU32>,
    /// Warm-up requests per concurrent request, instead of the profile's number.
    #[arg(long, value_name = "N")]
    num_warmups_per_conc: Option<u32>,
    /// Lower bound of random lengths, as a fraction of the row's lengths, instead of the profile's.
    #[arg(long, value_name = "RATIO", env = "RANDOM_RANGE_RATIO", value_parser = ratio)]
    random_range_ratio: Option<f64>,
    /// Folder or hub name of the tokenizer [default: the model's].
    #[arg(long, value_name = "NAME")]
    tokenizer: Option<String>,
    /// Recorded sessions for rows of the agentic-coding scenario, instead of the profile's: a file of JSON lines, or a folder.
    #[arg(long, value_name = "FILE", env = "IMAX_SESSIONS")]
    sessions: Option<String>,
}

/// Options for rows with an evaluation.
#[derive(Debug, Args)]
struct EvalRowArgs {
    /// Tasks for rows with an evaluation, files or names as in `imax eval` [default: benchmarks/evals/gsm8k.yaml, or gsm8k].
    #[arg(long, value_name = "TASK", num_args = 1.., value_delimiter = ',', env = "IMAX_EVAL_TASKS")]
    eval_tasks: Vec<PathBuf>,
    /// Evaluate only the first N questions of each task.
    #[arg(long, value_name = "N", env = "IMAX_EVAL_LIMIT")]
    eval_limit: Option<usize>,
    /// Examples before each question, instead of the task's number.
    #[arg(long, value_name = "N", env = "IMAX_EVAL_NUM_FEWSHOT")]
    eval_num_fewshot: Option<usize>,
    /// Maximum number of tokens per answer, instead of the task's number.
    #[arg(long, value_name = "N", env = "IMAX_EVAL_MAX_GEN_TOKS")]
    eval_max_gen_toks: Option<u32>,
    /// API that the questions of an evaluation are sent to.
    #[arg(long, value_enum, env = "IMAX_EVAL_API", default_value_t = ApiArg::Chat)]
    eval_api: ApiArg,
    /// Ignore an answer's text up to the last occurrence of this token, the end of the reasoning.
    #[arg(long, value_name = "TOKEN", num_args = 0..=1, default_missing_value = THINK_END, env = "IMAX_EVAL_THINK_END_TOKEN")]
    eval_think_end_token: Option<String>,
    /// Cut an answer before the first of the task's stop strings, for servers that ignore them.
    #[arg(long, env = "IMAX_EVAL_CUT_AT_STOP")]
    eval_cut_at_stop: bool,
    /// Thresholds of scores [default: configs/eval-thresholds.yaml, if it exists].
    #[arg(long, value_name = "FILE", env = "IMAX_EVAL_THRESHOLDS")]
    eval_thresholds: Option<PathBuf>,
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(ratio),
        Ok(_) | Err(_) => Err("expected a number over 0, up to 1".to_owned()),
    }
}

enum Task {
    Execute(Box<ExecutionRequest>),
    Plan(Box<ExecutionRequest>),
    Reap { gone_machines: Vec<String> },
}

impl TryFrom<RunArgs> for Task {
    type Error = Failure;

    fn try_from(args: RunArgs) -> Result<Self, Failure> {
        let RunArgs {
            choice,
            out,
            profile,
            recipe_dir,
            runner_dir,
            runner_name,
            port,
            load,
            profile_engine,
            seed,
            evals,
            reap,
            gone_machine,
            dry_run,
            quiet,
        } = args;
        if reap {
            return Ok(Self::Reap {
                gone_machines: gone_machine,
            });
        }
        let ChosenRow { mut row, runner } = choice.row()?;
        if profile_engine && !row.profile {
            row.profile = true;
            // The files of a profiled row have names of their own.
            if row.recipe_fingerprint.is_some() {
                row.recipe_fingerprint = Some(fingerprint(&row).or_exit(Exit::InvalidInput)?);
            }
        }
        if let (Some(name), None) = (&runner_name, &profile) {
            check_runner(&row, name, &ConfigFiles::default())?;
        }
        let request = Box::new(ExecutionRequest {
            row,
            out,
            recipe_dir,
            runner_dir,
            // By default, a row of the configs runs with the profile of the first runner of its label.
            runner_name: runner_name.or_else(|| runner.filter(|_| profile.is_none()).map(|runner| runner.to_string())),
            profile,
            port,
            load: load.into(),
            seed,
            evals: evals.into(),
            quiet,
        });
        Ok(if dry_run { Self::Plan(request) } else { Self::Execute(request) })
    }
}

impl From<LoadArgs> for LoadOverrides {
    fn from(args: LoadArgs) -> Self {
        let LoadArgs {
            num_prompts_per_conc,
            num_warmups_per_conc,
            random_range_ratio,
            tokenizer,
            sessions,
        } = args;
        Self {
            prompts_per_concurrency: num_prompts_per_conc,
            warmups_per_concurrency: num_warmups_per_conc,
            random_range_ratio,
            tokenizer,
            sessions,
        }
    }
}

impl From<EvalRowArgs> for EvalOptions {
    fn from(args: EvalRowArgs) -> Self {
        let EvalRowArgs {
            eval_tasks,
            eval_limit,
            eval_num_fewshot,
            eval_max_gen_toks,
            eval_api,
            eval_think_end_token,
            eval_cut_at_stop,
            eval_thresholds,
        } = args;
        Self {
            tasks: eval_tasks,
            limit: eval_limit,
            num_fewshot: eval_num_fewshot,
            max_gen_toks: eval_max_gen_toks,
            api: eval_api.into(),
            answer_text: AnswerText {
                think_end_token: eval_think_end_token,
                cut_at_stop: eval_cut_at_stop,
            },
            thresholds: eval_thresholds,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If there is no valid row, and as [`execute`] or [`plan_job`].
pub async fn run(args: RunArgs) -> Result<Exit, Failure> {
    let cancellation = Cancellation::on_signals()?;
    match Task::try_from(args)? {
        Task::Reap { gone_machines } => Ok(reap(&gone_machines, &cancellation).await),
        Task::Plan(request) => {
            output::emit(&job_plan::text_of(&plan_job(&request)?))?;
            Ok(Exit::Success)
        }
        Task::Execute(request) => {
            let executed = execute(*request, &cancellation).await?;
            Ok(executed.end.into())
        }
    }
}
