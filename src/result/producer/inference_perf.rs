//! inference-perf's `stage_N_lifecycle_metrics.json` and `summary_lifecycle_metrics.json`: times in seconds, one object for
//! successes and one for failures. Its throughput is that of the stage, from the first request to the last answer.
//! Source: <https://github.com/kubernetes-sigs/inference-perf/tree/main/inference_perf/reportgen>, versions 0.2 to 0.7.

use super::{Canonical, Counts, Fields, Producer, ProducerError, Rates};
use crate::result::{Json, Object};

pub(super) fn wrote(document: &Object) -> bool {
    let has_latency = document.get("successes").is_some_and(|successes| successes.get("count").is_some());
    has_latency && document.contains_key("load_summary")
}

/// Its names of the latencies, and benchmark_serving.py's.
const LATENCIES: [(&str, &str); 3] = [
    ("time_to_first_token", "ttft"),
    ("time_per_output_token", "tpot"),
    ("request_latency", "e2el"),
];
/// Its names of statistics, and benchmark_serving.py's.
const STATISTICS: [(&str, &str); 6] = [
    ("mean", "mean"),
    ("median", "median"),
    ("p90", "p90"),
    ("p95", "p95"),
    ("p99", "p99"),
    ("p99.9", "p99.9"),
];
/// The tolerated difference between its own count of an answer's tokens and the server's. Within it, its time per token is that of the
/// server's tokens.
const SAME_TOKENS: f64 = 0.02;

pub(super) fn read(document: &Object) -> Result<Object, ProducerError> {
    let fields = Fields {
        producer: Producer::InferencePerf,
        document,
    };
    let mut result = Canonical::new(Producer::InferencePerf);
    result.put_some("max_concurrency", fields.at(&["load_summary", "concurrency"]));
    let is_closed = fields.at(&["load_summary", "concurrency"]).is_some();
    if is_closed {
        result.put("request_rate", "inf".into());
    } else {
        result.put_some("request_rate", fields.at(&["load_summary", "requested_rate"]));
    }
    result.put_some("failed", fields.at(&["failures", "count"]));
    let completed = fields.number(&["successes", "count"])?;
    let rates = Rates {
        requests: fields.finite(&["successes", "throughput", "requests_per_sec"]),
        output_tokens: fields.finite(&["successes", "throughput", "output_tokens_per_sec"]),
        total_tokens: fields.finite(&["successes", "throughput", "total_tokens_per_sec"]),
    };
    let duration_s = match fields.at(&["benchmark_time_seconds"]) {
        Some(_) => fields.above_zero(&["benchmark_time_seconds"])?,
        None => completed / fields.above_zero(&["successes", "throughput", "requests_per_sec"])?,
    };
    let client_tokens = mean_total(fields, &["successes", "output_len"], completed);
    let output_tokens = fields.finite(&["successes", "output_tokens", "total"]).or(client_tokens);
    let input_tokens = fields.finite(&["successes", "prompt_tokens", "total"]);
    let input_tokens = input_tokens.or_else(|| mean_total(fields, &["successes", "prompt_len"], completed));
    let output_tokens = output_tokens.ok_or_else(|| fields.wrong(&["successes", "output_len", "mean"], None, "a finite number"))?;
    result.put_counts(Counts {
        completed,
        input_tokens: input_tokens.ok_or_else(|| fields.wrong(&["successes", "prompt_len", "mean"], None, "a finite number"))?,
        output_tokens,
        duration_s,
    });
    // Its token rate is computed from its own count, so it is used only if that agrees with the server's.
    let is_same = client_tokens.is_none_or(|client| (client - output_tokens).abs() <= output_tokens * SAME_TOKENS);
    if is_same {
        result.put_rates(rates);
    }
    for (theirs, ours) in LATENCIES {
        if ours == "tpot" && !is_same {
            continue;
        }
        for (statistic, name) in STATISTICS {
            let seconds = fields.at(&["successes", "latency", theirs, statistic]).and_then(Json::as_number);
            result.put_some(
                &format!("{name}_{ours}_ms"),
                seconds.map(|seconds| Json::Float(seconds * 1000.0)).as_ref(),
            );
        }
    }
    Ok(result.0)
}

fn mean_total(fields: Fields<'_>, path: &[&str], completed: f64) -> Option<f64> {
    let path: Vec<&str> = path.iter().copied().chain(["mean"]).collect();
    Some(fields.finite(&path)? * completed)
}
