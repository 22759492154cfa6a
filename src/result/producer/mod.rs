//! Formats of load generators, one file each. The producer of a file is detected from its content, never from its name. Its keys are
//! translated to those of benchmark_serving.py, which [`super::normalize()`] reads. Nothing is guessed: a number with another unit or
//! another meaning is left out or refused.

mod agentx;
mod aiperf;
mod benchmark_serving;
mod benchmark_serving_seconds;
mod guidellm;
mod guidellm_csv;
mod inference_perf;
mod iso_8601;
mod llm_d;
mod sglang;
mod srt_slurm;

use super::{Json, JsonError, Object};
use crate::model::Concurrency;

pub(in crate::result) use agentx::AGGREGATE;
pub(in crate::result) use guidellm::requested_length;
pub use srt_slurm::{ResultName, ResultNameError, gpus_in_name};

/// A load generator whose results can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Producer {
    /// `imax bench` and `imax run`.
    Imax,
    /// benchmark_serving.py of vLLM, InferenceX and srt-slurm, and its successor `vllm bench serve`.
    BenchmarkServing,
    /// A derivative of it that writes seconds, under names without `_ms`.
    BenchmarkServingSeconds,
    /// `sglang.bench_serving`.
    Sglang,
    /// InferenceX's aggregate of an AgentX replay.
    Agentx,
    /// AIPerf, and its predecessor genai-perf.
    Aiperf,
    Guidellm,
    /// llm-d's benchmark report, whatever load generator measured it.
    LlmD,
    InferencePerf,
}

impl Producer {
    /// All, in the order in which a document is tried.
    pub const ALL: [Self; 9] = [
        Self::Imax,
        Self::Agentx,
        Self::Guidellm,
        Self::LlmD,
        Self::InferencePerf,
        Self::Aiperf,
        Self::Sglang,
        Self::BenchmarkServing,
        Self::BenchmarkServingSeconds,
    ];

    /// The name in results and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imax => "imax",
            Self::BenchmarkServing => "benchmark_serving.py",
            Self::BenchmarkServingSeconds => "benchmark_serving.py in seconds",
            Self::Sglang => "sglang.bench_serving",
            Self::Agentx => "AgentX aggregate",
            Self::Aiperf => "aiperf",
            Self::Guidellm => "guidellm",
            Self::LlmD => "llm-d benchmark report",
            Self::InferencePerf => "inference-perf",
        }
    }

    /// How its files are recognised, for messages.
    fn mark(self) -> &'static str {
        match self {
            Self::Imax => "a block `imax`",
            Self::BenchmarkServing => "`total_token_throughput` and `output_throughput`",
            Self::BenchmarkServingSeconds => "`input_throughput` and `median_ttft` without `_ms`, in seconds",
            Self::Sglang => "`total_output_tokens_retokenized`, one JSON line a run",
            Self::Agentx => "`scenario_type: agentic-coding` and `request_metrics`",
            Self::Aiperf => {
                "`input_config`, and metrics with `unit` and `avg` (profile_export_aiperf.json, profile_export_genai_perf.json)"
            }
            Self::Guidellm => "a list `benchmarks` with `metrics` (benchmarks.json, or benchmarks.csv)",
            Self::LlmD => "`version`, and `metrics.requests` or `results.request_performance`, as YAML or JSON",
            Self::InferencePerf => "`load_summary` and `successes` (stage_N_lifecycle_metrics.json)",
        }
    }

    fn wrote(self, document: &Object) -> bool {
        match self {
            Self::Imax => document.get("imax").is_some_and(|block| block.as_object().is_some()),
            Self::BenchmarkServing => benchmark_serving::wrote(document),
            Self::BenchmarkServingSeconds => benchmark_serving_seconds::wrote(document),
            Self::Sglang => sglang::wrote(document),
            Self::Agentx => agentx::wrote(document),
            Self::Aiperf => aiperf::wrote(document),
            Self::Guidellm => guidellm::wrote(document),
            Self::LlmD => llm_d::wrote(document),
            Self::InferencePerf => inference_perf::wrote(document),
        }
    }

    /// The load generator that wrote a document.
    pub(in crate::result) fn of(document: &Object) -> Option<Self> {
        Self::ALL.into_iter().find(|producer| producer.wrote(document))
    }

    /// The results of its document, with the keys of benchmark_serving.py.
    pub(in crate::result) fn read(self, document: &Object) -> Result<Vec<Object>, ProducerError> {
        match self {
            Self::Imax | Self::BenchmarkServing => Ok(vec![document.clone()]),
            Self::BenchmarkServingSeconds => benchmark_serving_seconds::read(document).map(|read| vec![read]),
            Self::Sglang => sglang::read(document).map(|read| vec![read]),
            Self::Agentx => agentx::read(document).map(|read| vec![read]),
            Self::Aiperf => aiperf::read(document).map(|read| vec![read]),
            Self::Guidellm => guidellm::read(document),
            Self::LlmD => llm_d::read(document).map(|read| vec![read]),
            Self::InferencePerf => inference_perf::read(document).map(|read| vec![read]),
        }
    }
}

/// A raw result with the keys of benchmark_serving.py, and its producer.
#[derive(Debug, Clone, PartialEq)]
pub struct RawResult {
    pub producer: Producer,
    pub document: Json,
}

impl RawResult {
    /// A result that imax measured itself.
    pub(super) fn of_imax(document: Json) -> Self {
        Self {
            producer: Producer::Imax,
            document,
        }
    }

    /// Whether it is the aggregate of an AgentX replay, which AIPerf's own summary must confirm.
    #[must_use]
    pub fn is_agentx_aggregate(&self) -> bool {
        self.producer == Producer::Agentx
    }
}

/// Why a file is not a valid raw result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProducerError {
    /// The file is not JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A line is not JSON.
    #[error("line {line}: {error}")]
    Line {
        /// Which, from one.
        line: usize,
        error: JsonError,
    },
    /// The file is not YAML.
    #[error("neither JSON nor YAML: {0}")]
    Yaml(String),
    /// The file is empty.
    #[error("the file is empty; was the load generator stopped?")]
    Empty,
    /// No known load generator writes such files.
    #[error("unknown raw format; known producers are {}", known())]
    Unknown,
    /// A value differs from what its producer writes.
    #[error("`{key}` of the {producer} result is {found}, expected {expected}")]
    Value {
        producer: &'static str,
        key: String,
        found: String,
        expected: &'static str,
    },
    /// Several results, of which none or several have the requested concurrency.
    #[error("the file has results at concurrency {found}, expected exactly one at {expected}")]
    Concurrency {
        found: String,
        /// The requested value.
        expected: Concurrency,
    },
}

fn known() -> String {
    let all: Vec<String> = Producer::ALL
        .iter()
        .map(|producer| format!("{} ({})", producer.as_str(), producer.mark()))
        .collect();
    all.join(", ")
}

/// All results of a file: one JSON or YAML document, JSON lines, or GuideLLM's CSV.
///
/// # Errors
/// [`ProducerError`].
pub fn read_results(text: &str) -> Result<Vec<RawResult>, ProducerError> {
    let mut found = Vec::new();
    for document in documents(text)? {
        let object = document.as_object().ok_or(ProducerError::Unknown)?;
        let producer = Producer::of(object).ok_or(ProducerError::Unknown)?;
        let read = producer.read(object)?.into_iter().map(Json::Object);
        found.extend(read.map(|document| RawResult { producer, document }));
    }
    Ok(found)
}

/// The result of a file at a concurrency. The only result of a file is returned whatever its concurrency: normalisation checks it and
/// reports the difference.
///
/// # Errors
/// [`ProducerError`].
pub fn read_result(text: &str, conc: Concurrency) -> Result<RawResult, ProducerError> {
    let mut found = read_results(text)?;
    if found.len() > 1 {
        let all: Vec<String> = found
            .iter()
            .map(|result| concurrency(result).map_or_else(|| "?".to_owned(), |conc| conc.to_string()))
            .collect();
        found.retain(|result| concurrency(result) == Some(i64::from(conc.get())));
        if found.len() != 1 {
            return Err(ProducerError::Concurrency {
                found: all.join(", "),
                expected: conc,
            });
        }
    }
    found.pop().ok_or(ProducerError::Empty)
}

fn concurrency(result: &RawResult) -> Option<i64> {
    super::number::whole(result.document.get("max_concurrency")?)
}

/// The JSON or YAML documents of a file.
pub(in crate::result) fn documents(text: &str) -> Result<Vec<Json>, ProducerError> {
    if text.trim().is_empty() {
        return Err(ProducerError::Empty);
    }
    if guidellm_csv::is_csv(text) {
        return guidellm_csv::document(text).map(|document| vec![document]);
    }
    let whole = match Json::parse(text) {
        Ok(document) => return Ok(vec![document]),
        Err(error) => error,
    };
    // JSON documents of all load generators start with a brace or a bracket, and YAML documents do not.
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml(text, whole).map(|document| vec![document]);
    }
    // JSON lines: the first line is a document of its own.
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let is_lines = lines.clone().next().is_some_and(|(_, line)| Json::parse(line).is_ok());
    if !is_lines {
        return Err(ProducerError::Json(whole));
    }
    lines.try_fold(Vec::new(), |mut documents, (index, line)| {
        documents.push(Json::parse(line).map_err(|error| ProducerError::Line { line: index + 1, error })?);
        Ok(documents)
    })
}

/// The document as YAML, or else its error as JSON. Only an object counts as YAML, because every text is a YAML scalar.
/// The longest text that is tried as YAML, bytes. Reports have some 10 kB, and YAML is read twenty times as slowly as JSON.
const MAX_YAML: usize = 16 * 1024 * 1024;

fn yaml(text: &str, error: JsonError) -> Result<Json, ProducerError> {
    if text.len() > MAX_YAML {
        return Err(ProducerError::Json(error));
    }
    // Reports write `.inf` for an unlimited concurrency; JSON has no such number.
    let options = serde_saphyr::options! { non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough };
    match serde_saphyr::from_str_with_options::<serde_json::Value>(text, options) {
        Ok(document @ serde_json::Value::Object(_)) => Ok(document.into()),
        Ok(_) => Err(ProducerError::Json(error)),
        // A key at the start shows that YAML was meant.
        Err(source) if text.trim_start().starts_with(|first: char| first.is_alphabetic() || first == '#') => {
            // The first line has the place and the reason; those below repeat the text.
            let message = source.to_string();
            let first = message.lines().next().unwrap_or_default();
            Err(ProducerError::Yaml(first.trim_start_matches("error: ").to_owned()))
        }
        Err(_) => Err(ProducerError::Json(error)),
    }
}

/// Reads the fields of one producer's document.
#[derive(Clone, Copy)]
struct Fields<'a> {
    producer: Producer,
    document: &'a Object,
}

impl<'a> Fields<'a> {
    /// The value at a path of keys.
    fn at(self, path: &[&str]) -> Option<&'a Json> {
        let (first, rest) = path.split_first()?;
        let found = rest.iter().try_fold(self.document.get(*first)?, |value, key| value.get(key))?;
        (*found != Json::Null).then_some(found)
    }

    /// A number that must be there.
    fn number(self, path: &[&str]) -> Result<f64, ProducerError> {
        let value = self.at(path);
        let number = value.and_then(Json::as_number).filter(|number| number.is_finite());
        number.ok_or_else(|| self.wrong(path, value, "a finite number"))
    }

    /// A number, if there is one.
    fn finite(self, path: &[&str]) -> Option<f64> {
        self.at(path).and_then(Json::as_number).filter(|number| number.is_finite())
    }

    /// A number above zero that must be there, such as seconds or a rate.
    fn above_zero(self, path: &[&str]) -> Result<f64, ProducerError> {
        let number = self.number(path)?;
        if number > 0.0 {
            Ok(number)
        } else {
            Err(self.wrong(path, self.at(path), "a number above zero"))
        }
    }

    fn wrong(self, path: &[&str], found: Option<&Json>, expected: &'static str) -> ProducerError {
        let found = match found {
            None => "absent".to_owned(),
            Some(value @ (Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_))) => value.kind().to_owned(),
            Some(value @ (Json::Integer(_) | Json::Float(_) | Json::Text(_))) => value.to_pretty(),
        };
        ProducerError::Value {
            producer: self.producer.as_str(),
            key: path.join("."),
            found,
            expected,
        }
    }
}

/// Builds a result with the keys of benchmark_serving.py.
struct Canonical(Object);

impl Canonical {
    fn new(producer: Producer) -> Self {
        let mut result = Self(Object::new());
        result.put("backend", producer.as_str().into());
        result
    }

    fn put(&mut self, key: &str, value: Json) {
        self.0.insert(key.to_owned(), value);
    }

    fn put_some(&mut self, key: &str, value: Option<&Json>) {
        if let Some(value) = value {
            self.put(key, value.clone());
        }
    }

    /// The counts of a load, which every producer reports: requests, tokens, seconds. Rates follow from them.
    fn put_counts(&mut self, counts: Counts) {
        let Counts {
            completed,
            input_tokens,
            output_tokens,
            duration_s,
        } = counts;
        self.put("duration", duration_s.into());
        self.put("completed", counted(completed));
        self.put("total_input_tokens", counted(input_tokens));
        self.put("total_output_tokens", counted(output_tokens));
        self.put("request_throughput", (completed / duration_s).into());
        self.put("output_throughput", (output_tokens / duration_s).into());
        self.put("total_token_throughput", ((input_tokens + output_tokens) / duration_s).into());
    }

    fn put_rates(&mut self, rates: Rates) {
        let Rates {
            requests,
            output_tokens,
            total_tokens,
        } = rates;
        let given = [
            ("request_throughput", requests),
            ("output_throughput", output_tokens),
            ("total_token_throughput", total_tokens),
        ];
        for (key, rate) in given {
            self.put_some(key, rate.map(Json::from).as_ref());
        }
    }
}

/// Rates per second that the producer reports itself, instead of those computed from its counts.
#[derive(Clone, Copy)]
struct Rates {
    requests: Option<f64>,
    output_tokens: Option<f64>,
    total_tokens: Option<f64>,
}

/// A count as a whole number, which some producers write with a fraction of zero; a mean times a count need not be whole.
fn counted(count: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "counts of tokens are far below 2^53")]
    let whole = count.round() as i64;
    Json::Integer(whole)
}

/// What was counted. The duration is above zero.
#[derive(Clone, Copy)]
struct Counts {
    completed: f64,
    input_tokens: f64,
    output_tokens: f64,
    duration_s: f64,
}

#[cfg(test)]
mod tests;
