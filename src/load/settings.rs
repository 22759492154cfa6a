//! Everything that says what to measure and how, checked. The command line and the job both fill it in.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::Secret;

/// A measurement to make.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server.
    pub target: Target,
    /// The backend's name as the caller gave it, recorded in the result.
    pub backend: String,
    /// The model as hub or folder name, recorded in the result.
    pub model: String,
    /// The model's name in requests, where it is another.
    pub served_model_name: Option<String>,
    /// Where the tokenizer comes from: a folder with `tokenizer.json`, or the file. `None` is the model's name.
    pub tokenizer: Option<String>,
    /// What the prompts are.
    pub dataset: Dataset,
    /// Requests to measure.
    pub num_prompts: NonZeroU32,
    /// Requests sent before the clock starts.
    pub num_warmups: u32,
    /// When requests are sent.
    pub arrival: Arrival,
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
    /// Further keys of each request's body.
    pub extra_body: serde_json::Map<String, serde_json::Value>,
    /// Further headers of each request.
    pub extra_headers: Vec<(String, Secret)>,
    /// Sent as a bearer token.
    pub api_key: Option<Secret>,
    /// `KEY=VALUE` pairs for the result.
    pub metadata: Vec<(String, String)>,
    /// Latency limits of a good request.
    pub goodput: Vec<(MetricName, f64)>,
    /// Threads with an event loop of their own; `None` picks by concurrency and cores.
    pub client_threads: Option<NonZeroU32>,
    /// Share of failed requests from which on the run is not valid, 0 to 1.
    pub max_error_share: f64,
}

impl Settings {
    /// Settings for a server and a model, with the defaults of benchmark_serving.py for the rest.
    #[must_use]
    pub fn new(target: Target, model: &str, dataset: Dataset, num_prompts: NonZeroU32) -> Self {
        Self {
            target,
            backend: "vllm".to_owned(),
            model: model.to_owned(),
            served_model_name: None,
            tokenizer: None,
            dataset,
            num_prompts,
            num_warmups: 0,
            arrival: Arrival::default(),
            ignore_eos: false,
            stream: true,
            seed: 0,
            percentile_metrics: MetricName::ALL.to_vec(),
            metric_percentiles: vec![90.0, 99.0, 99.9],
            deadlines: Deadlines::default(),
            extra_body: serde_json::Map::new(),
            extra_headers: Vec::new(),
            api_key: None,
            metadata: Vec::new(),
            goodput: Vec::new(),
            client_threads: None,
            max_error_share: 0.05,
        }
    }

    /// The model's name in requests.
    #[must_use]
    pub fn request_model(&self) -> &str {
        self.served_model_name.as_deref().unwrap_or(&self.model)
    }

    /// Where the tokenizer comes from.
    #[must_use]
    pub fn tokenizer_source(&self) -> &str {
        self.tokenizer.as_deref().unwrap_or(&self.model)
    }
}

/// The metrics that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What is spoken with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `/v1/completions` of the OpenAI API.
    Completions,
    /// `/v1/chat/completions` of the OpenAI API.
    ChatCompletions,
}

impl Protocol {
    /// The protocol of a backend name of benchmark_serving.py or `vllm bench serve`.
    ///
    /// # Errors
    /// [`SettingsError::Backend`] for a backend that speaks something else.
    pub fn of_backend(backend: &str) -> Result<Self, SettingsError> {
        match backend {
            "vllm" | "openai" | "lmdeploy" | "scalellm" | "sglang" | "sglang-oai" | "llama.cpp" | "trtllm-serve" => Ok(Self::Completions),
            "openai-chat" | "vllm-chat" | "sglang-oai-chat" => Ok(Self::ChatCompletions),
            other => Err(SettingsError::Backend(other.to_owned())),
        }
    }

    /// The path it is usually served at.
    #[must_use]
    pub fn default_endpoint(self) -> &'static str {
        match self {
            Self::Completions => "/v1/completions",
            Self::ChatCompletions => "/v1/chat/completions",
        }
    }
}

/// The server, and where on it requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path of each request, from its `/`.
    pub path: String,
    /// What is spoken there.
    pub protocol: Protocol,
}

impl Target {
    /// A target from a base URL such as `http://127.0.0.1:8000` and a path below it.
    ///
    /// # Errors
    /// [`SettingsError::BaseUrl`] where the URL is not `http://host[:port][/path]`.
    pub fn from_base_url(base_url: &str, endpoint: &str, protocol: Protocol) -> Result<Self, SettingsError> {
        let wrong = |expected: &'static str| SettingsError::BaseUrl {
            url: base_url.to_owned(),
            expected,
        };
        let Some(rest) = base_url.strip_prefix("http://") else {
            return Err(wrong("`http://host:port` (TLS is not supported yet)"));
        };
        let (authority, prefix) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong("a port from 1 to 65535"))?),
            Some(_) | None => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
        if !is_plain(host) {
            return Err(wrong("a host name or address"));
        }
        let path = format!("{}/{}", prefix.trim_end_matches('/'), endpoint.trim_start_matches('/'));
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("a path of printable ASCII without spaces"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            path,
            protocol,
        })
    }

    /// `host:port`, with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What the prompts are.
#[derive(Debug, Clone, PartialEq)]
pub enum Dataset {
    /// Random tokens of given lengths.
    Random(RandomLengths),
}

/// Lengths of random requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomLengths {
    /// Longest input, tokens, without the common prefix.
    pub input: NonZeroU32,
    /// Longest output, tokens.
    pub output: NonZeroU32,
    /// The shortest length as a share of the longest, 0 to 1: lengths are uniform between `length * ratio` and `length`,
    /// both included. 1 makes them all equal. (This is InferenceX's meaning; in `vllm bench serve` 0 makes them equal.)
    pub range_ratio: f64,
    /// Tokens that all prompts start with.
    pub prefix: u32,
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// Most requests under way at once; `None` is no limit.
    pub max_concurrency: Option<NonZeroU32>,
    /// Requests a second; `None` sends each as soon as a slot is free.
    pub request_rate: Option<f64>,
    /// Shape of the gamma distribution of the intervals between two sends: 1 is a Poisson process, greater is more
    /// regular, smaller comes in bursts; infinity is a constant interval.
    pub burstiness: f64,
}

impl Default for Arrival {
    fn default() -> Self {
        Self {
            max_concurrency: None,
            request_rate: None,
            burstiness: 1.0,
        }
    }
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
        /// The URL.
        url: String,
        /// What would do.
        expected: &'static str,
    },
    /// The backend speaks a protocol that is not supported.
    #[error(
        "backend {0:?} is not supported, expected one that serves the OpenAI API: vllm, openai, sglang, sglang-oai, lmdeploy, scalellm, \
         llama.cpp, trtllm-serve, openai-chat, vllm-chat, sglang-oai-chat"
    )]
    Backend(String),
    /// The name is no metric.
    #[error("metric {0:?} is unknown, expected ttft, tpot, itl or e2el")]
    Metric(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let target = |url: &str| Target::from_base_url(url, "/v1/completions", Protocol::Completions);
        for (url, authority, path) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", "/v1/completions"),
            ("http://host", "host:80", "/v1/completions"),
            ("http://[::1]:81/proxy/", "[::1]:81", "/proxy/v1/completions"),
        ] {
            let target = target(url).unwrap();
            assert_eq!((target.authority().as_str(), target.path.as_str()), (authority, path));
        }
        for (url, message) in [
            ("https://host", "TLS"),
            ("host:80", "http://"),
            ("http://host:99999", "port"),
            ("http://", "host name"),
            ("http://us er", "host name"),
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains(message), "{url}: {error}");
        }
    }
}
