//! Validated settings of a measurement, filled in by `imax bench` and by jobs.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::optional_key::{MAX_TOKENS, OptionalKey};
use super::shard::Shard;
use super::stamp::Stamp;
use crate::model::{Profiler, Secret};

pub use super::dataset::images::{ImageSize, RandomImages};
pub use super::dataset::prefix_repetition::PrefixRepetition;
pub use super::dataset::questions::QuestionSelection;
pub use super::dataset::sonnet::SonnetLengths;

pub use super::arrival::{Arrival, Ramp, RampKind};
pub use super::balance::Balance;
pub use super::target::{Protocol, Target};

/// Default prefix of request ids.
pub const REQUEST_ID_PREFIX: &str = "imax-";

/// What prompts are rendered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PromptTemplate {
    #[default]
    None,
    /// The chat template of the model's tokenizer.
    Tokenizer,
    /// The encoding of DeepSeek-V4.
    DeepSeekV4,
}

/// Settings of one measurement.
#[derive(Debug, Clone)]
pub struct BenchmarkSettings {
    /// The server; of several, the first.
    pub target: Target,
    /// Further servers of the same model, in the order of their numbers. Requests are spread over all of them.
    pub further_targets: Vec<Target>,
    /// How requests are spread over several servers.
    pub balance: Balance,
    /// Name of the backend as given, recorded in the result.
    pub backend: String,
    /// Hub name or folder of the model, recorded in the result.
    pub model: String,
    /// Model name in requests, if it differs from `model`.
    pub served_model_name: Option<String>,
    /// Source of the tokenizer: a file, a folder, or a hub name. `None` is that of the model.
    pub tokenizer: Option<String>,
    /// No tokenizer was found: random prompts consist of English words instead of tokens, and tokens are counted by the server.
    pub has_no_tokenizer: bool,
    pub dataset: Dataset,
    /// Requests to measure; with a duration, the number of distinct prompts.
    pub num_prompts: NonZeroU32,
    /// What to do if the data set has fewer prompts.
    pub shortage: Shortage,
    /// Time for which requests are sent, instead of a number of requests.
    pub duration: Option<Duration>,
    /// Multi-turn conversations instead of single requests. Not needed for recorded sessions, which are conversations anyway.
    pub sessions: Option<Sessions>,
    /// Requests sent before the measurement.
    pub num_warmups: u32,
    /// Arrival process of the whole load, of all shards together.
    pub arrival: Arrival,
    /// This client's part of the load. All other settings describe the whole load.
    pub shard: Shard,
    /// Start time of the load; `None` for as soon as possible.
    pub start_at: Option<Stamp>,
    /// Request the full output length even if the model would stop earlier.
    pub ignore_eos: bool,
    /// Request streams.
    pub stream: bool,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Metrics whose statistics are written to the result.
    pub percentile_metrics: Vec<MetricName>,
    /// Percentiles of each metric, 0 to 100.
    pub metric_percentiles: Vec<f64>,
    pub deadlines: Deadlines,
    /// Send token ids instead of text.
    pub send_token_ids: bool,
    /// Render prompts with a chat template and send them as text.
    pub prompt_template: PromptTemplate,
    /// LoRA adapters; each request names a random one instead of the model.
    pub lora_modules: Vec<String>,
    /// Key of the output length in requests of the OpenAI API.
    pub max_tokens_field: String,
    /// Keys of requests that this server rejects and that are therefore left out.
    pub omitted_keys: Vec<OptionalKey>,
    /// Additional keys of each request's body, merged by RFC 7396: null removes a key.
    pub extra_body: serde_json::Map<String, serde_json::Value>,
    /// Additional headers of each request.
    pub extra_headers: Vec<(String, Secret)>,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// Certificates (PEM) to trust in addition to the system's.
    pub ca_cert: Option<PathBuf>,
    /// Prefix of each request's `X-Request-Id`; the number of the request follows it.
    pub request_id_prefix: String,
    /// Time for which a failed probe is repeated, for a server that is still starting.
    pub ready_timeout: Duration,
    /// Time between two scrapes of the engine's metrics during the load; zero for none.
    pub engine_metrics_interval: Duration,
    /// URL of each server's metrics, if not its `/metrics`; empty, or one per server.
    pub engine_metrics_urls: Vec<Target>,
    /// Reset the servers' prefix cache before the load.
    pub reset_prefix_cache: bool,
    /// Fraction of failed requests, 0 to 1, that ends the load once it is statistically certain to be exceeded.
    pub abort_error_share: Option<f64>,
    /// The profiler that the server runs during the measurement.
    pub profiler: Option<Profiler>,
    /// `KEY=VALUE` pairs for the result.
    pub metadata: Vec<(String, String)>,
    /// Latency limits in ms that a request must meet to count as goodput.
    pub goodput: Vec<(MetricName, f64)>,
    /// Client threads, one event loop each; `None` to choose by concurrency and cores.
    pub client_threads: Option<NonZeroU32>,
    /// Keep all chunks of all requests for the result, on disk if there are many.
    pub keep_chunks: bool,
    /// Fraction of failed requests, 0 to 1, above which the run is invalid.
    pub max_error_share: f64,
}

/// Keys of a chat request that the server's chat template writes into the prompt.
const PROMPT_KEYS: [&str; 3] = ["tools", "functions", "documents"];

impl BenchmarkSettings {
    /// Whether requests have keys that the server adds to their prompts, so that only the server can count these.
    #[must_use]
    pub fn server_extends_prompts(&self) -> bool {
        let keys = PROMPT_KEYS.iter().filter_map(|key| self.extra_body.get(*key)?.as_array());
        keys.into_iter().any(|values| !values.is_empty())
    }

    /// Settings for a server and a model, with the defaults of benchmark_serving.py for everything else.
    #[must_use]
    pub fn new(target: Target, model: &str, dataset: Dataset, num_prompts: NonZeroU32) -> Self {
        Self {
            target,
            further_targets: Vec::new(),
            balance: Balance::default(),
            backend: "vllm".to_owned(),
            model: model.to_owned(),
            served_model_name: None,
            tokenizer: None,
            has_no_tokenizer: false,
            dataset,
            num_prompts,
            shortage: Shortage::Accept,
            duration: None,
            sessions: None,
            num_warmups: 0,
            arrival: Arrival::default(),
            shard: Shard::WHOLE,
            start_at: None,
            ignore_eos: false,
            stream: true,
            seed: 0,
            percentile_metrics: MetricName::ALL.to_vec(),
            metric_percentiles: vec![90.0, 99.0, 99.9],
            deadlines: Deadlines::default(),
            send_token_ids: false,
            prompt_template: PromptTemplate::None,
            lora_modules: Vec::new(),
            max_tokens_field: MAX_TOKENS.to_owned(),
            omitted_keys: Vec::new(),
            extra_body: serde_json::Map::new(),
            extra_headers: Vec::new(),
            api_key: None,
            ca_cert: None,
            request_id_prefix: REQUEST_ID_PREFIX.to_owned(),
            ready_timeout: Duration::ZERO,
            engine_metrics_interval: Duration::from_secs(1),
            engine_metrics_urls: Vec::new(),
            reset_prefix_cache: false,
            abort_error_share: None,
            profiler: None,
            metadata: Vec::new(),
            goodput: Vec::new(),
            client_threads: None,
            keep_chunks: false,
            max_error_share: 0.05,
        }
    }

    /// All servers, in the order of their numbers; at least one.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.target).chain(&self.further_targets)
    }

    /// Number of servers.
    #[must_use]
    pub fn server_count(&self) -> usize {
        1 + self.further_targets.len()
    }

    /// The same load on server number `number` alone.
    #[must_use]
    pub fn of_server(&self, number: usize) -> Self {
        let target = self.targets().nth(number).unwrap_or(&self.target);
        Self {
            target: target.clone(),
            further_targets: Vec::new(),
            engine_metrics_urls: self.engine_metrics_urls.get(number).cloned().into_iter().collect(),
            ..self.clone()
        }
    }

    /// Model name in requests.
    #[must_use]
    pub fn request_model(&self) -> &str {
        self.served_model_name.as_deref().unwrap_or(&self.model)
    }

    /// Whether requests are turns of conversations.
    #[must_use]
    pub fn has_conversations(&self) -> bool {
        self.sessions.is_some() || self.has_recorded_sessions()
    }

    /// Whether the conversations are recorded sessions.
    #[must_use]
    pub fn has_recorded_sessions(&self) -> bool {
        matches!(self.dataset, Dataset::Recorded { .. })
    }

    /// Whether prompts have images, whose tokens only the server can count.
    #[must_use]
    pub fn has_images(&self) -> bool {
        matches!(self.dataset, Dataset::RandomImages(..))
    }

    /// Remedy for a data set with fewer prompts than requested, for an error message.
    #[must_use]
    pub fn shortage_remedy(&self, available: usize) -> String {
        let flag = if self.sessions.is_some() { "--sessions" } else { "--num-prompts" };
        match self.dataset {
            // The requests of a trace have arrival times, so they cannot be repeated.
            Dataset::Trace { .. } => format!("set {flag} {available}"),
            Dataset::Random(_)
            | Dataset::RandomImages(..)
            | Dataset::ShareGpt { .. }
            | Dataset::Jsonl { .. }
            | Dataset::PrefixRepetition(_)
            | Dataset::Sonnet { .. }
            | Dataset::BurstGpt { .. }
            | Dataset::Questions { .. }
            | Dataset::Hub(_)
            | Dataset::Recorded { .. } => format!("set {flag} {available}, or --oversample to send them more than once"),
        }
    }

    /// Whether the server may have an endpoint `/tokenize`. Those of TensorRT-LLM have none.
    #[must_use]
    pub fn may_lend_tokenizer(&self) -> bool {
        !matches!(self.backend.as_str(), "trtllm-serve" | "tensorrt-llm")
    }

    /// Source of the tokenizer.
    #[must_use]
    pub fn tokenizer_source(&self) -> &str {
        self.tokenizer.as_deref().unwrap_or(&self.model)
    }
}

/// Latency metrics of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricName {
    /// Time to first token.
    Ttft,
    /// Time per output token, excluding the first.
    Tpot,
    /// Inter-token latency.
    Itl,
    /// End-to-end latency.
    E2el,
}

impl MetricName {
    /// In the order of results.
    pub const ALL: [Self; 4] = [Self::Ttft, Self::Tpot, Self::Itl, Self::E2el];

    /// The name in keys of the result.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Itl => "itl",
            Self::E2el => "e2el",
        }
    }
}

impl std::str::FromStr for MetricName {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.as_str() == text)
            .ok_or_else(|| SettingsError::Metric(text.to_owned()))
    }
}

/// Source of the prompts.
#[derive(Debug, Clone, PartialEq)]
pub enum Dataset {
    /// Random tokens of given lengths.
    Random(RandomLengths),
    /// Conversations in ShareGPT's format, a JSON file.
    ShareGpt {
        /// The file.
        path: PathBuf,
        /// Output tokens of each request; the length of the recorded answer by default.
        output: Option<NonZeroU32>,
    },
    /// Custom prompts, one JSON object per line.
    Jsonl {
        /// The file.
        path: PathBuf,
        /// Output tokens of requests whose line does not set them.
        output: NonZeroU32,
    },
    /// Random tokens with images of noise.
    RandomImages(RandomLengths, RandomImages),
    /// Random tokens after one of several shared prefixes.
    PrefixRepetition(PrefixRepetition),
    /// Lines of a poem.
    Sonnet {
        /// The file, one line of verse per line.
        path: PathBuf,
        /// Lengths of the prompts.
        lengths: SonnetLengths,
    },
    /// Random tokens with the lengths of real requests, a CSV file.
    BurstGpt {
        /// The file.
        path: PathBuf,
    },
    /// Questions of SPEED-Bench or Spec-Bench, one JSON object per line.
    Questions {
        /// The file.
        path: PathBuf,
        selection: QuestionSelection,
    },
    /// Questions of a data set of the Hugging Face hub.
    Hub(HubDataset),
    /// Recorded multi-turn sessions, one JSON object per line; with a duration they are repeated from the first.
    Recorded {
        /// The file, or a folder of such files.
        path: PathBuf,
    },
    /// A recorded trace with arrival times, lengths and shared prefixes, one JSON object per line.
    Trace {
        /// The file.
        path: PathBuf,
        /// Tokens per hash id.
        block: NonZeroU32,
    },
}

impl Dataset {
    /// The lengths of random prompts; `None` for any other data set.
    #[must_use]
    pub fn random_lengths(&self) -> Option<&RandomLengths> {
        match self {
            Self::Random(lengths) => Some(lengths),
            Self::RandomImages(..)
            | Self::ShareGpt { .. }
            | Self::Jsonl { .. }
            | Self::PrefixRepetition(_)
            | Self::Sonnet { .. }
            | Self::BurstGpt { .. }
            | Self::Questions { .. }
            | Self::Hub(_)
            | Self::Recorded { .. }
            | Self::Trace { .. } => None,
        }
    }
}

/// A data set of the Hugging Face hub, or a folder or file with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDataset {
    /// `owner/name`, or a local path if it exists.
    pub id: String,
    /// The configuration (subset); `None` for the data set's default.
    pub config: Option<String>,
    /// The split; `None` for the first that exists of train, test and validation.
    pub split: Option<String>,
    /// Output tokens of each request; the length of the recorded answer by default.
    pub output: Option<NonZeroU32>,
}

/// What to do if a data set has fewer prompts or conversations than requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Send those of the data set, for a number that is only a default.
    Accept,
    /// Refuse the run: a shorter run would have other percentiles and another throughput than the requested one.
    Refuse,
    /// Repeat them from the first.
    Repeat,
}

/// Multi-turn conversations: each turn follows the answer to the previous one and contains the conversation so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sessions {
    /// Number of conversations.
    pub number: NonZeroU32,
    /// Turns per conversation; the maximum for recorded conversations.
    pub turns: NonZeroU32,
    /// Mean time between an answer and the next turn; exponentially distributed.
    pub think_time: Duration,
}

/// Lengths of random requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomLengths {
    /// Input tokens to which the ratio applies, without the shared prefix.
    pub input: NonZeroU32,
    /// Output tokens to which the ratio applies.
    pub output: NonZeroU32,
    /// Spread of the lengths, 0 to 1, see [`RangeStyle`].
    pub range_ratio: f64,
    pub range_style: RangeStyle,
    /// Length in tokens of the prefix shared by all prompts.
    pub prefix: u32,
}

impl RandomLengths {
    /// Equal lengths without a shared prefix.
    #[must_use]
    pub fn exact(input: NonZeroU32, output: NonZeroU32) -> Self {
        Self {
            input,
            output,
            range_ratio: 1.0,
            range_style: RangeStyle::InferenceX,
            prefix: 0,
        }
    }
}

/// Meaning of a ratio of lengths. Lengths are uniformly distributed between two bounds, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RangeStyle {
    /// `length * ratio` (rounded down) to `length`: 1 makes all lengths equal.
    #[default]
    InferenceX,
    /// `length * (1 - ratio)` (rounded down) to `length * (1 + ratio)` (rounded up): 0 makes all lengths equal.
    Vllm,
}

/// Timeouts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Timeout of a connection attempt.
    pub connect: Duration,
    /// Maximum time between two reads of a response.
    pub no_progress: Duration,
    /// Maximum time from the first byte of a request to the last of its response, however steadily the response drips.
    pub whole: Duration,
}

impl Default for Deadlines {
    /// Ten seconds to connect; ten minutes between reads, because requests can queue for minutes at a saturated engine; six hours for a
    /// whole request, the total timeout of benchmark_serving.py.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            no_progress: Duration::from_secs(600),
            whole: Duration::from_secs(6 * 3600),
        }
    }
}

/// Progress of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Requests to measure.
    pub total: u32,
    /// Successful requests.
    pub completed: u32,
    /// Failed requests.
    pub failed: u32,
    /// Output tokens so far.
    pub output_tokens: u64,
    /// Time since the first request.
    pub elapsed: Duration,
    /// Mean time to first token so far.
    pub mean_ttft: Duration,
    /// Whether these are the warm-up requests.
    pub warming_up: bool,
}

/// Why a setting is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The base URL is invalid.
    #[error("base URL {url:?} cannot be used, expected {expected}")]
    BaseUrl {
        /// The refused URL.
        url: String,
        /// The valid forms.
        expected: &'static str,
    },
    /// The backend's protocol is not supported.
    #[error(
        "backend {0:?} is not supported, expected vllm, openai, sglang, sglang-oai, lmdeploy, scalellm, llama.cpp, trtllm-serve (completions), \
         openai-chat, vllm-chat, sglang-oai-chat (chat), sglang-native (/generate) or tensorrt-llm (generate_stream)"
    )]
    Backend(String),
    /// The protocol does not support an option.
    #[error("{asked} is not supported with backend {backend:?}: {why}")]
    Unsupported {
        /// The option.
        asked: &'static str,
        /// Name of the backend.
        backend: String,
        /// Why not.
        why: &'static str,
    },
    /// Unknown metric name.
    #[error("metric {0:?} is unknown, expected ttft, tpot, itl or e2el")]
    Metric(String),
}
