//! The result of a measurement: settings, run, metrics, and doubts about its validity.

use std::num::NonZeroU32;

use super::calibration::Calibration;
use super::detailed::ChunkStore;
use super::distribution::Distribution;
use super::engine_metrics::EngineSample;
use super::folded::{Digest, Folded};
use super::health::Health;
use super::metrics::Metrics;
use super::notice::Notice;
use super::record::Record;
use super::settings::{BenchmarkSettings, MetricName};
use super::shard_result::ShardResult;
use super::stamp::Stamp;
use super::statistics::Summary;
use super::tokens::Tokenizer;
use super::validity::{self, Doubt};
use crate::model::count;
use crate::model::saturating;

/// Version of the `imax` block; raised by changes that break its readers.
pub const SCHEMA_VERSION: u32 = 1;

/// Output of the load driver.
#[derive(Debug)]
pub struct Run {
    /// One record per request that was started.
    pub records: Vec<Record>,
    /// Distributions of the chunks of a long run, whose records are all folded.
    pub folded: Option<Box<Folded>>,
    /// The individual chunks of folded requests, if they were requested.
    pub chunk_store: Option<Box<dyn ChunkStore>>,
    /// The instant at which the first request could be sent.
    pub started: Stamp,
    /// The end of the last request.
    pub ended: Stamp,
    /// The client's state.
    pub health: Health,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// Request numbers per conversation; the first turn of each has a multiple of it. `None` without conversations.
    pub stride: Option<NonZeroU32>,
    /// Numbers of the servers whose process at the end of the run reports that it was started during the run.
    pub new_servers: Vec<usize>,
}

/// A run, with its settings and everything that was computed from it.
#[derive(Debug)]
pub struct Measured {
    /// Settings of the benchmark.
    pub settings: BenchmarkSettings,
    /// Output of the load driver.
    pub run: Run,
    /// Metrics computed from the run.
    pub metrics: Metrics,
    /// Reasons to doubt the figures; empty if the measurement is valid.
    pub doubts: Vec<Doubt>,
    /// Prompts whose length differs from the requested one, because the tokenizer has no text of that length.
    pub inexact_prompts: u32,
    /// The engine's own metrics during the load, a series for each server.
    pub engine_metrics: Vec<Vec<EngineSample>>,
    /// Measurement error of the client on this machine, if known.
    pub calibration: Option<Calibration>,
    /// What readers must know besides the doubts.
    pub notices: Vec<Notice>,
    /// Data for a merge with the other shards of the load, if there are any.
    pub shard: Option<Box<ShardResult>>,
}

/// Throughput per second, over the whole run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throughput {
    /// Requests that succeeded.
    pub requests: f64,
    /// Their output tokens.
    pub output_tokens: f64,
    /// Their input and output tokens.
    pub tokens: f64,
}

impl Measured {
    /// Computes everything from a run.
    #[must_use]
    pub fn new(settings: BenchmarkSettings, mut run: Run, tokenizer: Option<&Tokenizer>, inexact_prompts: u32) -> Self {
        run.records.sort_unstable_by_key(|record| record.index);
        if settings.server_extends_prompts() {
            for record in &mut run.records {
                record.prompt_tokens = record.reported_prompt_tokens.unwrap_or(record.prompt_tokens);
            }
        }
        let metrics = Metrics::with_folded(&run.records, run.folded.as_deref(), tokenizer);
        let doubts = validity::doubts(&settings, &run, &metrics);
        Self {
            settings,
            run,
            metrics,
            doubts,
            inexact_prompts,
            engine_metrics: Vec::new(),
            calibration: None,
            notices: Vec::new(),
            shard: None,
        }
    }

    /// Seconds from the start to the end of the last request.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        self.run.ended.since(self.run.started).as_secs_f64()
    }

    /// The start as `YYYYMMDD-HHMMSS` in UTC.
    #[must_use]
    pub fn date(&self) -> String {
        date(self.run.started)
    }

    /// Requests that succeeded.
    #[must_use]
    pub fn completed(&self) -> usize {
        self.metrics.e2el_ms.len()
    }

    /// Number of requests in the settings; if the run is limited by time, the number of requests that were sent.
    #[must_use]
    pub fn asked_requests(&self) -> usize {
        match self.settings.duration {
            Some(_) => self.run.records.len(),
            None => saturating::to_usize(self.settings.num_prompts.get()),
        }
    }

    /// Throughput per second, over the whole run.
    #[must_use]
    pub fn throughput(&self) -> Throughput {
        let (input, output) = (
            count(Self::sum(&self.metrics.input_tokens)),
            count(Self::sum(&self.metrics.output_tokens)),
        );
        Throughput {
            requests: self.per_second(count(self.completed())),
            output_tokens: self.per_second(output),
            tokens: self.per_second(input + output),
        }
    }

    pub(super) fn sum(tokens: &[u32]) -> u64 {
        tokens.iter().map(|n| u64::from(*n)).sum()
    }

    pub(super) fn per_second(&self, n: f64) -> f64 {
        let duration = self.duration_s();
        if duration > 0.0 { n / duration } else { 0.0 }
    }

    /// Requests that meet every goodput limit. A request without a time per output token counts as 0 ms.
    pub(super) fn good_requests(&self) -> usize {
        self.run.records.iter().filter(|record| self.meets_goodput(record)).count()
    }

    fn meets_goodput(&self, record: &Record) -> bool {
        let Some(last) = record.last_token.filter(|_| record.is_success()) else {
            return false;
        };
        let digest = record.digest.unwrap_or_else(|| Digest::of(record));
        let single = Metrics::of_one(record, &digest);
        self.settings.goodput.iter().all(|(metric, limit)| {
            let value = match metric {
                MetricName::Ttft => single.ttft_ms.first().copied(),
                MetricName::Tpot => Some(single.tpot_ms.first().copied().unwrap_or(0.0)),
                MetricName::Itl => digest.longest_itl_ms,
                MetricName::E2el => Some(super::stamp::millis(last.since(record.sent))),
            };
            value.is_some_and(|value| value <= *limit)
        })
    }

    /// Requests per second between the first and the last send; `None` if there is no time between them.
    #[must_use]
    pub fn sent_rate(&self) -> Option<f64> {
        let records = &self.run.records;
        let first = records.iter().map(|record| record.sent).min()?;
        let last = records.iter().map(|record| record.sent).max()?;
        let time = last.since(first).as_secs_f64();
        (time > 0.0).then(|| count(records.len() - 1) / time)
    }

    /// Whether there is no doubt about the figures.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.doubts.is_empty()
    }

    /// Whether the measured system failed: no request succeeded, or too few did.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.doubts.iter().any(|doubt| match doubt {
            Doubt::NoSuccess | Doubt::TooManyErrors => true,
            Doubt::Interrupted
            | Doubt::WrongOutputLengths
            | Doubt::WrongInputLengths
            | Doubt::UnstreamedTokens
            | Doubt::UndercountedTokens
            | Doubt::WarmPrefixCache
            | Doubt::NotStreamed
            | Doubt::CompressedStream
            | Doubt::UncountedTokens
            | Doubt::ServerRestarted
            | Doubt::ClockStepped
            | Doubt::ClientSaturated
            | Doubt::Shard
            | Doubt::ShardsApart
            | Doubt::Profiled => false,
        })
    }

    /// Whether it failed and requests got no connection or lost theirs, so the server may be down.
    #[must_use]
    pub fn lost_server(&self) -> bool {
        let failures = self.run.records.iter().filter_map(|record| record.failure.as_ref());
        self.has_failed() && failures.into_iter().any(|failure| failure.reason.is_of_the_connection())
    }

    /// The statistics of one metric, milliseconds, with the percentiles of the settings.
    #[must_use]
    pub fn summary(&self, metric: MetricName) -> Summary {
        let values = match metric {
            MetricName::Ttft => &self.metrics.ttft_ms,
            MetricName::Tpot => &self.metrics.tpot_ms,
            MetricName::E2el => &self.metrics.e2el_ms,
            MetricName::Itl => return self.summary_of(&self.metrics.itl_ms),
        };
        Summary::of(&mut values.clone(), &self.settings.metric_percentiles)
    }

    pub(super) fn summary_of(&self, values: &Distribution) -> Summary {
        values.summary(&self.settings.metric_percentiles)
    }
}

/// `YYYYMMDD-HHMMSS` in UTC.
fn date(at: Stamp) -> String {
    let nanos = saturating::to_i64(at.unix_nanos());
    chrono::DateTime::from_timestamp_nanos(nanos).format("%Y%m%d-%H%M%S").to_string()
}

#[cfg(test)]
pub(super) mod tests_support;
