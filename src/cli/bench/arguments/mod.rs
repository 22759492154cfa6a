//! The flags of `imax bench`, with the names and defaults of benchmark_serving.py and `vllm bench serve`. Their other flags are rejected
//! by name, never ignored.

mod dataset;
mod foreign;
mod noise;
mod random;
mod sampling;
mod search;
mod settings;
mod shard;
mod task;
mod url_alone;
mod values;

pub use foreign::{hint, with_dashes};
pub use noise::NoiseArgs;
pub use settings::ArgumentError;
pub use task::BenchTask;

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::overview::OverviewArgs;
use crate::load::settings::{Balance, MetricName, REQUEST_ID_PREFIX, RampKind};
use crate::measure::DetailedFormat;
use crate::model::Secret;
use dataset::DatasetArgs;
use random::RandomArgs;
use sampling::SamplingArgs;
use search::SearchArgs;
use shard::ShardArgs;
use values::{PromptCount, goodput, header, header_text, json_object, key_name, key_value, secret};

/// Load-test an inference server and write the raw result of benchmark_serving.py.
#[derive(Debug, Args)]
#[command(
    // As in argparse, the last value of a repeated option counts.
    args_override_self = true,
    after_help = "Examples:\n  imax bench http://localhost:8000\n  imax bench --model benchmarks/demo --served-model-name demo --port 8000 --dataset-name random \\\n    \
    --random-input-len 1024 --random-output-len 128 --num-prompts 160 --max-concurrency 16 --ignore-eos --save-result\n  \
    imax bench --model org/model --base-url http://a:8000,http://b:8000 --balance least-requests --max-concurrency 32\n  \
    imax bench --model org/model --base-url https://host --ca-cert ca.pem --dataset-name mooncake --dataset-path trace.jsonl\n  \
    imax bench --model org/model --sessions 64 --turns 6 --think-time 2 --max-concurrency 16 --backend openai-chat\n  \
    imax bench --base-url http://host:8000 --tokenizer org/model --dataset-name hf --dataset-path openai/gsm8k --num-prompts -1\n  \
    imax bench --model org/model --find-max --slo 'ttft:p99<500' 'itl:p95<40' --save-result --result-filename max.json\n  \
    imax bench --model org/model --dataset-name recorded --dataset-path sessions.jsonl --max-concurrency 16 --duration 600 \\\n    \
    --backend openai-chat --ignore-eos\n  \
    imax bench --model org/model --max-concurrency 16 --num-prompts 160 --ignore-eos --calibrate-noise 5 --row row.json --history history/\n  \
    AT=$(date -d '+60 sec' +%s) srun -N 4 sh -c 'imax bench --base-url http://server:8000 --model org/model --request-rate 400 --num-prompts 40000 \\\n    \
    --shard $((SLURM_PROCID+1))/$SLURM_NTASKS --start-at $AT --save-result --result-dir shards'; imax collect shards --shards --out ."
)]
pub struct BenchArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    dataset: DatasetArgs,
    #[command(flatten)]
    random: RandomArgs,
    #[command(flatten)]
    extent: ExtentArgs,
    #[command(flatten)]
    arrival: ArrivalArgs,
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    metrics: MetricArgs,
    #[command(flatten)]
    search: SearchArgs,
    #[command(flatten)]
    shard: ShardArgs,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    save: SaveArgs,
    #[command(flatten)]
    pub(super) noise: NoiseArgs,
    #[command(flatten)]
    pub overview: OverviewArgs,
    /// Show no progress.
    #[arg(long, action = ArgAction::SetTrue)]
    pub disable_tqdm: bool,
}

impl BenchArgs {
    /// Whether the number of requests is the default, set neither by a flag nor by the data set.
    fn has_default_extent(&self) -> bool {
        self.extent.num_prompts.is_none() && self.extent.duration.is_none() && self.dataset.dataset_name.has_any_number()
    }

    /// A remark for users of `vllm bench serve` about a flag that has another meaning here.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        self.random.remark()
    }
}

#[derive(Debug, Args)]
struct ServerArgs {
    /// Base URL of the server, as --base-url. Protocol, model and tokenizer are then detected, unless they are given. Without any load
    /// option, concurrency is doubled from 1 until the throughput no longer grows, for about a minute, and results and page are written to
    /// a new folder.
    #[arg(value_name = "URL", value_delimiter = ',', num_args = 1, conflicts_with_all = ["base_url", "host", "port"])]
    server_url: Vec<String>,
    /// Engine of the server; determines the protocol [default: vllm; with URL: detected].
    #[arg(long, visible_alias = "endpoint-type")]
    backend: Option<String>,
    /// Base URL of the server, instead of --host and --port; `unix:/path` is a Unix socket. A trailing `/v1` is accepted. Requests are
    /// spread over several, such as `http://a:8000,http://b:8000`, which serve the same model.
    #[arg(long, short = 'u', visible_aliases = ["url", "target"], action = ArgAction::Set, num_args = 1, value_delimiter = ',')]
    base_url: Vec<String>,
    /// Which of several servers gets a request, or a conversation with all its turns: each in turn, or the one with the fewest requests
    /// in flight.
    #[arg(long, value_enum, default_value_t = BalanceName::RoundRobin)]
    balance: BalanceName,
    /// Host of the server.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the server.
    #[arg(long, default_value = "8000")]
    port: NonZeroU16,
    /// URL path of requests; default: the backend's.
    #[arg(long)]
    endpoint: Option<String>,
    /// Model: a hub name or a folder; default: the first model that the server lists.
    #[arg(long, short)]
    model: Option<String>,
    /// Model name in requests, if it differs from --model.
    #[arg(long)]
    served_model_name: Option<String>,
    /// Tokenizer: a tokenizer.json or GGUF file, a folder, a hub repository, or `server` for the server's `/tokenize`; default: the
    /// model's, else the server's.
    #[arg(long)]
    tokenizer: Option<String>,
    /// No effect: imax never runs model code.
    #[arg(long)]
    trust_remote_code: bool,
    /// Seconds to wait until the server answers the probe, for a server that is still starting.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    ready_check_timeout_sec: f64,
}

#[derive(Debug, Args)]
struct ExtentArgs {
    /// Requests to measure, -1 for all of the data set; default: 1000, or all requests of a trace, custom or hub data set. With --duration,
    /// the number of distinct prompts.
    #[arg(long, visible_aliases = ["request-count", "num-requests", "max-requests"], allow_negative_numbers = true)]
    num_prompts: Option<PromptCount>,
    /// Send the prompts of a data set more than once if it has fewer than --num-prompts or --sessions; otherwise this is an error.
    #[arg(long)]
    oversample: bool,
    /// Seconds for which requests are sent, instead of a number of requests; the run ends when the requests in flight have ended.
    #[arg(long, visible_aliases = ["max-seconds", "benchmark-duration"])]
    duration: Option<f64>,
    /// Runs per load, each with other prompts; the spread between the runs is reported.
    #[arg(long, default_value = "1", conflicts_with = "calibrate_noise")]
    num_runs: NonZeroU32,
    /// Requests sent before the measurement.
    #[arg(long, visible_alias = "warmup-request-count", default_value_t = 0)]
    num_warmups: u32,
}

#[derive(Debug, Args)]
struct ArrivalArgs {
    /// Maximum number of requests in flight; several values, such as `4,8,16`, are measured one after another, each with a result file.
    #[arg(long, visible_alias = "concurrency", action = ArgAction::Set, num_args = 1, value_delimiter = ',')]
    max_concurrency: Vec<NonZeroU32>,
    /// Requests per second, or `inf` to send each request as soon as a slot is free; several values are measured one after another.
    #[arg(long, visible_alias = "rate", action = ArgAction::Set, num_args = 1, value_delimiter = ',', default_value = "inf")]
    request_rate: Vec<f64>,
    /// Meaning of the values of --rate, by GuideLLM's names.
    #[arg(long, value_enum)]
    rate_type: Option<RateType>,
    /// Shape of the gamma-distributed intervals: 1 is Poisson, `inf` is constant.
    #[arg(long, default_value = "1.0")]
    burstiness: f64,
    /// Change the rate during the run.
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
    /// Request streams; this is the default.
    #[arg(long, conflicts_with = "no_stream")]
    streaming: bool,
    /// Request whole responses instead of streams; there is no time to first token then.
    #[arg(long)]
    no_stream: bool,
    /// Prefix of each request's X-Request-Id; the number of the request follows it.
    #[arg(long, value_name = "TEXT", default_value = REQUEST_ID_PREFIX, value_parser = header_text)]
    request_id_prefix: String,
    /// Seed of all random numbers.
    #[arg(long, visible_alias = "random-seed", default_value_t = 0)]
    seed: u64,
    /// Key of the output length in requests of the OpenAI API, such as `max_completion_tokens`.
    #[arg(long, default_value = "max_tokens", value_parser = key_name)]
    max_tokens_field: String,
    /// Additional keys of each request's body, a JSON object; objects are merged, and null removes a key.
    #[arg(long, value_parser = json_object)]
    extra_body: Option<serde_json::Map<String, serde_json::Value>>,
    /// Additional header of each request, `NAME=VALUE`; can be repeated.
    #[arg(long = "header", num_args = 1.., value_parser = header)]
    headers: Vec<(String, Secret)>,
    /// API key, sent as bearer token.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true, value_parser = secret)]
    api_key: Option<Secret>,
    /// LoRA adapters; each request names a random adapter instead of the model.
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
    #[arg(long, action = ArgAction::Set, num_args = 1, value_delimiter = ',', default_value = "ttft,tpot,itl,e2el")]
    percentile_metrics: Vec<MetricName>,
    /// Percentiles of each metric.
    #[arg(long, action = ArgAction::Set, num_args = 1, value_delimiter = ',', default_value = "90,99,99.9")]
    metric_percentiles: Vec<f64>,
    /// Latency limits in ms that a request must meet to count as goodput, such as `ttft:200 tpot:50`.
    #[arg(long, num_args = 1.., value_parser = goodput)]
    goodput: Vec<(MetricName, f64)>,
    /// `KEY=VALUE` pairs to write to the result.
    #[arg(long, num_args = 0.., value_parser = key_value)]
    metadata: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct ClientArgs {
    /// Before each run, measure the client's own error on this machine with the simulated engine at the same concurrency.
    #[arg(long)]
    calibrate: bool,
    /// Exit with 0 even if the client was saturated; the result is marked in any case.
    #[arg(long)]
    allow_saturated_client: bool,
    /// Timeout of a connection attempt in seconds.
    #[arg(long, default_value_t = 10.0)]
    connect_timeout: f64,
    /// Maximum seconds between two reads of a response.
    #[arg(long, default_value_t = 600.0)]
    no_progress_timeout: f64,
    /// Maximum seconds for a whole request, from its first byte to the last of its response.
    #[arg(long, default_value_t = 21_600.0)]
    request_timeout: f64,
    /// Fraction of failed requests above which the run counts as failed.
    #[arg(long, default_value_t = 0.05)]
    max_error_share: f64,
    /// End a load early once it is statistically certain that more than this fraction of its requests fail; default with --find-max and
    /// --sweep: --max-error-share.
    #[arg(long, value_name = "FRACTION")]
    abort_error_share: Option<f64>,
    /// Seconds between two scrapes of the engine's metrics during the load; 0 disables them.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    engine_metrics_interval: f64,
    /// URL of the engine's metrics; default: /metrics of the server. Triton has them on another port. For several servers one each, in
    /// their order, separated by commas.
    #[arg(long, value_name = "URL", action = ArgAction::Set, num_args = 1, value_delimiter = ',')]
    engine_metrics_url: Vec<String>,
    /// Reset the server's prefix cache before each load (vLLM, SGLang).
    #[arg(long)]
    reset_prefix_cache: bool,
    /// Client threads, one event loop each; default: one per 1,000 streams, at most one per two cores.
    #[arg(long, visible_alias = "threads")]
    client_threads: Option<NonZeroU32>,
}

#[derive(Debug, Args)]
struct SaveArgs {
    /// Write the result to a file.
    #[arg(long)]
    save_result: bool,
    /// Append the result to the file, one JSON object a line, instead of replacing the file.
    #[arg(long, requires = "save_result")]
    append_result: bool,
    /// Name of this benchmark in the result and, instead of the backend's name, at the start of the default file name.
    #[arg(long)]
    label: Option<String>,
    /// Also write the figures of each request to the result, and its timestamps to a file beside it.
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

/// The load types of GuideLLM that imax supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RateType {
    /// Requests per second at constant intervals.
    Constant,
    /// Requests per second as a Poisson process.
    Poisson,
    /// Requests in flight.
    Concurrent,
    /// One request in flight; no --rate.
    Synchronous,
    /// All requests at once, or as many as --max-concurrency allows; no --rate.
    Throughput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BalanceName {
    /// Each server in turn.
    RoundRobin,
    /// The server with the fewest requests in flight.
    LeastRequests,
}

impl From<BalanceName> for Balance {
    fn from(name: BalanceName) -> Self {
        match name {
            BalanceName::RoundRobin => Self::RoundRobin,
            BalanceName::LeastRequests => Self::LeastRequests,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RampName {
    /// Equal increments.
    Linear,
    /// Equal factors.
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
