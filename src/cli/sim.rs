//! `imax sim`: runs the simulated engine as a server, for demos and tests without a GPU.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::output::say;
use super::{Exit, Failure};
use crate::measure::tokenizer;
use crate::sim::faults::{FaultRate, Faults};
use crate::sim::features::{Features, Speculation};
use crate::sim::knowledge::Knowledge;
use crate::sim::model::Parallel;
use crate::sim::pace::FixedTimes;
use crate::sim::scheduler::Batching;
use crate::sim::server::ServerError;
use crate::sim::{Deployment, Pace, Presets, Server, ServerOptions};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::{environment, files};

/// Simulate an engine: serve the APIs of OpenAI, SGLang and Triton with the timing of a performance model of a GPU.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax sim --gpu h100 --model demo --precision fp8 --engine imax-sim:1.0 --port 8000\n  \
    imax sim --model demo --ttft-ms 50 --itl-ms 10 --port 8000\n  \
    imax sim --model demo --answers benchmarks/evals/sums.jsonl --answer-accuracy 0.95"
)]
pub struct SimArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 selects a free port and prints it.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    #[command(flatten)]
    deployment: DeploymentArgs,
    /// The model, a name in sim.yaml.
    #[arg(long, default_value = "demo")]
    model: String,
    /// Names of the model in requests [default: --model].
    #[arg(long, num_args = 1..)]
    served_model_name: Vec<String>,
    /// Cache the prefixes of prompts.
    #[arg(long, visible_alias = "enable-prefix-caching")]
    prefix_cache: bool,
    /// Tokenizer for text prompts [default: one token per word].
    #[arg(long)]
    tokenizer: Option<String>,
    /// Tokens in each chunk of a stream.
    #[arg(long, default_value = "1")]
    stream_interval: NonZeroU32,
    /// Mean length of an answer without ignore_eos, in tokens.
    #[arg(long, default_value = "256")]
    mean_answer: NonZeroU32,
    /// Milliseconds from the start until the engine is ready [default: that of the engine in sim.yaml].
    #[arg(long)]
    ready_ms: Option<u64>,
    /// Never become ready.
    #[arg(long, conflicts_with = "ready_ms")]
    never_ready: bool,
    /// Known answers: JSON lines with `question` and `answer`. A prompt that ends with such a question gets its answer, any other prompt
    /// gets filler words.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Fraction of known questions that are answered correctly.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, requires = "answers")]
    answer_accuracy: f64,
    /// Faults to inject: http_STATUS, html, no_tokens, close, reset, truncate, hang, malformed, wrong_usage; each with
    /// `:FRACTION` to affect only that fraction of the requests.
    #[arg(long = "fault", num_args = 1..)]
    faults: Vec<FaultRate>,
    /// Number of first requests without faults, such as a client's probe.
    #[arg(long, default_value_t = 0)]
    fault_free: u64,
    /// Exit after accepting this many requests.
    #[arg(long)]
    die_after: Option<u64>,
    /// Random seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder of the traces that `/stop_profile` writes, one Chrome trace each time [default: SGLANG_TORCH_PROFILER_DIR, or none].
    #[arg(long, value_name = "DIR", env = "VLLM_TORCH_PROFILER_DIR")]
    torch_profiler_dir: Option<PathBuf>,
    /// Have no profiler: `/start_profile` and `/stop_profile` are answered with 404, as by a vLLM without one.
    #[arg(long)]
    no_profiler: bool,
    /// Log file of the actual events, one JSON line per chunk.
    #[arg(long)]
    ground_truth: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct DeploymentArgs {
    /// The GPU, a name in hardware.yaml.
    #[arg(long, default_value = "h100")]
    gpu: String,
    /// The engine, a name in sim.yaml.
    #[arg(long, default_value = "imax-sim:1.0")]
    engine: String,
    /// Numeric format of the weights: fp4, fp8, bf16.
    #[arg(long, default_value = "fp8")]
    precision: String,
    /// Tensor parallelism, GPUs.
    #[arg(long, visible_alias = "tensor-parallel-size", default_value = "1")]
    tp: NonZeroU32,
    /// Expert parallelism of a mixture-of-experts model, GPUs; 1 splits each expert over all GPUs.
    #[arg(long, visible_alias = "expert-parallel-size", default_value = "1")]
    ep: NonZeroU32,
    /// Draft tokens per step (speculative decoding).
    #[arg(long, default_value_t = 0)]
    speculative_tokens: u32,
    /// Probability that a draft token is accepted if all earlier ones of the step were.
    #[arg(long, default_value_t = 0.7)]
    acceptance_rate: f64,
    /// Folder with hardware.yaml and sim.yaml [default: the built-in files].
    #[arg(long)]
    config_dir: Option<PathBuf>,
    /// Fixed time to first token in milliseconds, instead of the performance model's.
    #[arg(long, visible_alias = "ttft", requires = "itl_ms")]
    ttft_ms: Option<f64>,
    /// Fixed inter-token latency in milliseconds, instead of the performance model's.
    #[arg(long, visible_alias = "itl", requires = "ttft_ms")]
    itl_ms: Option<f64>,
    /// Standard deviation of the duration of a step, as a fraction of it.
    #[arg(long, default_value_t = 0.01)]
    jitter: f64,
}

/// Runs the command.
///
/// # Errors
/// Usage for an invalid flag, invalid input for an invalid preset or tokenizer, infrastructure if the port cannot be used.
pub fn run(arguments: SimArgs) -> Result<Exit, Failure> {
    let SimArgs {
        host,
        port,
        model,
        served_model_name,
        deployment,
        prefix_cache,
        tokenizer,
        stream_interval,
        mean_answer,
        ready_ms,
        never_ready,
        answers,
        answer_accuracy,
        faults,
        fault_free,
        die_after,
        seed,
        torch_profiler_dir,
        no_profiler,
        ground_truth,
    } = arguments;
    let (pace, ready_after) = deployment.into_pace(&model, prefix_cache, seed)?;
    let tokenizer = tokenizer.map(|source| tokenizer::read(&source, &mut || true)).transpose()?;
    let options = ServerOptions {
        model_names: if served_model_name.is_empty() {
            vec![model]
        } else {
            served_model_name
        },
        tokenizer,
        ready_after: (!never_ready).then(|| ready_ms.map_or(ready_after, Duration::from_millis)),
        prefix_cache,
        stream_interval: stream_interval.get(),
        mean_answer: mean_answer.get(),
        knowledge: answers.map(|path| knowledge(&path, answer_accuracy)).transpose()?,
        faults: Faults::new(faults, seed, fault_free),
        trace_folder: torch_profiler_dir.or_else(|| environment::text("SGLANG_TORCH_PROFILER_DIR").map(PathBuf::from)),
        has_profiler: !no_profiler,
        die_after,
        ground_truth,
        seed,
    };
    let stop = Cancellation::on_signals()?;
    let server = Server::bind(&host, port, pace, options)?;
    let address = server.address().map_err(ServerError::System)?;
    say(&format!("simulated engine listening at http://{address}"));
    server.run(|| stop.is_cancelled())?;
    // Stopping a server is not a failure, but its exit code gives the signal.
    Ok(match stop.cause() {
        Some(cause @ (CancelCause::Interrupt | CancelCause::Terminate | CancelCause::Hangup)) => cause.into(),
        Some(CancelCause::Abandoned) | None => Exit::Success,
    })
}

fn knowledge(path: &Path, accuracy: f64) -> Result<Knowledge, Failure> {
    let text = files::read_text(path)?;
    Ok(Knowledge::parse(&path.display().to_string(), &text, accuracy)?)
}

/// Duration of a draft token as a fraction of a step: a draft model has a few percent of the model's size.
const DRAFT_SHARE: f64 = 0.03;

impl DeploymentArgs {
    /// The timing, and the duration until the engine is ready.
    fn into_pace(self, model: &str, prefix_cache: bool, seed: u64) -> Result<(Pace, Duration), Failure> {
        let Self {
            gpu,
            engine,
            precision,
            tp,
            ep,
            speculative_tokens,
            acceptance_rate,
            config_dir,
            ttft_ms,
            itl_ms,
            jitter,
        } = self;
        if let (Some(ttft), Some(itl)) = (ttft_ms, itl_ms) {
            let times = FixedTimes {
                ttft: milliseconds("--ttft-ms", ttft)?,
                itl: milliseconds("--itl-ms", itl)?,
            };
            return Ok((Pace::fixed(times), Duration::ZERO));
        }
        let presets = presets(config_dir.as_deref())?;
        let hardware = presets.hardware(&gpu)?;
        let model = presets.model(model)?;
        let engine = presets.engine(&engine)?;
        let parallel = Parallel {
            tp: tp.get(),
            ep: ep.get(),
        };
        let deployment = Deployment::new(hardware, model, engine, &precision, parallel)?;
        if !(0.0..=0.3).contains(&jitter) {
            return Err(usage(format!("--jitter is {jitter}, expected a fraction from 0 to 0.3")));
        }
        let features = Features {
            jitter,
            prefix_cache,
            speculation: speculation(speculative_tokens, acceptance_rate)?,
        };
        let engine_ready = Duration::from_millis(engine.ready_ms);
        Ok((Pace::by_model(Batching::new(deployment, features, seed)), engine_ready))
    }
}

fn speculation(tokens: u32, acceptance: f64) -> Result<Option<Speculation>, Failure> {
    if !(0.0..=1.0).contains(&acceptance) {
        return Err(usage(format!("--acceptance-rate is {acceptance}, expected a fraction from 0 to 1")));
    }
    let speculation = Speculation {
        tokens,
        acceptance,
        draft_share: DRAFT_SHARE,
    };
    Ok((tokens > 0).then_some(speculation))
}

fn presets(folder: Option<&Path>) -> Result<Presets, Failure> {
    let Some(folder) = folder else {
        return Ok(Presets::built_in()?);
    };
    let hardware = files::read_text(&folder.join("hardware.yaml"))?;
    let sim = files::read_text(&folder.join("sim.yaml"))?;
    Ok(Presets::parse(&hardware, &sim)?)
}

fn milliseconds(flag: &str, found: f64) -> Result<Duration, Failure> {
    if (0.0..=1e7).contains(&found) {
        Ok(Duration::from_secs_f64(found / 1e3))
    } else {
        Err(usage(format!("{flag} is {found}, expected milliseconds, 0 or more")))
    }
}

fn usage(message: String) -> Failure {
    Failure {
        exit: Exit::Usage,
        error: anyhow::Error::msg(message),
    }
}
