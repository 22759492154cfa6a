//! Everything that says what to measure and how, checked. The command line and the job both fill it in.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::optional_key::{MAX_TOKENS, OptionalKey};
use super::shard::Shard;
use super::stamp::Stamp;
use crate::model::Secret;

pub use super::dataset::images::{ImageSize, RandomImages};
pub use super::dataset::prefix_repetition::PrefixRepetition;
pub use super::dataset::questions::QuestionSelection;
pub use super::dataset::sonnet::SonnetLengths;

pub use super::arrival::{Arrival, Ramp, RampKind};
pub use super::balance::Balance;
pub use super::target::{Protocol, Target};

/// What request ids begin with unless the user says it.
pub const REQUEST_ID_PREFIX: &str = "imax-";

/// A measurement to make.
#[derive(Debug, Clone)]
pub struct BenchmarkSettings {
    /// The server; of several, the first.
    pub target: Target,
    /// Further servers of the same model, in the order of their numbers. Requests are spread over all of them.
    pub further_targets: Vec<Target>,
    /// How requests are spread over several servers.
    pub balance: Balance,
    /// The backend's name as the caller gave it, recorded in the result.
    pub backend: String,
    /// The model as hub or folder name, recorded in the result.
    pub model: String,
    /// The model's name in requests, if it differs.
    pub served_model_name: Option<String>,
    /// Where the tokenizer comes from: a file, a folder, or a name of the hub. `None` is the model's name.
    pub tokenizer: Option<String>,
    /// Random prompts are made of English words instead of tokens, and the server counts, because nobody has the tokenizer.
    pub has_no_tokenizer: bool,
    /// What the prompts are.
    pub dataset: Dataset,
    /// Requests to measure; with a duration, how many different ones there are.
    pub num_prompts: NonZeroU32,
    /// What to do where the data set has fewer.
    pub shortage: Shortage,
    /// Send requests for this time, instead of a number of requests.
    pub duration: Option<Duration>,
    /// Conversations of several turns in place of single requests; recorded sessions are such in any case.
    pub sessions: Option<Sessions>,
    /// Requests sent before the clock starts.
    pub num_warmups: u32,
    /// When requests are sent, by all shards together.
    pub arrival: Arrival,
    /// This client's part of the load. All other settings are those of the whole.
    pub shard: Shard,
    /// When the load starts; as soon as everything is ready where nothing is said.
    pub start_at: Option<Stamp>,
    /// Ask for the full output length even where the model would stop.
    pub ignore_eos: bool,
    /// Ask for a stream.
    pub stream: bool,
    /// Seed of everything random.
    pub seed: u64,
    /// Metrics that get their statistics into the result.
    pub percentile_metrics: Vec<MetricName>,
    /// Percentiles of each, 0 to 100.
    pub metric_percentiles: Vec<f64>,
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// Send token ids in place of text.
    pub send_token_ids: bool,
    /// Put prompts into the model's chat template before they are sent as text.
    pub use_chat_template: bool,
    /// Adapters, one of which each request names in place of the model.
    pub lora_modules: Vec<String>,
    /// Key of the output length in requests of the OpenAI API.
    pub max_tokens_field: String,
    /// Keys that requests have by themselves and that this server refuses.
    pub omitted_keys: Vec<OptionalKey>,
    /// Further keys of each request's body, merged into it by RFC 7396: null removes a key.
    pub extra_body: serde_json::Map<String, serde_json::Value>,
    /// Further headers of each request.
    pub extra_headers: Vec<(String, Secret)>,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// Certificates (PEM) that are trusted beside the system's.
    pub ca_cert: Option<PathBuf>,
    /// What the `X-Request-Id` of each request begins with, before the request's number.
    pub request_id_prefix: String,
    /// How long the probe is repeated while it fails, for a server that is still starting.
    pub ready_timeout: Duration,
    /// Time between two readings of the engine's own metrics during the load; zero reads none.
    pub engine_metrics_interval: Duration,
    /// Where the metrics of each server are, if not at its `/metrics`; empty or as many as there are servers.
    pub engine_metrics_urls: Vec<Target>,
    /// Have the server forget its prefix cache before the load.
    pub reset_prefix_cache: bool,
    /// Share of failed requests that ends the load early, 0 to 1, once it is certain.
    pub abort_error_share: Option<f64>,
    /// Have the server profile itself during the measurement.
    pub profile: bool,
    /// `KEY=VALUE` pairs for the result.
    pub metadata: Vec<(String, String)>,
    /// Latency limits of a good request.
    pub goodput: Vec<(MetricName, f64)>,
    /// Threads with an event loop of their own; `None` picks by concurrency and cores.
    pub client_threads: Option<NonZeroU32>,
    /// Keep every chunk of every request for the result, on disk where there are many.
    pub keep_chunks: bool,
    /// Share of failed requests from which on the run is not valid, 0 to 1.
    pub max_error_share: f64,
}

impl BenchmarkSettings {
    /// Settings for a server and a model, with the defaults of benchmark_serving.py for the rest.
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
            use_chat_template: false,
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
            profile: false,
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

    /// The model's name in requests.
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

    /// What to do about a data set that has fewer prompts than asked for.
    #[must_use]
    pub fn shortage_remedy(&self, available: usize) -> String {
        let flag = if self.sessions.is_some() { "--sessions" } else { "--num-prompts" };
        match self.dataset {
            // Its requests have instants, which cannot come again.
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

    /// Whether the server may have a tokenizer to lend: TensorRT-LLM's have no `/tokenize`.
    #[must_use]
    pub fn may_lend_tokenizer(&self) -> bool {
        !matches!(self.backend.as_str(), "trtllm-serve" | "tensorrt-llm")
    }

    /// Where the tokenizer comes from.
    #[must_use]
    pub fn tokenizer_source(&self) -> &str {
        self.tokenizer.as_deref().unwrap_or(&self.model)
    }
}

/// The metrics that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricName {
    /// Time to first token.
    Ttft,
    /// Time per output token, without the first.
    Tpot,
    /// Time between two tokens.
    Itl,
    /// End-to-end latency.
    E2el,
}

impl MetricName {
    /// All of them, in the order of results.
    pub const ALL: [Self; 4] = [Self::Ttft, Self::Tpot, Self::Itl, Self::E2el];

    /// As keys of the result spell it.
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

/// What the prompts are.
#[derive(Debug, Clone, PartialEq)]
pub enum Dataset {
    /// Random tokens of given lengths.
    Random(RandomLengths),
    /// Conversations as ShareGPT has them, from a JSON file.
    ShareGpt {
        /// The file.
        path: PathBuf,
        /// Output tokens of each request; the length of the recorded answer by default.
        output: Option<NonZeroU32>,
    },
    /// Prompts of one's own, one JSON object a line.
    Jsonl {
        /// The file.
        path: PathBuf,
        /// Output tokens of requests that do not say it themselves.
        output: NonZeroU32,
    },
    /// Random tokens with images of noise.
    RandomImages(RandomLengths, RandomImages),
    /// Random tokens behind one of a few prefixes.
    PrefixRepetition(PrefixRepetition),
    /// Lines of a poem.
    Sonnet {
        /// The file, with a line of verse on each line.
        path: PathBuf,
        /// Lengths of the prompts.
        lengths: SonnetLengths,
    },
    /// Random tokens with the lengths of real requests, a CSV file.
    BurstGpt {
        /// The file.
        path: PathBuf,
    },
    /// Questions of SPEED-Bench or Spec-Bench, one JSON object a line.
    Questions {
        /// The file.
        path: PathBuf,
        /// Which of them are asked.
        selection: QuestionSelection,
    },
    /// Questions of a data set of the Hugging Face hub.
    Hub(HubDataset),
    /// Recorded sessions of several turns, one JSON object a line; with a duration they are played again from the first on.
    Recorded {
        /// The file, or a folder of such files.
        path: PathBuf,
    },
    /// A recorded trace with arrivals, lengths and shared prefixes, one JSON object a line.
    Trace {
        /// The file.
        path: PathBuf,
        /// Tokens that one hash id stands for.
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
    /// `owner/name`, or a path of this machine if there is one of that name.
    pub id: String,
    /// The configuration (subset); the data set's own default where it is not given.
    pub config: Option<String>,
    /// The split; train, test or validation, whichever is found first, where it is not given.
    pub split: Option<String>,
    /// Output tokens of each request; the length of the recorded answer by default.
    pub output: Option<NonZeroU32>,
}

/// What to do where a data set has fewer prompts or conversations than asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Send those that there are: nobody named a number.
    Accept,
    /// Send nothing. A shorter run has other percentiles and another throughput than the one that was asked for.
    Refuse,
    /// Begin again from the first.
    Repeat,
}

/// Conversations of several turns: each turn follows the answer to the one before it and repeats all that was said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sessions {
    /// How many.
    pub number: NonZeroU32,
    /// Turns of each; of recorded conversations, at most so many.
    pub turns: NonZeroU32,
    /// Mean time between an answer and the next turn; exponentially distributed.
    pub think_time: Duration,
}

/// Lengths of random requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomLengths {
    /// Length of the input that the ratio refers to, tokens, without the common prefix.
    pub input: NonZeroU32,
    /// Length of the output that the ratio refers to, tokens.
    pub output: NonZeroU32,
    /// How far lengths differ, 0 to 1; what it means is the style's.
    pub range_ratio: f64,
    /// The meaning of the ratio.
    pub range_style: RangeStyle,
    /// Tokens that all prompts start with.
    pub prefix: u32,
}

impl RandomLengths {
    /// Lengths that are all equal, without a common prefix.
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

/// What a ratio of lengths means. Lengths are uniform between both bounds, which are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RangeStyle {
    /// `length * ratio` (rounded down) to `length`: 1 makes all lengths equal.
    #[default]
    InferenceX,
    /// `length * (1 - ratio)` (rounded down) to `length * (1 + ratio)` (rounded up): 0 makes all lengths equal.
    Vllm,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte of an answer.
    pub no_progress: Duration,
}

impl Default for Deadlines {
    /// Ten seconds to connect; ten minutes for the next byte, because a queue before a saturated engine takes minutes.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            no_progress: Duration::from_secs(600),
        }
    }
}

/// How far a measurement is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Requests to measure.
    pub total: u32,
    /// Requests that ended well.
    pub completed: u32,
    /// Requests that failed.
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

/// Why a setting cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The base URL is not one.
    #[error("base URL {url:?} cannot be used, expected {expected}")]
    BaseUrl {
        /// The refused URL.
        url: String,
        /// What would do.
        expected: &'static str,
    },
    /// The backend speaks a protocol that is not supported.
    #[error(
        "backend {0:?} is not supported, expected vllm, openai, sglang, sglang-oai, lmdeploy, scalellm, llama.cpp, trtllm-serve (completions), \
         openai-chat, vllm-chat, sglang-oai-chat (chat), sglang-native (/generate) or tensorrt-llm (generate_stream)"
    )]
    Backend(String),
    /// The protocol has no place for something that was asked for.
    #[error("{asked} is not supported with backend {backend:?}: {why}")]
    Unsupported {
        /// The requested value.
        asked: &'static str,
        /// Name of the backend.
        backend: String,
        /// Why not.
        why: &'static str,
    },
    /// The name is no metric.
    #[error("metric {0:?} is unknown, expected ttft, tpot, itl or e2el")]
    Metric(String),
}
