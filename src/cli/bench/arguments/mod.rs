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

/// Load-tests an inference server and writes the raw result of benchmark_serving.py.
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
    /// Engine that serves; decides the protocol.
    #[arg(long, default_value = "vllm")]
    backend: String,
    /// Base URL of the server, in place of --host and --port.
    #[arg(long)]
    base_url: Option<String>,
    /// Host of the server.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the server.
    #[arg(long, default_value = "8000")]
    port: NonZeroU16,
    /// Path of requests; the backend's own by default.
    #[arg(long)]
    endpoint: Option<String>,
    /// The model: its hub name, or a folder.
    #[arg(long)]
    model: String,
    /// The model's name in requests, where it is another.
    #[arg(long)]
    served_model_name: Option<String>,
    /// Where the tokenizer is: a file, a folder, or a repository of the hub; by default the model.
    #[arg(long)]
    tokenizer: Option<String>,
    /// What the prompts are.
    #[arg(long, value_enum, default_value_t = DatasetName::Random)]
    dataset_name: DatasetName,
    /// File of the prompts, for every data set but random; of recorded sessions a folder too.
    #[arg(long)]
    dataset_path: Option<PathBuf>,
    /// Output tokens of each request, in place of the recorded answer's length.
    #[arg(long)]
    sharegpt_output_len: Option<NonZeroU32>,
    /// Output tokens of requests that do not say it themselves.
    #[arg(long, default_value = "256")]
    custom_output_len: NonZeroU32,
    /// Tokens that one hash id of a trace stands for.
    #[arg(long, default_value_t = NonZeroU32::new(crate::load::dataset::trace::MOONCAKE_BLOCK).unwrap_or(NonZeroU32::MIN))]
    trace_block_size: NonZeroU32,
    /// Conversations of several turns, so many in all, in place of single requests.
    #[arg(long, conflicts_with = "num_prompts")]
    sessions: Option<NonZeroU32>,
    /// Turns of a conversation; of recorded ones, at most so many.
    #[arg(long, requires = "sessions", default_value = "4")]
    turns: NonZeroU32,
    /// Mean seconds between an answer and the next turn, exponentially distributed.
    #[arg(long, requires = "sessions", default_value_t = 0.0)]
    think_time: f64,
    /// Put each prompt into the chat template of tokenizer_config.json and send it as text; its tokens count.
    #[arg(long)]
    use_chat_template: bool,
    /// Send token ids in place of text.
    #[arg(long)]
    prompt_token_ids: bool,
    /// Input tokens of a request (at most, see --random-range-ratio).
    #[arg(long, visible_alias = "input-len", default_value = "1024")]
    random_input_len: NonZeroU32,
    /// Output tokens of a request (at most, see --random-range-ratio).
    #[arg(long, visible_alias = "output-len", default_value = "128")]
    random_output_len: NonZeroU32,
    /// Shortest length as a share of the longest, 0 to 1; 1 makes all equal.
    #[arg(long, default_value_t = 1.0)]
    random_range_ratio: f64,
    /// Tokens that all prompts start with, beyond the input length.
    #[arg(long, default_value_t = 0)]
    random_prefix_len: u32,
    /// Requests to measure: 1000 by default, all that a file has with a trace or one's own prompts. With --duration, how many
    /// different ones there are.
    #[arg(long)]
    num_prompts: Option<NonZeroU32>,
    /// Send requests for so many seconds in place of a number of them; those under way then are waited for.
    #[arg(long)]
    duration: Option<f64>,
    /// Measure each load so often, each time with other prompts, and tell how much the runs differ.
    #[arg(long, default_value = "1")]
    num_runs: NonZeroU32,
    /// Requests sent before the clock starts.
    #[arg(long, default_value_t = 0)]
    num_warmups: u32,
    /// Most requests under way at once; several, such as `4,8,16`, are measured one after the other, a result file each.
    #[arg(long, value_delimiter = ',')]
    max_concurrency: Vec<NonZeroU32>,
    /// Requests a second, or `inf` to send each as soon as a slot is free; several are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "inf")]
    request_rate: Vec<f64>,
    /// Shape of the gamma distributed intervals: 1 is Poisson, `inf` is constant.
    #[arg(long, default_value = "1.0")]
    burstiness: f64,
    /// A rate that changes during the run.
    #[arg(long, visible_alias = "ramp-up", value_enum, requires_all = ["ramp_up_start_rps", "ramp_up_end_rps"])]
    ramp_up_strategy: Option<RampName>,
    /// Requests a second at the start of the ramp.
    #[arg(long, requires = "ramp_up_strategy")]
    ramp_up_start_rps: Option<f64>,
    /// Requests a second at its end.
    #[arg(long, requires = "ramp_up_strategy")]
    ramp_up_end_rps: Option<f64>,
    /// Ask for the full output length even where the model would stop.
    #[arg(long)]
    ignore_eos: bool,
    /// Ask for whole answers in place of streams; there is no time to first token then.
    #[arg(long)]
    no_stream: bool,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Metrics that get their statistics into the result.
    #[arg(long, value_delimiter = ',', default_value = "ttft,tpot,itl,e2el")]
    percentile_metrics: Vec<MetricName>,
    /// Percentiles of each metric.
    #[arg(long, value_delimiter = ',', default_value = "90,99,99.9")]
    metric_percentiles: Vec<f64>,
    /// Latency limits of a good request in ms, such as `ttft:200 tpot:50`.
    #[arg(long, num_args = 1.., value_parser = goodput)]
    goodput: Vec<(MetricName, f64)>,
    /// `KEY=VALUE` pairs for the result.
    #[arg(long, num_args = 0.., value_parser = key_value)]
    metadata: Vec<(String, String)>,
    /// Further keys of each request's body, a JSON object.
    #[arg(long, value_parser = json_object)]
    extra_body: Option<serde_json::Map<String, serde_json::Value>>,
    /// A further header of each request, `NAME=VALUE`; can be given several times.
    #[arg(long = "header", num_args = 1.., value_parser = header)]
    headers: Vec<(String, Secret)>,
    /// Sent as a bearer token.
    #[arg(long, env = "OPENAI_API_KEY", hide_env_values = true, value_parser = secret)]
    api_key: Option<Secret>,
    /// Adapters; each request names one of them by chance in place of the model.
    #[arg(long, num_args = 1..)]
    lora_modules: Vec<String>,
    /// Certificates (PEM) to trust beside the system's.
    #[arg(long)]
    ca_cert: Option<PathBuf>,
    /// Have the server profile itself during the measurement (`/start_profile`, `/stop_profile`).
    #[arg(long)]
    profile: bool,
    /// Measure first, against the built-in engine at the same concurrency, what error the client itself adds here.
    #[arg(long)]
    calibrate: bool,
    /// End with 0 although the client was saturated; the result is marked in any case.
    #[arg(long)]
    allow_saturated_client: bool,
    /// Seconds to wait for a connection.
    #[arg(long, default_value_t = 10.0)]
    connect_timeout: f64,
    /// Seconds to wait for the next byte of an answer.
    #[arg(long, default_value_t = 600.0)]
    no_progress_timeout: f64,
    /// Share of failed requests from which on the run counts as failed.
    #[arg(long, default_value_t = 0.05)]
    max_error_share: f64,
    /// Client threads, an event loop each; by default one for each 1,000 streams, and at most one for two cores.
    #[arg(long, visible_alias = "threads")]
    client_threads: Option<NonZeroU32>,
    /// Write the result to a file.
    #[arg(long)]
    save_result: bool,
    /// Put each request's figures into the result too, and its instants into a file beside it.
    #[arg(long, requires = "save_result")]
    save_detailed: bool,
    /// Form of that file.
    #[arg(long, value_enum, default_value_t = DetailedFormatArg::Jsonl)]
    detailed_format: DetailedFormatArg,
    /// Folder of the result file.
    #[arg(long)]
    result_dir: Option<PathBuf>,
    /// Name of the result file.
    #[arg(long)]
    result_filename: Option<String>,
    /// Show no progress.
    #[arg(long, action = ArgAction::SetTrue)]
    pub disable_tqdm: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DatasetName {
    /// Random tokens.
    Random,
    /// Conversations in the manner of ShareGPT, a JSON array.
    Sharegpt,
    /// One's own prompts: JSON lines with `prompt`, and `output_tokens` where wanted.
    Custom,
    /// Recorded sessions of several turns: JSON lines with the chat API's `messages`, or with the `requests` of kv-cache-tester's traces;
    /// a file or a folder.
    Recorded,
    /// A trace in Mooncake's format: JSON lines with timestamp, input_length, output_length, hash_ids.
    Mooncake,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RampName {
    /// By the same amount each time.
    Linear,
    /// By the same factor each time.
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

/// Form of the file with one request a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DetailedFormatArg {
    /// One JSON object a line.
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
