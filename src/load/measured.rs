//! The outcome of a measurement, and its JSON: the keys of benchmark_serving.py, so that everything that reads those
//! files reads ours, and one block `imax` of our own with what they have no place for.

use serde_json::{Map, Value, json};

use super::bootstrap;
use super::calibration::Calibration;
use super::health::Health;
use super::metrics::Metrics;
use super::record::Record;
use super::settings::{MetricName, RampKind, Settings};
use super::stamp::Stamp;
use super::statistics::{Summary, count};
use super::timeline;
use super::tokens::Tokenizer;
use super::validity::{self, Doubt};

/// Version of the `imax` block; a change that breaks its readers raises it.
pub const SCHEMA_VERSION: u32 = 1;

/// What the driver brings home.
#[derive(Debug)]
pub struct Run {
    /// One record a request that was started.
    pub records: Vec<Record>,
    /// The instant at which the first request could be sent.
    pub started: Stamp,
    /// The end of the last request.
    pub ended: Stamp,
    /// The client's state.
    pub health: Health,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
}

/// A measurement with everything that was made of it.
#[derive(Debug)]
pub struct Measured {
    /// What was asked for.
    pub settings: Settings,
    /// What happened.
    pub run: Run,
    /// What it amounts to.
    pub metrics: Metrics,
    /// Whether it may be used.
    pub doubts: Vec<Doubt>,
    /// Prompts that have another length than asked for, because the tokenizer has no text of that length.
    pub inexact_prompts: u32,
    /// What error the client itself adds on this machine, where that is known.
    pub calibration: Option<Calibration>,
}

/// What was done a second, over the whole run.
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
    pub fn new(settings: Settings, mut run: Run, tokenizer: Option<&Tokenizer>, inexact_prompts: u32) -> Self {
        run.records.sort_unstable_by_key(|record| record.index);
        let metrics = Metrics::of(&run.records, tokenizer);
        let doubts = validity::doubts(&settings, &run.records, &metrics, &run.health, run.interrupted);
        Self {
            settings,
            run,
            metrics,
            doubts,
            inexact_prompts,
            calibration: None,
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

    /// What was done a second.
    #[must_use]
    pub fn throughput(&self) -> Throughput {
        let real = |tokens: &[u32]| count(usize::try_from(sum(tokens)).unwrap_or(usize::MAX));
        let (input, output) = (real(&self.metrics.input_tokens), real(&self.metrics.output_tokens));
        Throughput {
            requests: self.per_second(count(self.completed())),
            output_tokens: self.per_second(output),
            tokens: self.per_second(input + output),
        }
    }

    fn per_second(&self, n: f64) -> f64 {
        let duration = self.duration_s();
        if duration > 0.0 { n / duration } else { 0.0 }
    }

    /// Whether the figures may be used without a doubt.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.doubts.is_empty()
    }

    /// Whether the measured thing failed: no request, or too few, succeeded.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.doubts.iter().any(|doubt| match doubt {
            Doubt::NoSuccess | Doubt::TooManyErrors => true,
            Doubt::Interrupted
            | Doubt::WrongOutputLengths
            | Doubt::WrongInputLengths
            | Doubt::ServerRestarted
            | Doubt::ClockStepped
            | Doubt::ClientSaturated => false,
        })
    }

    /// The statistics of one metric, milliseconds, with the percentiles asked for.
    #[must_use]
    pub fn summary(&self, metric: MetricName) -> Summary {
        let values = match metric {
            MetricName::Ttft => &self.metrics.ttft_ms,
            MetricName::Tpot => &self.metrics.tpot_ms,
            MetricName::Itl => &self.metrics.itl_ms,
            MetricName::E2el => &self.metrics.e2el_ms,
        };
        Summary::of(&mut values.clone(), &self.settings.metric_percentiles)
    }

    /// The raw result: keys, units and order of benchmark_serving.py, then the block `imax`.
    #[must_use]
    pub fn raw_result_json(&self) -> Value {
        let mut result = self.setup();
        let (input, output) = (sum(&self.metrics.input_tokens), sum(&self.metrics.output_tokens));
        let throughput = self.throughput();
        let mut put = |key: &str, value: Value| result.insert(key.to_owned(), value);
        put("duration", json!(self.duration_s()));
        put("benchmark_start_time_unix", json!(self.run.started.unix_seconds()));
        put("benchmark_end_time_unix", json!(self.run.ended.unix_seconds()));
        put("completed", json!(self.completed()));
        put("total_input_tokens", json!(input));
        put("total_output_tokens", json!(output));
        put("request_throughput", json!(throughput.requests));
        let goodput = (!self.settings.goodput.is_empty()).then(|| self.per_second(count(self.good_requests())));
        // The colon inside the key is benchmark_serving.py's own; its readers expect it.
        put("request_goodput:", json!(goodput));
        put("output_throughput", json!(throughput.output_tokens));
        put("total_token_throughput", json!(throughput.tokens));
        for metric in MetricName::ALL
            .into_iter()
            .filter(|metric| self.settings.percentile_metrics.contains(metric))
        {
            let name = metric.as_str();
            let summary = self.summary(metric);
            put(&format!("mean_{name}_ms"), json!(summary.mean));
            put(&format!("median_{name}_ms"), json!(summary.median));
            put(&format!("std_{name}_ms"), json!(summary.std));
            for (p, value) in summary.percentiles {
                put(&format!("p{p}_{name}_ms"), json!(value));
            }
        }
        put("imax", self.own_block());
        Value::Object(result)
    }

    fn setup(&self) -> Map<String, Value> {
        let settings = &self.settings;
        let mut result = Map::new();
        let mut put = |key: &str, value: Value| result.insert(key.to_owned(), value);
        put("date", json!(self.date()));
        put("backend", json!(settings.backend));
        put("model_id", json!(settings.model));
        put("tokenizer_id", json!(settings.tokenizer_source()));
        put("best_of", json!(1));
        put("num_prompts", json!(settings.num_prompts));
        for (key, value) in &settings.metadata {
            put(key, json!(value));
        }
        put(
            "request_rate",
            settings.arrival.request_rate.map_or_else(|| json!("inf"), |rate| json!(rate)),
        );
        put("burstiness", finite_or_text(settings.arrival.burstiness));
        if let Some(ramp) = settings.arrival.ramp {
            let kind = match ramp.kind {
                RampKind::Linear => "linear",
                RampKind::Exponential => "exponential",
            };
            put("ramp_up_strategy", json!(kind));
            put("ramp_up_start_rps", json!(ramp.from));
            put("ramp_up_end_rps", json!(ramp.to));
        }
        put("max_concurrency", json!(settings.arrival.max_concurrency));
        result
    }

    /// Requests within every latency limit; a request without a time per output token has one of 0.
    fn good_requests(&self) -> usize {
        let good = |record: &&Record| {
            let Some(last) = record.last_token.filter(|_| record.is_success()) else {
                return false;
            };
            let single = Metrics::of(std::slice::from_ref(*record), None);
            let value = |metric: MetricName| match metric {
                MetricName::Ttft => single.ttft_ms.first().copied(),
                MetricName::Tpot => Some(single.tpot_ms.first().copied().unwrap_or(0.0)),
                MetricName::Itl => single.itl_ms.iter().copied().reduce(f64::max),
                MetricName::E2el => Some(super::stamp::millis(last.since(record.sent))),
            };
            self.settings
                .goodput
                .iter()
                .all(|(metric, limit)| value(*metric).is_some_and(|value| value <= *limit))
        };
        self.run.records.iter().filter(good).count()
    }

    fn own_block(&self) -> Value {
        let metrics = &self.metrics;
        let codes: Vec<&str> = self.doubts.iter().map(|doubt| doubt.code()).collect();
        let failures = validity::failures(&self.run.records);
        let errors: Map<String, Value> = failures
            .iter()
            .map(|(code, (count, example))| (code.clone(), json!({ "count": count, "example": example })))
            .collect();
        let failed: u32 = failures.values().map(|(count, _)| count).sum();
        let tokens = |lengths: &[u32]| self.summary_json(lengths.iter().map(|n| f64::from(*n)).collect());
        json!({
            "schema_version": SCHEMA_VERSION,
            "producer": concat!("imax ", env!("CARGO_PKG_VERSION")),
            "valid": self.is_valid(),
            "validity": codes,
            "partial": self.run.interrupted,
            "failed": failed,
            "errors": errors,
            "itl_source": metrics.itl_source,
            "clock": self.run.health.clock,
            "chunk_latency_ms": self.summary_json(metrics.chunk_ms.clone()),
            "interactivity_tok_s": self.summary_json(metrics.tpot_ms.iter().filter(|ms| **ms > 0.0).map(|ms| 1e3 / ms).collect()),
            "from_schedule": {
                "ttft_ms": self.summary_json(metrics.scheduled_ttft_ms.clone()),
                "e2el_ms": self.summary_json(metrics.scheduled_e2el_ms.clone()),
                "send_lag_ms": self.summary_json(metrics.send_lag_ms.clone()),
            },
            "ci95": self.intervals_json(),
            "steady_state": timeline::steady_state(&self.run.records, self.run.started),
            "seconds": timeline::seconds(&self.run.records, self.run.started),
            "input_tokens": tokens(&metrics.input_tokens),
            "output_tokens": tokens(&metrics.output_tokens),
            "wrong_output_lengths": metrics.wrong_output_lengths,
            "wrong_input_lengths": metrics.wrong_input_lengths,
            "inexact_prompts": self.inexact_prompts,
            "duration_s": self.settings.duration.map(|duration| duration.as_secs_f64()),
            "unsent_requests": self.run.health.unsent,
            "sessions": self.sessions_json(),
            "tls": self.settings.target.tls,
            "health": self.health_json(),
        })
    }

    /// 95% confidence intervals of the metrics that have one value a request, which are in the order of the requests.
    fn intervals_json(&self) -> Value {
        let metrics = &self.metrics;
        let mut json = Map::new();
        for (name, values) in [("ttft", &metrics.ttft_ms), ("tpot", &metrics.tpot_ms), ("e2el", &metrics.e2el_ms)] {
            if let Some(found) = bootstrap::intervals(values) {
                json.insert(format!("mean_{name}_ms"), json!([found.mean.low, found.mean.high]));
                json.insert(format!("median_{name}_ms"), json!([found.median.low, found.median.high]));
            }
        }
        Value::Object(json)
    }

    /// The conversations, and how many of their turns were never sent because an earlier one failed or the run was stopped.
    fn sessions_json(&self) -> Value {
        let Some(sessions) = self.settings.sessions else {
            return Value::Null;
        };
        let sent = u32::try_from(self.run.records.len()).unwrap_or(u32::MAX);
        json!({
            "turns": self.settings.num_prompts,
            "think_time_s": sessions.think_time.as_secs_f64(),
            "unsent_turns": self.settings.num_prompts.get().saturating_sub(sent),
        })
    }

    /// Requests a second between the first and the last send.
    fn sent_rate(&self) -> Option<f64> {
        let records = &self.run.records;
        let first = records.iter().map(|record| record.sent).min()?;
        let last = records.iter().map(|record| record.sent).max()?;
        let time = last.since(first).as_secs_f64();
        (time > 0.0).then(|| count(records.len() - 1) / time)
    }

    fn health_json(&self) -> Value {
        let health = &self.run.health;
        let chunks: usize = self.run.records.iter().map(Record::chunks).sum();
        let cpu = health.cpu_time.as_secs_f64();
        json!({
            "cpu_share": health.cpu_share(),
            "cpu_us_per_chunk": if chunks == 0 { None } else { Some(cpu * 1e6 / count(chunks)) },
            "client_threads": health.threads,
            "peak_memory_mb": super::statistics::count(usize::try_from(health.peak_memory).unwrap_or(0)) / 1e6,
            "read_lag_ms": self.summary_json(health.read_lag_ms.clone()),
            "send_lag_ms": self.summary_json(self.metrics.send_lag_ms.clone()),
            "asked_request_rate": health.asked_rate,
            "sent_request_rate": self.sent_rate(),
            "connections": health.connections,
            "open_connections": health.open_connections,
            "merged_chunks": self.run.records.iter().map(|record| u64::from(record.merged_chunks)).sum::<u64>(),
            "calibration": self.calibration,
            "clock_step_ms": super::stamp::millis(health.clock_step),
        })
    }

    fn summary_json(&self, mut values: Vec<f64>) -> Value {
        if values.is_empty() {
            return Value::Null;
        }
        let summary = Summary::of(&mut values, &self.settings.metric_percentiles);
        let mut json = Map::new();
        for (key, value) in [
            ("mean", summary.mean),
            ("median", summary.median),
            ("std", summary.std),
            ("min", summary.min),
            ("max", summary.max),
        ] {
            json.insert(key.to_owned(), json!(value));
        }
        for (p, value) in summary.percentiles {
            json.insert(format!("p{p}"), json!(value));
        }
        Value::Object(json)
    }
}

fn sum(tokens: &[u32]) -> u64 {
    tokens.iter().map(|n| u64::from(*n)).sum()
}

fn finite_or_text(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!("inf") }
}

/// `YYYYMMDD-HHMMSS` in UTC.
fn date(at: Stamp) -> String {
    let nanos = i64::try_from(at.unix_nanos()).unwrap_or(i64::MAX);
    chrono::DateTime::from_timestamp_nanos(nanos).format("%Y%m%d-%H%M%S").to_string()
}

/// Measurements for the tests of this module's neighbours.
#[cfg(test)]
pub(super) mod tests_support {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::load::health::Clock;
    use crate::load::settings::{Dataset, Protocol, RandomLengths, Target};

    /// A measurement with these records and a healthy client.
    pub fn measured(records: Vec<Record>) -> Measured {
        measured_with(records, |_| {})
    }

    /// A measurement with these records and a client whose health is changed.
    pub fn measured_with(records: Vec<Record>, change: impl FnOnce(&mut Health)) -> Measured {
        let one = NonZeroU32::MIN;
        let lengths = RandomLengths {
            input: one,
            output: one,
            range_ratio: 1.0,
            prefix: 0,
        };
        let target = Target::from_base_url("http://h", "/", Protocol::Completions).unwrap();
        let mut health = Health {
            clock: Clock::Kernel,
            cpu_time: Duration::from_millis(1),
            wall_time: Duration::from_secs(1),
            threads: 1,
            read_lag_ms: Vec::new(),
            connections: 1,
            open_connections: 1,
            peak_memory: 0,
            unsent: 0,
            asked_rate: None,
            clock_step: Duration::ZERO,
        };
        change(&mut health);
        let run = Run {
            started: Stamp::default(),
            ended: records.iter().map(|record| record.ended).max().unwrap_or_default(),
            records,
            health,
            interrupted: false,
        };
        Measured::new(Settings::new(target, "m", Dataset::Random(lengths), one), run, None, 0)
    }
}
