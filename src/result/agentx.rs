//! The aggregate of InferenceX's AgentX scenario, which process_agentic_result.py writes of AIPerf's files: coding-agent sessions,
//! summarised by request and by the engine's own metrics. Its numbers are nested; here they get the flat names that its authors use
//! while they compute them, so that they are read, compared and shown like all others. Times are seconds, rates are per second, hit
//! rates and usages are fractions.
//! Source: <https://github.com/SemiAnalysisAI/InferenceX/tree/main/utils/agentic/aggregation>.

use std::collections::BTreeMap;

use super::agg::AGENTIC;
use super::{Json, Object};
use crate::matrix::{KV_OFFLOAD, offload_text};
use crate::model::{Component, KvOffloading, VariantText};

/// The section with what clients measured; only this format has it.
const REQUESTS: &str = "request_metrics";
/// The section with what the engine reports about itself.
const SERVER: &str = "server_metrics";

/// Distributions: path below the document, and the word after the statistic in the flat name.
const DISTRIBUTIONS: [([&str; 3], &str); 12] = [
    ([REQUESTS, "latency", "ttft"], "ttft"),
    ([REQUESTS, "latency", "tpot"], "tpot"),
    ([REQUESTS, "latency", "itl"], "itl"),
    ([REQUESTS, "latency", "e2el"], "e2el"),
    ([REQUESTS, "latency", "intvty"], "intvty"),
    ([REQUESTS, "latency", "e2e_norm_intvty"], "e2e_norm_intvty"),
    ([REQUESTS, "latency", "full_response_itl"], "full_response_itl"),
    ([REQUESTS, "latency", "full_response_intvty"], "full_response_intvty"),
    ([REQUESTS, "qps", ""], "qps"),
    ([REQUESTS, "tokens", "input"], "input_tokens"),
    ([REQUESTS, "tokens", "output_actual"], "output_tokens_actual"),
    ([REQUESTS, "tokens", "output_expected"], "output_tokens_expected"),
];

/// Statistics of a distribution, and their words in flat names.
const STATISTICS: [(&str, &str); 8] = [
    ("mean", "mean"),
    ("p50", "median"),
    ("std", "std"),
    ("p75", "p75"),
    ("p90", "p90"),
    ("p95", "p95"),
    ("p99", "p99"),
    ("p99.9", "p99.9"),
];

/// Single numbers: path below the document, flat name.
const NUMBERS: [([&str; 4], &str); 28] = [
    ([REQUESTS, "throughput", "per_gpu", "total_tput_tps"], "tput_per_gpu"),
    ([REQUESTS, "throughput", "per_gpu", "output_tput_tps"], "output_tput_per_gpu"),
    ([REQUESTS, "throughput", "per_gpu", "input_tput_tps"], "input_tput_per_gpu"),
    ([REQUESTS, "cache", "theoretical_cache_hit_rate", ""], "theoretical_cache_hit_rate"),
    ([SERVER, "cache", "gpu_cache_hit_rate", ""], "server_gpu_cache_hit_rate"),
    ([SERVER, "cache", "cpu_cache_hit_rate", ""], "server_cpu_cache_hit_rate"),
    ([SERVER, "cache", "external_cache_hit_rate", ""], "server_external_cache_hit_rate"),
    ([SERVER, "cache", "overall_cache_hit_rate", ""], "server_overall_cache_hit_rate"),
    ([SERVER, "cache", "frontend_cache_hit_rate", ""], "frontend_cache_hit_rate"),
    ([SERVER, "cache", "router_kv_hit_rate", ""], "router_kv_hit_rate"),
    (
        [SERVER, "cache", "router_shared_cache_hit_rate", ""],
        "router_shared_cache_hit_rate",
    ),
    ([SERVER, "kv_cache", "gpu_usage_pct", ""], "gpu_kv_cache_usage_pct"),
    ([SERVER, "kv_cache", "cpu_usage_pct", ""], "cpu_kv_cache_usage_pct"),
    ([SERVER, "kv_cache", "cpu_used_tokens", ""], "cpu_kv_cache_used_tokens"),
    ([SERVER, "kv_cache", "cpu_total_tokens", ""], "cpu_kv_cache_pool_tokens"),
    ([SERVER, "kv_cache", "gpu_total_tokens", ""], "kv_cache_pool_tokens"),
    ([SERVER, "kv_offload", "bytes_gpu_to_cpu", ""], "kv_offload_bytes_gpu_to_cpu"),
    ([SERVER, "kv_offload", "bytes_cpu_to_gpu", ""], "kv_offload_bytes_cpu_to_gpu"),
    ([SERVER, "kv_offload", "time_gpu_to_cpu", ""], "kv_offload_time_gpu_to_cpu"),
    ([SERVER, "kv_offload", "time_cpu_to_gpu", ""], "kv_offload_time_cpu_to_gpu"),
    (
        [SERVER, "kv_offload", "bandwidth_gpu_to_cpu_bytes_per_second", ""],
        "kv_offload_bandwidth_gpu_to_cpu_bytes_per_second",
    ),
    (
        [SERVER, "kv_offload", "bandwidth_cpu_to_gpu_bytes_per_second", ""],
        "kv_offload_bandwidth_cpu_to_gpu_bytes_per_second",
    ),
    ([SERVER, "tokens", "prompt_total", ""], "total_prompt_tokens"),
    ([SERVER, "tokens", "generation_total", ""], "total_generation_tokens"),
    ([SERVER, "tokens", "requests_completed", ""], "total_requests_completed"),
    (
        [SERVER, "tokens", "prompt_by_source", "gpu_cache_hit"],
        "prompt_tokens_gpu_cache_hit",
    ),
    (
        [SERVER, "tokens", "prompt_by_source", "cpu_or_external_cache_hit"],
        "prompt_tokens_cpu_or_external_cache_hit",
    ),
    ([SERVER, "tokens", "prompt_by_source", "computed"], "prompt_tokens_computed"),
];

/// Whether a document is such an aggregate, normalised or not.
pub(super) fn is_aggregate(document: &Object) -> bool {
    document.get("scenario_type").and_then(Json::as_text) == Some(AGENTIC)
        && document.get(REQUESTS).is_some_and(|part| part.as_object().is_some())
}

/// All finite numbers of an aggregate's sections by their flat names.
pub(super) fn flat_numbers(aggregate: &Object) -> Vec<(String, Json)> {
    let mut found = Vec::new();
    for (path, word) in DISTRIBUTIONS {
        let Some(distribution) = at(aggregate, &path) else { continue };
        let statistics = STATISTICS
            .iter()
            .filter_map(|(key, name)| Some((name, finite(distribution.get(key)?)?)));
        found.extend(statistics.map(|(name, number)| (format!("{name}_{word}"), number)));
    }
    let numbers = NUMBERS
        .iter()
        .filter_map(|(path, name)| Some((*name, finite(at(aggregate, path)?)?)));
    found.extend(numbers.map(|(name, number)| (name.to_owned(), number)));
    found
}

/// The value at a path; an empty key ends it.
fn at<'a>(document: &'a Object, path: &[&str]) -> Option<&'a Json> {
    let (first, rest) = path.split_first()?;
    let rest = rest.iter().filter(|key| !key.is_empty());
    rest.into_iter().try_fold(document.get(*first)?, |value, key| value.get(key))
}

fn finite(value: &Json) -> Option<Json> {
    value.as_number().filter(|number| number.is_finite())?;
    Some(value.clone())
}

/// What distinguishes curves with the same layout, as it does in rows: where KV blocks were offloaded to.
pub(super) fn variant(document: &Object) -> BTreeMap<VariantText, VariantText> {
    if at(document, &["kv_offloading"]).and_then(Json::as_text) != Some(KvOffloading::Dram.as_str()) {
        return BTreeMap::new();
    }
    let backend = at(document, &["kv_offload_backend", "name"]).and_then(Json::as_text);
    let backend = backend.map(|name| Component {
        name: name.to_owned(),
        version: None,
    });
    let text = offload_text(KvOffloading::Dram, backend.as_ref());
    let entry = text.and_then(|text| Some((KV_OFFLOAD.parse().ok()?, text.parse().ok()?)));
    entry.into_iter().collect()
}

/// Adds the flat numbers to an aggregate that lacks them, so that it reads like a normalised document.
pub(super) fn flatten(document: &mut Object) {
    if !is_aggregate(document) || document.contains_key("tput_per_gpu") {
        return;
    }
    let numbers = flat_numbers(document);
    document.extend(numbers);
}

/// Completes a normalised document with everything of the aggregate that it was made of. Numbers of the aggregate replace those that
/// were computed from it in between: its throughput is divided by all GPUs of a deployment, and its deviation of the interactivity is
/// that of the requests.
pub(super) fn complete(document: &mut Object, aggregate: &Object) {
    for (key, value) in aggregate {
        // Power that the aggregate has been given is valid or not by its own reading of the samples.
        if key == "power_valid" || !document.contains_key(key) {
            document.insert(key.clone(), value.clone());
        }
    }
    document.extend(flat_numbers(aggregate));
}
