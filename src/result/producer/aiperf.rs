//! AIPerf's `profile_export_aiperf.json`, and `profile_export_genai_perf.json` of its predecessor: each metric is an object with
//! its unit. Their inter-token latency is that of a request, (latency - TTFT) / (tokens - 1), which is benchmark_serving.py's
//! TPOT; the time between chunks is not the time between tokens and is left out.
//! Source: <https://docs.nvidia.com/aiperf/reference/json-export-schema>.

use super::{Canonical, Counts, Fields, Producer, ProducerError};
use crate::result::{Json, Object};

pub(super) fn wrote(document: &Object) -> bool {
    let metric = document.get("request_throughput").and_then(|metric| metric.get("unit"));
    document.contains_key("input_config") && metric.is_some()
}

/// Its names of the latencies, and benchmark_serving.py's.
const LATENCIES: [(&str, &str); 3] = [
    ("time_to_first_token", "ttft"),
    ("inter_token_latency", "tpot"),
    ("request_latency", "e2el"),
];
/// Its names of statistics, and benchmark_serving.py's.
const STATISTICS: [(&str, &str); 6] = [
    ("avg", "mean"),
    ("p50", "median"),
    ("std", "std"),
    ("p90", "p90"),
    ("p95", "p95"),
    ("p99", "p99"),
];

pub(super) fn read(document: &Object) -> Result<Object, ProducerError> {
    let fields = Fields {
        producer: Producer::Aiperf,
        document,
    };
    let mut result = Canonical::new(Producer::Aiperf);
    result.put_some("model_id", model(fields));
    result.put_some("max_concurrency", concurrency(fields));
    result.put_counts(counts(fields)?);
    if fields.at(&["was_cancelled"]) == Some(&Json::Bool(true)) {
        result.put("cancelled", true.into());
    }
    result.put_some("failed", failed(fields).map(Json::from).as_ref());
    for (theirs, ours) in LATENCIES {
        if fields.at(&[theirs]).is_none() {
            // Without streaming there is no first token, and an answer of one token has no second.
            continue;
        }
        expect_unit(fields, theirs, &["ms"])?;
        for (statistic, name) in STATISTICS {
            result.put_some(&format!("{name}_{ours}_ms"), fields.at(&[theirs, statistic]));
        }
    }
    Ok(result.0)
}

fn expect_unit(fields: Fields<'_>, metric: &str, units: &[&str]) -> Result<(), ProducerError> {
    let path = [metric, "unit"];
    let unit = fields.at(&path);
    let known = unit.and_then(Json::as_text).is_some_and(|unit| units.contains(&unit));
    known
        .then_some(())
        .ok_or_else(|| fields.wrong(&path, unit, "the unit that this metric has in all known versions"))
}

/// A metric's only or mean value.
fn value(fields: Fields<'_>, metric: &str, units: &[&str]) -> Result<f64, ProducerError> {
    expect_unit(fields, metric, units)?;
    fields.number(&[metric, "avg"])
}

/// Newer versions count tokens and time; older ones give rates and means, from which they follow.
fn counts(fields: Fields<'_>) -> Result<Counts, ProducerError> {
    let completed = match fields.at(&["request_count"]) {
        Some(_) => value(fields, "request_count", &["requests", "count"])?,
        None => fields.number(&["request_latency", "count"])?,
    };
    let rate = value(fields, "request_throughput", &["requests/sec"])?;
    if rate <= 0.0 {
        return Err(fields.wrong(
            &["request_throughput", "avg"],
            fields.at(&["request_throughput", "avg"]),
            "a rate above zero",
        ));
    }
    let duration_s = match fields.at(&["benchmark_duration"]) {
        Some(_) => value(fields, "benchmark_duration", &["sec"])?,
        None => completed / rate,
    };
    Ok(Counts {
        completed,
        input_tokens: tokens(fields, completed, "total_isl", "input_sequence_length")?,
        output_tokens: tokens(fields, completed, "total_osl", "output_sequence_length")?,
        duration_s,
    })
}

/// Tokens in total: the total itself, or the mean per request times the requests.
fn tokens(fields: Fields<'_>, completed: f64, total: &str, mean: &str) -> Result<f64, ProducerError> {
    match fields.at(&[total]) {
        Some(_) => value(fields, total, &["tokens"]),
        None => Ok(value(fields, mean, &["tokens"])? * completed),
    }
}

/// Requests that failed: a metric of their own, else the errors by kind.
fn failed(fields: Fields<'_>) -> Option<f64> {
    if let Some(count) = fields.finite(&["error_request_count", "avg"]) {
        return Some(count);
    }
    match fields.at(&["error_summary"])? {
        Json::List(kinds) => Some(kinds.iter().filter_map(|kind| kind.get("count")?.as_number()).sum()),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_) => None,
    }
}

/// Keys of the model, by version.
fn model<'a>(fields: Fields<'a>) -> Option<&'a Json> {
    let lists: [&[&str]; 3] = [
        &["input_config", "models", "items"],
        &["input_config", "endpoint", "model_names"],
        &["input_config", "model"],
    ];
    let item = lists.iter().find_map(|path| match fields.at(path)? {
        Json::List(items) => items.first(),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_) => None,
    })?;
    match item {
        Json::Object(named) => named.get("name"),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::List(_) => Some(item),
    }
}

/// Keys of the concurrency, by version.
fn concurrency<'a>(fields: Fields<'a>) -> Option<&'a Json> {
    if let Some(Json::List(phases)) = fields.at(&["input_config", "phases"]) {
        let mut measured = phases
            .iter()
            .filter(|phase| phase.get("exclude_from_results") != Some(&Json::Bool(true)));
        return measured.next_back()?.get("concurrency");
    }
    let places: [&[&str]; 2] = [
        &["input_config", "loadgen", "concurrency"],
        &["input_config", "perf_analyzer", "stimulus", "concurrency"],
    ];
    places.iter().find_map(|path| fields.at(path))
}
