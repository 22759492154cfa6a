//! The part of a shard's result from which the figures of the whole load are computed: the terms of the load, every request without its
//! chunks, and sketches of the times between chunks.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::arrival::{Arrival, Ramp, RampKind, Schedule};
use super::arrival_bins::ArrivalDocument;
use super::balance::Balance;
use super::distribution::DistributionDocument;
use super::folded::{Digest, Folded};
use super::health::Clock;
use super::measured::{Measured, Run};
use super::reason::{Failure, Reason};
use super::record::Record;
use super::server_clock::{SeenSecond, seen_seconds};
use super::settings::{BenchmarkSettings, Dataset, MetricName, RandomImages, RandomLengths, Sessions, SettingsError};
use super::shard::Shard;
use super::stamp::Stamp;
use super::target::{Protocol, Target};
use super::tokens::Tokenizer;
use crate::model::saturating;

/// Version of [`ShardResult`]; increased by a change that older readers cannot read.
pub const SHARD_SCHEMA: u32 = 1;

/// Result of one shard of a load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShardResult {
    /// [`SHARD_SCHEMA`].
    pub schema_version: u32,
    /// Number of the shard, from 1.
    pub shard: NonZeroU32,
    /// Number of shards.
    pub of: NonZeroU32,
    /// Fingerprint of what all shards have in common: prompts, arrivals, request options.
    pub plan: String,
    /// Terms of the whole load.
    pub load: LoadTerms,
    /// Requested start of all shards, nanoseconds since the Unix epoch.
    pub start_asked_unix_ns: Option<u64>,
    /// Actual start of this shard by its machine's clock, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// End of its last request, nanoseconds since the Unix epoch.
    pub ended_unix_ns: u64,
    /// Number of requests planned for this shard.
    pub asked_requests: u32,
    /// Prompts that do not have the requested length.
    pub inexact_prompts: u32,
    /// Difference between the request numbers of the first turns of consecutive conversations.
    pub stride: Option<NonZeroU32>,
    /// Whether the shard was stopped early.
    pub interrupted: bool,
    /// Codes of the doubts about this shard.
    pub validity: Vec<String>,
    /// The client's state.
    pub client: ClientState,
    /// The server's clock, as this client saw it.
    #[serde(default)]
    pub server_seconds: Vec<SeenSecond>,
    /// The requests.
    pub requests: Vec<RequestResult>,
    /// Inter-token latencies.
    pub itl_ms: DistributionDocument,
    /// Times between chunks.
    pub chunk_ms: DistributionDocument,
    /// Chunks and tokens over time.
    pub arrivals: ArrivalDocument,
}

/// Settings of the whole load on which its figures depend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadTerms {
    /// Name of the backend.
    pub backend: String,
    /// Name of the model.
    pub model: String,
    /// Source of the tokenizer.
    pub tokenizer: Option<String>,
    /// Requests per second.
    pub request_rate: Option<f64>,
    /// A ramp of the rate: shape, first and last value in requests per second.
    pub ramp: Option<(RampKind, f64, f64)>,
    /// Shape of the gamma-distributed intervals; `None` for constant intervals.
    pub burstiness: Option<f64>,
    /// Maximum number of requests in flight.
    pub max_concurrency: Option<NonZeroU32>,
    /// Seconds for which requests are sent.
    pub duration_s: Option<f64>,
    pub requests: RequestKind,
    /// Mean time between an answer and the next turn, seconds.
    pub think_time_s: Option<f64>,
    /// Whether the full output length was requested.
    pub ignore_eos: bool,
    /// Whether streams were requested.
    pub stream: bool,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// Base URLs of the servers if there are several: each client may know a single server by another name.
    #[serde(default)]
    pub servers: Vec<String>,
    /// How requests are spread over several servers.
    #[serde(default)]
    pub balance: Balance,
    /// Fraction of failed requests above which the load is invalid.
    pub max_error_share: f64,
    /// Metrics in the result.
    pub percentile_metrics: Vec<MetricName>,
    /// Their percentiles.
    pub metric_percentiles: Vec<f64>,
    /// Latency limits of goodput, milliseconds.
    pub goodput: Vec<(MetricName, f64)>,
    /// The user's `KEY=VALUE` pairs.
    pub metadata: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// One prompt per request.
    Single,
    /// One prompt with images per request.
    Images,
    /// Turns of conversations.
    Conversations,
    /// Turns of recorded sessions.
    RecordedSessions,
}

/// The client's own state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientState {
    /// Source of the arrival timestamps.
    pub clock: Clock,
    /// Step of the real-time clock relative to the monotonic one, nanoseconds.
    pub clock_step_ns: u64,
    /// CPU time, nanoseconds.
    pub cpu_time_ns: u64,
    /// Client threads.
    pub threads: u32,
    /// Connections opened.
    pub connections: u32,
    /// Maximum number of connections open at once.
    pub open_connections: u32,
    /// Requests sent again on another connection.
    pub resent: u32,
    /// Requests that were due but not sent.
    pub unsent: u32,
    /// Peak memory, bytes.
    pub peak_memory: u64,
    /// Requests per second of its part of the schedule.
    pub asked_rate: Option<f64>,
    /// Delay between arrival and read of data, ms.
    pub read_lag_ms: DistributionDocument,
}

/// A request without its chunks. Timestamps are nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestResult {
    index: u32,
    /// Number of its server; 0 in results of versions that knew one.
    #[serde(default)]
    server: usize,
    scheduled: u64,
    sent: u64,
    first_token: Option<u64>,
    last_token: Option<u64>,
    ended: u64,
    digest: Digest,
    prompt_tokens: u32,
    asked_tokens: u32,
    reported_prompt_tokens: Option<u32>,
    reported_output_tokens: Option<u32>,
    reported_cached_tokens: Option<u32>,
    merged_chunks: u32,
    unstreamed_tokens: u32,
    streamed: bool,
    compressed: bool,
    /// Code and detail.
    failure: Option<(String, String)>,
}

impl ShardResult {
    /// The result without doubts. `tokenizer` counts the tokens of chunks for which the server reported no usage.
    #[must_use]
    pub fn of(settings: &BenchmarkSettings, plan: &str, run: &Run, tokenizer: Option<&Tokenizer>) -> Self {
        let mut folded = run.folded.as_deref().cloned().unwrap_or_else(|| Folded::new(run.started));
        let requests = run.records.iter().map(|record| {
            let mut record = record.clone();
            folded.fold(&mut record, tokenizer);
            RequestResult::of(&record)
        });
        let requests = requests.collect();
        let health = &run.health;
        Self {
            schema_version: SHARD_SCHEMA,
            shard: settings.shard.number(),
            of: settings.shard.of(),
            plan: plan.to_owned(),
            load: LoadTerms::of(settings),
            start_asked_unix_ns: settings.start_at.map(Stamp::unix_nanos),
            started_unix_ns: run.started.unix_nanos(),
            ended_unix_ns: run.ended.unix_nanos(),
            asked_requests: settings.num_prompts.get(),
            inexact_prompts: 0,
            stride: run.stride,
            interrupted: run.interrupted,
            validity: Vec::new(),
            client: ClientState {
                clock: health.clock,
                clock_step_ns: nanos(health.clock_step),
                cpu_time_ns: nanos(health.cpu_time),
                threads: health.threads,
                connections: health.connections,
                open_connections: health.open_connections,
                resent: health.resent,
                unsent: health.unsent,
                peak_memory: health.peak_memory,
                asked_rate: health.asked_rate,
                read_lag_ms: health.read_lag_ms.document(),
            },
            server_seconds: seen_seconds(&run.records),
            requests,
            itl_ms: folded.itl_ms.document(),
            chunk_ms: folded.chunk_ms.document(),
            arrivals: folded.arrivals.document(),
        }
    }

    /// Adds what is known after the shard's own figures were computed.
    #[must_use]
    pub fn with_doubts_of(self, measured: &Measured) -> Self {
        Self {
            inexact_prompts: measured.inexact_prompts,
            validity: measured.doubts.iter().map(|doubt| doubt.code().to_owned()).collect(),
            ..self
        }
    }

    /// The requests as folded records.
    ///
    /// # Errors
    /// The code of an unknown failure.
    pub fn records(&self) -> Result<Vec<Record>, String> {
        self.requests.iter().map(RequestResult::record).collect()
    }

    /// The shard; `None` if its numbers are invalid.
    #[must_use]
    pub fn shard(&self) -> Option<Shard> {
        Shard::new(self.shard, self.of)
    }
}

fn nanos(time: Duration) -> u64 {
    saturating::to_u64(time.as_nanos())
}

impl RequestResult {
    /// Number of the request in the whole load.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    fn of(record: &Record) -> Self {
        Self {
            index: record.index,
            server: record.server,
            scheduled: record.scheduled.unix_nanos(),
            sent: record.sent.unix_nanos(),
            first_token: record.first_token.map(Stamp::unix_nanos),
            last_token: record.last_token.map(Stamp::unix_nanos),
            ended: record.ended.unix_nanos(),
            digest: record.digest.unwrap_or_else(|| Digest::of(record)),
            prompt_tokens: record.prompt_tokens,
            asked_tokens: record.asked_tokens,
            reported_prompt_tokens: record.reported_prompt_tokens,
            reported_output_tokens: record.reported_output_tokens,
            reported_cached_tokens: record.reported_cached_tokens,
            merged_chunks: record.merged_chunks,
            unstreamed_tokens: record.unstreamed_tokens,
            streamed: record.streamed,
            compressed: record.compressed,
            failure: record
                .failure
                .as_ref()
                .map(|failure| (failure.reason.code(), failure.detail.clone())),
        }
    }

    fn record(&self) -> Result<Record, String> {
        let failure = match &self.failure {
            None => None,
            Some((code, detail)) => Some(Failure::new(Reason::of_code(code).ok_or_else(|| code.clone())?, detail)),
        };
        Ok(Record {
            index: self.index,
            server: self.server,
            scheduled: Stamp::from_unix_nanos(self.scheduled),
            sent: Stamp::from_unix_nanos(self.sent),
            first_token: self.first_token.map(Stamp::from_unix_nanos),
            last_token: self.last_token.map(Stamp::from_unix_nanos),
            ended: Stamp::from_unix_nanos(self.ended),
            digest: Some(self.digest),
            prompt_tokens: self.prompt_tokens,
            asked_tokens: self.asked_tokens,
            reported_prompt_tokens: self.reported_prompt_tokens,
            reported_output_tokens: self.reported_output_tokens,
            reported_cached_tokens: self.reported_cached_tokens,
            merged_chunks: self.merged_chunks,
            unstreamed_tokens: self.unstreamed_tokens,
            streamed: self.streamed,
            compressed: self.compressed,
            failure,
            ..Record::default()
        })
    }
}

impl LoadTerms {
    #[must_use]
    pub fn of(settings: &BenchmarkSettings) -> Self {
        let Arrival {
            max_concurrency,
            request_rate,
            ramp,
            burstiness,
        } = settings.arrival;
        let requests = if settings.has_recorded_sessions() {
            RequestKind::RecordedSessions
        } else if settings.has_conversations() {
            RequestKind::Conversations
        } else if settings.has_images() {
            RequestKind::Images
        } else {
            RequestKind::Single
        };
        Self {
            backend: settings.backend.clone(),
            model: settings.model.clone(),
            tokenizer: settings.tokenizer.clone(),
            request_rate,
            ramp: ramp.map(|Ramp { kind, from, to }| (kind, from, to)),
            burstiness: burstiness.is_finite().then_some(burstiness),
            max_concurrency,
            duration_s: settings.duration.map(|duration| duration.as_secs_f64()),
            requests,
            think_time_s: settings.sessions.map(|sessions| sessions.think_time.as_secs_f64()),
            ignore_eos: settings.ignore_eos,
            stream: settings.stream,
            tls: settings.target.tls,
            servers: settings
                .targets()
                .map(Target::base_url)
                .filter(|_| settings.server_count() > 1)
                .collect(),
            balance: settings.balance,
            max_error_share: settings.max_error_share,
            percentile_metrics: settings.percentile_metrics.clone(),
            metric_percentiles: settings.metric_percentiles.clone(),
            goodput: settings.goodput.clone(),
            metadata: settings.metadata.clone(),
        }
    }

    /// Settings from which figures can be computed, but no requests made: data set and server are placeholders.
    ///
    /// # Errors
    /// [`SettingsError`] for an unknown backend.
    pub fn settings(&self, num_prompts: NonZeroU32) -> Result<BenchmarkSettings, SettingsError> {
        let scheme = if self.tls { "https" } else { "http" };
        let protocol = Protocol::of_backend(&self.backend)?;
        let mut targets = Vec::new();
        for url in &self.servers {
            targets.push(Target::from_base_url(url, "/", protocol)?);
        }
        let further_targets = targets.split_off(targets.len().min(1));
        let target = match targets.pop() {
            Some(target) => target,
            None => Target::from_base_url(&format!("{scheme}://shards"), "/", protocol)?,
        };
        let lengths = RandomLengths::exact(NonZeroU32::MIN, NonZeroU32::MIN);
        let dataset = match self.requests {
            RequestKind::Single | RequestKind::Conversations => Dataset::Random(lengths),
            RequestKind::Images => {
                let images = RandomImages {
                    fewest: 1,
                    most: 1,
                    sizes: Vec::new(),
                };
                Dataset::RandomImages(lengths, images)
            }
            RequestKind::RecordedSessions => Dataset::Recorded { path: "".into() },
        };
        let think_time = duration_of(self.think_time_s).map(|think_time| Sessions {
            number: NonZeroU32::MIN,
            turns: NonZeroU32::MIN,
            think_time,
        });
        Ok(BenchmarkSettings {
            further_targets,
            balance: self.balance,
            backend: self.backend.clone(),
            tokenizer: self.tokenizer.clone(),
            arrival: Arrival {
                max_concurrency: self.max_concurrency,
                request_rate: self.request_rate,
                ramp: self.ramp.map(|(kind, from, to)| Ramp { kind, from, to }),
                burstiness: self.burstiness.unwrap_or(f64::INFINITY),
            },
            duration: duration_of(self.duration_s),
            sessions: think_time,
            ignore_eos: self.ignore_eos,
            stream: self.stream,
            max_error_share: self.max_error_share,
            percentile_metrics: self.percentile_metrics.clone(),
            metric_percentiles: self.metric_percentiles.clone(),
            goodput: self.goodput.clone(),
            metadata: self.metadata.clone(),
            ..BenchmarkSettings::new(target, &self.model, dataset, num_prompts)
        })
    }

    fn keys(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(keys)) => keys,
            Ok(_) | Err(_) => serde_json::Map::new(),
        }
    }

    /// The terms that differ, with both values.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (own, others) = (self.keys(), other.keys());
        let differs = own.iter().filter(|(key, value)| others.get(*key) != Some(value));
        differs
            .map(|(key, value)| format!("{key} {value} and {}", others.get(key).unwrap_or(&serde_json::Value::Null)))
            .collect()
    }
}

fn duration_of(seconds: Option<f64>) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds?).ok()
}

/// Fingerprint of what the shards of a load have in common: its terms, the inputs of prompt generation, and every arrival. The server is
/// not included, because each client may use its own.
#[must_use]
pub fn plan_fingerprint(settings: &BenchmarkSettings, count: usize, schedule: &Schedule) -> String {
    let common = format!(
        "{:?}",
        (
            LoadTerms::of(settings),
            (&settings.dataset, settings.sessions, settings.shortage, count, settings.seed),
            (settings.send_token_ids, settings.prompt_template, settings.request_model()),
            (&settings.lora_modules, &settings.max_tokens_field, &settings.extra_body),
        )
    );
    let mut hash = Sha256::new();
    hash.update(common.as_bytes());
    match schedule {
        Schedule::Closed => hash.update(b"closed"),
        Schedule::Open(offsets) => offsets.iter().for_each(|offset| hash.update(offset.as_nanos().to_le_bytes())),
    }
    hex::encode(hash.finalize())
}
