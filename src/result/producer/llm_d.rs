//! llm-d's benchmark report, versions 0.1 and 0.2: one YAML or JSON document for each stage, whatever load generator measured it.
//! Each number has its unit beside it. Failed and unfinished requests are counted separately.
//! Source: <https://github.com/llm-d/llm-d-benchmark/tree/main/llmdbenchmark/analysis/benchmark_report>.

use super::iso_8601::duration_seconds;
use super::{Canonical, Counts, Fields, Producer, ProducerError, Rates};
use crate::result::{Json, Object};

/// The paths of the parts of a report, which differ between the two versions.
struct Layout {
    requests: &'static [&'static str],
    latency: &'static [&'static str],
    throughput: &'static [&'static str],
    /// Names of the rates of requests, output tokens and all tokens; in 0.1 these are numbers, later distributions.
    rates: [&'static [&'static str]; 3],
}

const FIRST: Layout = Layout {
    requests: &["metrics", "requests"],
    latency: &["metrics", "latency"],
    throughput: &["metrics", "throughput"],
    rates: [&["requests_per_sec"], &["output_tokens_per_sec"], &["total_tokens_per_sec"]],
};
const SECOND: Layout = Layout {
    requests: &["results", "request_performance", "aggregate", "requests"],
    latency: &["results", "request_performance", "aggregate", "latency"],
    throughput: &["results", "request_performance", "aggregate", "throughput"],
    rates: [
        &["request_rate", "mean"],
        &["output_token_rate", "mean"],
        &["total_token_rate", "mean"],
    ],
};

/// Its names of the latencies, and benchmark_serving.py's.
const LATENCIES: [(&str, &str); 4] = [
    ("time_to_first_token", "ttft"),
    ("time_per_output_token", "tpot"),
    ("inter_token_latency", "itl"),
    ("request_latency", "e2el"),
];
/// Its names of statistics, and benchmark_serving.py's.
const STATISTICS: [(&str, &str); 7] = [
    ("mean", "mean"),
    ("p50", "median"),
    ("stddev", "std"),
    ("p90", "p90"),
    ("p95", "p95"),
    ("p99", "p99"),
    ("p99p9", "p99.9"),
];

pub(super) fn wrote(document: &Object) -> bool {
    document.contains_key("version") && layout(document).is_some()
}

fn layout(document: &Object) -> Option<&'static Layout> {
    [&FIRST, &SECOND].into_iter().find(|layout| {
        let (first, rest) = layout.requests.split_first().unwrap_or((&"", &[]));
        let found = document
            .get(*first)
            .and_then(|value| rest.iter().try_fold(value, |value, key| value.get(key)));
        found.is_some_and(|requests| requests.get("total").is_some())
    })
}

pub(super) fn read(document: &Object) -> Result<Object, ProducerError> {
    let fields = Fields {
        producer: Producer::LlmD,
        document,
    };
    let layout = layout(document).unwrap_or(&SECOND);
    let mut result = Canonical::new(Producer::LlmD);
    result.put_some("model_id", model(fields));
    let concurrency = fields.at(&["scenario", "load", "standardized", "concurrency"]);
    result.put_some(
        "max_concurrency",
        concurrency.filter(|value| value.as_number().is_some_and(f64::is_finite)),
    );
    result.put_some("request_rate", fields.at(&["scenario", "load", "standardized", "rate_qps"]));
    let counts = counts(fields, layout)?;
    result.put_counts(counts.counts);
    result.put("failed", counts.failed.into());
    result.put_rates(Rates {
        requests: counts.rates[0],
        output_tokens: counts.rates[1],
        total_tokens: counts.rates[2],
    });
    for (theirs, ours) in LATENCIES {
        let path = below(layout.latency, &[theirs]);
        if fields.at(&path).is_none() {
            continue;
        }
        let milliseconds = unit(fields, &below(&path, &["units"]))?;
        for (statistic, name) in STATISTICS {
            let value = fields.at(&below(&path, &[statistic])).and_then(Json::as_number);
            result.put_some(
                &format!("{name}_{ours}_ms"),
                value.map(|value| Json::Float(value * milliseconds)).as_ref(),
            );
        }
    }
    Ok(result.0)
}

fn below<'a>(path: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    path.iter().chain(rest).copied().collect()
}

/// Milliseconds in the unit of a latency.
fn unit(fields: Fields<'_>, path: &[&str]) -> Result<f64, ProducerError> {
    let found = fields.at(path);
    match found.and_then(Json::as_text) {
        Some("s" | "s/token") => Ok(1000.0),
        Some("ms" | "ms/token") => Ok(1.0),
        Some("us" | "us/token") => Ok(1e-3),
        Some(_) | None => Err(fields.wrong(path, found, "s, ms or us, or one of them per token")),
    }
}

struct Counted {
    counts: Counts,
    failed: f64,
    /// Requests, output tokens and all tokens a second, where they are given.
    rates: [Option<f64>; 3],
}

fn counts(fields: Fields<'_>, layout: &Layout) -> Result<Counted, ProducerError> {
    let failed = fields.finite(&below(layout.requests, &["failures"])).unwrap_or(0.0);
    let incomplete = fields.finite(&below(layout.requests, &["incomplete"])).unwrap_or(0.0);
    let completed = fields.number(&below(layout.requests, &["total"]))? - failed - incomplete;
    let input_length = fields.number(&below(layout.requests, &["input_length", "mean"]))?;
    let output_length = fields.number(&below(layout.requests, &["output_length", "mean"]))?;
    let rates = layout.rates.map(|rate| fields.finite(&below(layout.throughput, rate)));
    let duration_s = match rates[0].filter(|rate| *rate > 0.0) {
        // The duration of the run is not used: it includes preparation and reporting.
        Some(rate) => completed / rate,
        None => duration(fields)?,
    };
    Ok(Counted {
        counts: Counts {
            completed,
            input_tokens: input_length * completed,
            output_tokens: output_length * completed,
            duration_s,
        },
        failed,
        rates,
    })
}

/// Seconds: a number in version 0.1, an ISO 8601 duration later.
fn duration(fields: Fields<'_>) -> Result<f64, ProducerError> {
    const FIRST: [&str; 3] = ["metrics", "time", "duration"];
    const SECOND: [&str; 3] = ["run", "time", "duration"];
    if fields.at(&FIRST).is_some() {
        return fields.above_zero(&FIRST);
    }
    let found = fields.at(&SECOND);
    found
        .and_then(Json::as_text)
        .and_then(duration_seconds)
        .filter(|seconds| *seconds > 0.0)
        .ok_or_else(|| fields.wrong(&SECOND, found, "a duration such as PT49.9S, above zero"))
}

/// The model: that of the load in version 0.1, later that of the first component that serves one.
fn model(fields: Fields<'_>) -> Option<&Json> {
    if let Some(name) = fields.at(&["scenario", "model", "name"]) {
        return Some(name);
    }
    match fields.at(&["scenario", "stack"])? {
        Json::List(components) => components
            .iter()
            .find_map(|component| component.get("standardized")?.get("model")?.get("name")),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_) => None,
    }
}
