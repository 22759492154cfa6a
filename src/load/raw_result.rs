//! The JSON of a measurement: the keys, units and order of benchmark_serving.py, so that tools for its files can read it, and a
//! block `imax` with further figures.

use serde_json::{Map, Value, json};

use super::bootstrap;
use super::distribution::Distribution;
use super::engine_metrics;
use super::measured::{Measured, SCHEMA_VERSION};
use super::notice::Notice;
use super::record::Record;
use super::settings::{MetricName, RampKind};
use super::statistics::Summary;
use super::timeline;
use super::validity;
use crate::model::count;
use crate::model::saturating;

impl Measured {
    /// The raw result: keys, units and order of benchmark_serving.py, then the block `imax`.
    #[must_use]
    pub fn raw_result_json(&self) -> Value {
        let mut result = self.setup();
        let (input, output) = (Self::sum(&self.metrics.input_tokens), Self::sum(&self.metrics.output_tokens));
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
        // benchmark_serving.py writes this key with a colon at its end, and tools expect it.
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

    fn own_block(&self) -> Value {
        let mut block = self.figures_block();
        if let (Some(shard), Some(keys)) = (&self.shard, block.as_object_mut()) {
            keys.insert("shard".to_owned(), json!(shard));
        }
        block
    }

    fn lengths_json(&self, lengths: &[u32]) -> Value {
        self.summary_json(lengths.iter().map(|length| f64::from(*length)).collect())
    }

    fn figures_block(&self) -> Value {
        let metrics = &self.metrics;
        let folded = self.run.folded.as_ref().map(|folded| &folded.arrivals);
        let codes: Vec<&str> = self.doubts.iter().map(|doubt| doubt.code()).collect();
        let failures = validity::failures(&self.run.records);
        let errors: Map<String, Value> = failures
            .iter()
            .map(|(code, (count, example))| (code.clone(), json!({ "count": count, "example": example })))
            .collect();
        let failed: u32 = failures.values().map(|(count, _)| count).sum();
        json!({
            "schema_version": SCHEMA_VERSION,
            "producer": concat!("imax ", env!("CARGO_PKG_VERSION")),
            "valid": self.is_valid(),
            "validity": codes,
            "notices": self.notices.iter().map(Notice::to_json).collect::<Vec<_>>(),
            "partial": self.run.interrupted,
            "failed": failed,
            "errors": errors,
            "itl_source": metrics.itl_source,
            "clock": self.run.health.clock,
            "chunk_latency_ms": self.distribution_json(&metrics.chunk_ms),
            "interactivity_tok_s": self.summary_json(metrics.tpot_ms.iter().filter(|ms| **ms > 0.0).map(|ms| 1e3 / ms).collect()),
            "from_schedule": {
                "ttft_ms": self.summary_json(metrics.scheduled_ttft_ms.clone()),
                "e2el_ms": self.summary_json(metrics.scheduled_e2el_ms.clone()),
                "send_lag_ms": self.summary_json(metrics.send_lag_ms.clone()),
            },
            "ci95": self.intervals_json(),
            "steady_state": timeline::steady_state(&self.run.records, folded, self.run.started),
            "seconds": timeline::seconds(&self.run.records, folded, self.run.started),
            "input_tokens": self.lengths_json(&metrics.input_tokens),
            "output_tokens": self.lengths_json(&metrics.output_tokens),
            "wrong_output_lengths": metrics.wrong_output_lengths,
            "wrong_input_lengths": metrics.wrong_input_lengths,
            "inexact_prompts": self.inexact_prompts,
            "duration_s": self.settings.duration.map(|duration| duration.as_secs_f64()),
            "unsent_requests": self.run.health.unsent,
            "sessions": self.sessions_json(),
            "prefix_cache": self.prefix_cache_json(),
            "engine_metrics": engine_metrics::json(&self.engine_metrics),
            "tls": self.settings.targets().any(|target| target.tls),
            "servers": self.servers_json(),
            "health": self.health_json(),
        })
    }

    /// 95% confidence intervals of the metrics with one value per request. The values are in request order, because the bootstrap
    /// resamples blocks of as many consecutive requests as run at once.
    fn intervals_json(&self) -> Value {
        let metrics = &self.metrics;
        let concurrency = self.settings.arrival.max_concurrency.map_or(1, std::num::NonZeroU32::get);
        let wave = saturating::to_usize(concurrency);
        let mut json = Map::new();
        for (name, values) in [("ttft", &metrics.ttft_ms), ("tpot", &metrics.tpot_ms), ("e2el", &metrics.e2el_ms)] {
            if let Some(found) = bootstrap::intervals(values, wave) {
                json.insert(format!("mean_{name}_ms"), json!([found.mean.low, found.mean.high]));
                json.insert(format!("median_{name}_ms"), json!([found.median.low, found.median.high]));
            }
        }
        Value::Object(json)
    }

    fn health_json(&self) -> Value {
        let health = &self.run.health;
        let chunks: usize = self.run.records.iter().map(Record::chunks).sum();
        let cpu = health.cpu_time.as_secs_f64();
        json!({
            "cpu_share": health.cpu_share(),
            "cpu_us_per_chunk": if chunks == 0 { None } else { Some(cpu * 1e6 / count(chunks)) },
            "client_threads": health.threads,
            "peak_memory_mb": crate::model::count(usize::try_from(health.peak_memory).unwrap_or(0)) / 1e6,
            "read_lag_ms": self.distribution_json(&health.read_lag_ms),
            "send_lag_ms": self.summary_json(self.metrics.send_lag_ms.clone()),
            "asked_request_rate": health.asked_rate,
            "sent_request_rate": self.sent_rate(),
            "connections": health.connections,
            "open_connections": health.open_connections,
            "resent_requests": health.resent,
            "merged_chunks": self.run.records.iter().map(|record| u64::from(record.merged_chunks)).sum::<u64>(),
            "calibration": self.calibration,
            "clock_step_ms": super::stamp::millis(health.clock_step),
        })
    }

    pub(super) fn summary_json(&self, mut values: Vec<f64>) -> Value {
        json_of(&Summary::of(&mut values, &self.settings.metric_percentiles))
    }

    fn distribution_json(&self, values: &Distribution) -> Value {
        json_of(&self.summary_of(values))
    }
}

/// The summary as JSON; null if the series is empty.
pub(super) fn json_of(summary: &Summary) -> Value {
    if summary.count == 0 {
        return Value::Null;
    }
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
    for (p, value) in &summary.percentiles {
        json.insert(format!("p{p}"), json!(value));
    }
    Value::Object(json)
}

fn finite_or_text(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!("inf") }
}
