//! The flags of `imax bench`: names and defaults of benchmark_serving.py and `vllm bench serve`. A flag of theirs that is
//! not here is refused by clap with its name, never ignored.

mod settings;
mod values;

pub use settings::ArgumentError;

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::load::settings::{MetricName, RampKind};
use crate::measure::DetailedFormat;
use crate::model::Secret;
use values::{goodput, header, json_object, key_value, secret};

/// Load-test an inference server and write the raw result of benchmark_serving.py.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax bench --model benchmarks/demo --served-model-name demo --port 8000 --dataset-name random \\\n    \
    --random-input-len 1024 --random-output-len 128 --num-prompts 160 --max-concurrency 16 --ignore-eos --save-result\n  \
    imax bench --model org/model --base-url https://host --ca-cert ca.pem --dataset-name mooncake --dataset-path trace.jsonl\n  \
    imax bench --model org/model --sessions 64 --turns 6 --think-time 2 --max-concurrency 16 --backend openai-chat\n  \
    imax bench --model org/model --dataset-name recorded --dataset-path sessions.jsonl --max-concurrency 16 --duration 600 \\\n    \
    --backend openai-chat --ignore-eos"
)]
pub struct BenchArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    dataset: DatasetArgs,
    #[command(flatten)]
    extent: ExtentArgs,
    #[command(flatten)]
    arrival: ArrivalArgs,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    metrics: MetricArgs,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    save: SaveArgs,
    /// Show no progress.
    #[arg(long, action = ArgAction::SetTrue)]
    pub disable_tqdm: bool,
}

#[derive(Debug, Args)]
struct ServerArgs {
    /// Engine of the server; decides the protocol.
    #[arg(long, default_value = "vllm")]
    backend: String,
    /// Base URL of the server, instead of --host and --port.
    #[arg(long)]
    base_url: Option<String>,
    /// Host of the server.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the server.
    #[arg(long, default_value = "8000")]
    port: NonZeroU16,
    /// URL path of requests; default: the backend's.
    #[arg(long)]
    endpoint: Option<String>,
    /// Model: a hub name or a folder.
    #[arg(long)]
    model: String,
    /// Model name in requests, if it differs from --model.
    #[arg(long)]
    served_model_name: Option<String>,
    /// Tokenizer: a file, a folder or a hub repository; default: the model.
    #[arg(long)]
    tokenizer: Option<String>,
}

#[derive(Debug, Args)]
struct DatasetArgs {
    /// Data set that the prompts come from.
    #[arg(long, value_enum, default_value_t = DatasetName::Random)]
    dataset_name: DatasetName,
    /// File with the prompts, for every data set except random; for recorded sessions a file or a folder.
    #[arg(long)]
    dataset_path: Option<PathBuf>,
    /// Output tokens of each request; default: the length of the recorded answer.
    #[arg(long)]
    sharegpt_output_len: Option<NonZeroU32>,
    /// Output tokens of requests whose line does not state them.
    #[arg(long, default_value = "256")]
    custom_output_len: NonZeroU32,
    /// Tokens per hash id of a trace.
    #[arg(long, default_value_t = NonZeroU32::new(crate::load::dataset::trace::MOONCAKE_BLOCK).unwrap_or(NonZeroU32::MIN))]
    trace_block_size: NonZeroU32,
    /// Number of multi-turn conversations to send instead of single requests.
    #[arg(long, conflicts_with = "num_prompts")]
    sessions: Option<NonZeroU32>,
    /// Turns per conversation; recorded conversations are cut to this number.
    #[arg(long, requires = "sessions", default_value = "4")]
    turns: NonZeroU32,
    /// Mean think time between an answer and the next turn in seconds, exponentially distributed.
    #[arg(long, requires = "sessions", default_value_t = 0.0)]
    think_time: f64,
    /// Render each prompt with the chat template of tokenizer_config.json and send it as text; the template's tokens count as input.
    #[arg(long)]
    use_chat_template: bool,
    /// Send token ids instead of text.
    #[arg(long)]
    prompt_token_ids: bool,
    /// Input tokens per request (the maximum, see --random-range-ratio).
    #[arg(long, visible_alias = "input-len", default_value = "1024")]
    random_input_len: NonZeroU32,
    /// Output tokens per request (the maximum, see --random-range-ratio).
    #[arg(long, visible_alias = "output-len", default_value = "128")]
    random_output_len: NonZeroU32,
    /// Shortest length as a fraction of the longest, 0 to 1; with 1 all lengths are equal.
    #[arg(long, default_value_t = 1.0)]
    random_range_ratio: f64,
    /// Tokens of a prefix common to all prompts, in addition to the input length.
    #[arg(long, default_value_t = 0)]
    random_prefix_len: u32,
}

#[derive(Debug, Args)]
struct ExtentArgs {
    /// Requests to measure; default: 1000, or every request of a trace or custom file. With --duration, the number of distinct
    /// prompts.
    #[arg(long)]
    num_prompts: Option<NonZeroU32>,
    /// Seconds during which requests are sent, instead of a number of requests; the run then waits for those in flight.
    #[arg(long)]
    duration: Option<f64>,
    /// Runs per load, each with other prompts; the spread between the runs is reported.
    #[arg(long, default_value = "1")]
    num_runs: NonZeroU32,
    /// Requests sent before the measurement.
    #[arg(long, default_value_t = 0)]
    num_warmups: u32,
}

#[derive(Debug, Args)]
struct ArrivalArgs {
    /// Maximum number of requests in flight; several values, such as `4,8,16`, are measured one after another, a result file each.
    #[arg(long, value_delimiter = ',')]
    max_concurrency: Vec<NonZeroU32>,
    /// Requests per second, or `inf` to send each request as soon as a slot is free; several values are measured one after another.
    #[arg(long, value_delimiter = ',', default_value = "inf")]
    request_rate: Vec<f64>,
    /// Shape of the gamma-distributed intervals: 1 is Poisson, `inf` is constant.
    #[arg(long, default_value = "1.0")]
    burstiness: f64,
    /// Rate that changes during the run.
    #[arg(long, visible_alias = "ramp-up", value_enum, requires_all = ["ramp_up_start_rps", "ramp_up_end_rps"])]
    ramp_up_strategy: Option<RampName>,
    /// Requests per second at the start of the ramp.
    #[arg(long, requires = "ramp_up_strategy")]
    ramp_up_start_rps: Option<f64>,
    /// Requests per second at the end of the ramp.
    #[arg(long, requires = "ramp_up_strategy")]
    ramp_up_end_rps: Option<f64>,
}

#[derive(Debug, Args)]
struct RequestArgs {
    /// Request the full output length even if the model would stop earlier.
    #[arg(long)]
    ignore_eos: bool,
    /// Request whole responses instead of streams; there is no time to first token then.
    #[arg(long)]
    no_stream: bool,
    /// Seed of all random values.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Additional keys of each request's body, a JSON object.
    #[arg(long, value_parser = json_object)]
    extra_body: Option<serde_json::Map<String, serde_json::Value>>,
    /// Additional header of each request, `NAME=VALUE`; can be repeated.
    #[arg(long = "header", num_args = 1.., value_parser = header)]
    headers: Vec<(String, Secret)>,
    /// API key, sent as bearer token.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true, value_parser = secret)]
    api_key: Option<Secret>,
    /// LoRA adapters; each request names a random one of them instead of the model.
    #[arg(long, num_args = 1..)]
    lora_modules: Vec<String>,
    /// Certificates (PEM) to trust in addition to the system's.
    #[arg(long)]
    ca_cert: Option<PathBuf>,
    /// Profile the server during the measurement (`/start_profile`, `/stop_profile`).
    #[arg(long)]
    profile: bool,
}

#[derive(Debug, Args)]
struct MetricArgs {
    /// Metrics whose statistics are written to the result.
    #[arg(long, value_delimiter = ',', default_value = "ttft,tpot,itl,e2el")]
    percentile_metrics: Vec<MetricName>,
    /// Percentiles of each metric.
    #[arg(long, value_delimiter = ',', default_value = "90,99,99.9")]
    metric_percentiles: Vec<f64>,
    /// Latency limits of a good request in ms, such as `ttft:200 tpot:50`.
    #[arg(long, num_args = 1.., value_parser = goodput)]
    goodput: Vec<(MetricName, f64)>,
    /// `KEY=VALUE` pairs to write to the result.
    #[arg(long, num_args = 0.., value_parser = key_value)]
    metadata: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct ClientArgs {
    /// Before each run, measure the client's own error on this machine against the simulated engine at the same concurrency.
    #[arg(long)]
    calibrate: bool,
    /// Exit with 0 even if the client was saturated; the result is marked in any case.
    #[arg(long)]
    allow_saturated_client: bool,
    /// Timeout of a connection attempt in seconds.
    #[arg(long, default_value_t = 10.0)]
    connect_timeout: f64,
    /// Seconds to wait for the next byte of a response.
    #[arg(long, default_value_t = 600.0)]
    no_progress_timeout: f64,
    /// Fraction of failed requests above which the run counts as failed.
    #[arg(long, default_value_t = 0.05)]
    max_error_share: f64,
    /// Client threads, one event loop each; default: one per 1,000 streams, at most one per two cores.
    #[arg(long, visible_alias = "threads")]
    client_threads: Option<NonZeroU32>,
}

#[derive(Debug, Args)]
struct SaveArgs {
    /// Write the result to a file.
    #[arg(long)]
    save_result: bool,
    /// Also write each request's figures to the result, and its timestamps to a file beside it.
    #[arg(long, requires = "save_result")]
    save_detailed: bool,
    /// Format of that file.
    #[arg(long, value_enum, default_value_t = DetailedFormatArg::Jsonl)]
    detailed_format: DetailedFormatArg,
    /// Folder of the result file.
    #[arg(long)]
    result_dir: Option<PathBuf>,
    /// Name of the result file.
    #[arg(long)]
    result_filename: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DatasetName {
    /// Random tokens.
    Random,
    /// Conversations in ShareGPT's format, a JSON array.
    Sharegpt,
    /// Custom prompts: JSON lines with `prompt` and, optionally, `output_tokens`.
    Custom,
    /// Recorded sessions of several turns: JSON lines with the chat API's `messages`, or with the `requests` of kv-cache-tester's traces;
    /// a file or a folder.
    Recorded,
    /// A trace in Mooncake's format: JSON lines with timestamp, input_length, output_length, hash_ids.
    Mooncake,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RampName {
    /// By equal increments.
    Linear,
    /// By equal factors.
    Exponential,
}

impl RampName {
    fn kind(self) -> RampKind {
        match self {
            Self::Linear => RampKind::Linear,
            Self::Exponential => RampKind::Exponential,
        }
    }
}

/// Format of the file with one request per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DetailedFormatArg {
    /// One JSON object per line.
    Jsonl,
    /// Parquet, for data frames.
    Parquet,
}

impl From<DetailedFormatArg> for DetailedFormat {
    fn from(format: DetailedFormatArg) -> Self {
        match format {
            DetailedFormatArg::Jsonl => Self::Jsonl,
            DetailedFormatArg::Parquet => Self::Parquet,
        }
    }
}
