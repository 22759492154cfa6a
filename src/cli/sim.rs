//! `imax sim`: the simulated engine as a server process, for demos and tests without a GPU.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::output::say;
use super::{Exit, Failure, OrExit as _};
use crate::measure::tokenizer;
use crate::sim::faults::{FaultRate, Faults};
use crate::sim::features::{Features, Speculation};
use crate::sim::knowledge::Knowledge;
use crate::sim::model::Parallel;
use crate::sim::pace::FixedTimes;
use crate::sim::scheduler::Batching;
use crate::sim::{Deployment, Pace, Presets, Server, ServerOptions};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::files;

/// Simulate an engine: serve the APIs of OpenAI, SGLang and Triton with the timing of a modelled GPU.
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
    /// Port to listen on; 0 takes a free one and prints it.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The GPU, a name in hardware.yaml.
    #[arg(long, default_value = "h100")]
    gpu: String,
    /// The model, a name in sim.yaml.
    #[arg(long, default_value = "demo")]
    model: String,
    /// Names of the model in requests; by default the model's own.
    #[arg(long, num_args = 1..)]
    served_model_name: Vec<String>,
    /// The engine, a name in sim.yaml.
    #[arg(long, default_value = "imax-sim:1.0")]
    engine: String,
    /// Numeric format of the weights: fp4, fp8, bf16.
    #[arg(long, default_value = "fp8")]
    precision: String,
    /// Tensor parallelism, GPUs.
    #[arg(long, visible_alias = "tensor-parallel-size", default_value = "1")]
    tp: NonZeroU32,
    /// Expert parallelism of a sparse model, GPUs; 1 splits each expert over all GPUs.
    #[arg(long, visible_alias = "expert-parallel-size", default_value = "1")]
    ep: NonZeroU32,
    /// Cache the prefixes of prompts.
    #[arg(long, visible_alias = "enable-prefix-caching")]
    prefix_cache: bool,
    /// Draft tokens of each step (speculative decoding).
    #[arg(long, default_value_t = 0)]
    speculative_tokens: u32,
    /// Probability that a draft token is accepted if all before it were.
    #[arg(long, default_value_t = 0.7)]
    acceptance_rate: f64,
    /// Folder with hardware.yaml and sim.yaml; by default the built-in files.
    #[arg(long)]
    config_dir: Option<PathBuf>,
    /// Tokenizer for the tokens of text prompts; by default words are counted.
    #[arg(long)]
    tokenizer: Option<String>,
    /// Fixed time to first token in milliseconds, instead of the model's.
    #[arg(long, visible_alias = "ttft", requires = "itl_ms")]
    ttft_ms: Option<f64>,
    /// Fixed time between tokens in milliseconds, instead of the model's.
    #[arg(long, visible_alias = "itl", requires = "ttft_ms")]
    itl_ms: Option<f64>,
    /// Standard deviation of a step's time, as a fraction of it.
    #[arg(long, default_value_t = 0.01)]
    jitter: f64,
    /// Tokens in each chunk of a stream.
    #[arg(long, default_value = "1")]
    stream_interval: NonZeroU32,
    /// Mean length of an answer without ignore_eos, in tokens.
    #[arg(long, default_value = "256")]
    mean_answer: NonZeroU32,
    /// Milliseconds from the start until the engine is ready; by default the engine's own.
    #[arg(long)]
    ready_ms: Option<u64>,
    /// Never become ready.
    #[arg(long, conflicts_with = "ready_ms")]
    never_ready: bool,
    /// The answers that the model knows: JSON lines with `question` and `answer`. A prompt that ends with such a question gets
    /// its answer, any other prompt gets filler words.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Fraction of known questions that are answered correctly.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, requires = "answers")]
    answer_accuracy: f64,
    /// Faults to inject: http_STATUS, html, no_tokens, close, reset, truncate, hang, malformed, wrong_usage; each with
    /// `:FRACTION` to affect only that fraction of the requests.
    #[arg(long = "fault", num_args = 1..)]
    faults: Vec<FaultRate>,
    /// Requests at the start without faults, such as a client's probe.
    #[arg(long, default_value_t = 0)]
    fault_free: u64,
    /// Exit after accepting this many requests.
    #[arg(long)]
    die_after: Option<u64>,
    /// Random seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Log of the actual events, one JSON line for each chunk.
    #[arg(long)]
    ground_truth: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Any failure, with the exit code that its kind has.
pub fn run(arguments: &SimArgs) -> Result<Exit, Failure> {
    let (pace, ready_after) = pace(arguments)?;
    let tokenizer = arguments
        .tokenizer
        .as_deref()
        .map(|source| tokenizer::read(source, &mut || true))
        .transpose()
        .or_exit(Exit::InvalidInput)?;
    let model_names = if arguments.served_model_name.is_empty() {
        vec![arguments.model.clone()]
    } else {
        arguments.served_model_name.clone()
    };
    let options = ServerOptions {
        model_names,
        tokenizer,
        ready_after: (!arguments.never_ready).then(|| arguments.ready_ms.map_or(ready_after, Duration::from_millis)),
        prefix_cache: arguments.prefix_cache,
        stream_interval: arguments.stream_interval.get(),
        mean_answer: arguments.mean_answer.get(),
        knowledge: knowledge(arguments)?,
        faults: Faults::new(arguments.faults.clone(), arguments.seed, arguments.fault_free),
        die_after: arguments.die_after,
        ground_truth: arguments.ground_truth.clone(),
        seed: arguments.seed,
    };
    let stop = Cancellation::on_signals().or_exit(Exit::Infrastructure)?;
    let server = Server::bind(&arguments.host, arguments.port, pace, options).or_exit(Exit::Infrastructure)?;
    let address = server.address().or_exit(Exit::Infrastructure)?;
    say(&format!("simulated engine listening at http://{address}"));
    server.run(|| stop.is_cancelled()).or_exit(Exit::Infrastructure)?;
    // A server that is told to end has done its work; its exit code still says what ended it.
    Ok(match stop.cause() {
        Some(cause @ (CancelCause::Interrupt | CancelCause::Terminate | CancelCause::Hangup)) => cause.into(),
        Some(CancelCause::Abandoned) | None => Exit::Success,
    })
}

fn knowledge(arguments: &SimArgs) -> Result<Option<Knowledge>, Failure> {
    let Some(path) = &arguments.answers else {
        return Ok(None);
    };
    let text = files::read_text(path).or_exit(Exit::InvalidInput)?;
    let knowledge = Knowledge::parse(&path.display().to_string(), &text, arguments.answer_accuracy);
    knowledge.map(Some).or_exit(Exit::InvalidInput)
}

fn pace(arguments: &SimArgs) -> Result<(Pace, Duration), Failure> {
    if let (Some(ttft), Some(itl)) = (arguments.ttft_ms, arguments.itl_ms) {
        let times = FixedTimes {
            ttft: milliseconds("--ttft-ms", ttft)?,
            itl: milliseconds("--itl-ms", itl)?,
        };
        return Ok((Pace::fixed(times), Duration::ZERO));
    }
    let presets = presets(arguments)?;
    let hardware = presets.hardware(&arguments.gpu).or_exit(Exit::InvalidInput)?;
    let model = presets.model(&arguments.model).or_exit(Exit::InvalidInput)?;
    let engine = presets.engine(&arguments.engine).or_exit(Exit::InvalidInput)?;
    let parallel = Parallel {
        tp: arguments.tp.get(),
        ep: arguments.ep.get(),
    };
    let deployment = Deployment::new(hardware, model, engine, &arguments.precision, parallel).or_exit(Exit::InvalidInput)?;
    let features = features(arguments)?;
    let engine_ready = Duration::from_millis(engine.ready_ms);
    Ok((Pace::by_model(Batching::new(deployment, features, arguments.seed)), engine_ready))
}

/// Time of one proposed token, as a share of the step: a draft of a few percent of the model's size.
const DRAFT_SHARE: f64 = 0.03;

fn features(arguments: &SimArgs) -> Result<Features, Failure> {
    if !(0.0..=0.3).contains(&arguments.jitter) {
        return Err(usage(format!("--jitter is {}, expected a share from 0 to 0.3", arguments.jitter)));
    }
    let acceptance = arguments.acceptance_rate;
    if !(0.0..=1.0).contains(&acceptance) {
        return Err(usage(format!("--acceptance-rate is {acceptance}, expected a share from 0 to 1")));
    }
    let speculation = Speculation {
        tokens: arguments.speculative_tokens,
        acceptance,
        draft_share: DRAFT_SHARE,
    };
    Ok(Features {
        jitter: arguments.jitter,
        prefix_cache: arguments.prefix_cache,
        speculation: (arguments.speculative_tokens > 0).then_some(speculation),
    })
}

fn presets(arguments: &SimArgs) -> Result<Presets, Failure> {
    let Some(folder) = &arguments.config_dir else {
        return Presets::built_in().or_exit(Exit::InvalidInput);
    };
    let read = |name: &str| files::read_text(&folder.join(name)).or_exit(Exit::InvalidInput);
    Presets::parse(&read("hardware.yaml")?, &read("sim.yaml")?).or_exit(Exit::InvalidInput)
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
