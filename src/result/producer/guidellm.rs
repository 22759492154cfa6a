//! GuideLLM's `benchmarks.json`: a list of benchmarks, one for each rate or number of streams; each metric is given apart for successful,
//! errored and incomplete requests. Its `time_per_output_token_ms` counts the first token's time as well; what others call TPOT is
//! its `inter_token_latency_ms`. Four layouts are known: 0.2 and 0.3 have no top
//! level but the list, 0.4 has `args` beside it, 0.5 and 0.6 `metadata.version` 1 as well, 0.7 and 0.8 version 2 and `config`.
//! Source: <https://github.com/vllm-project/guidellm>.

use super::{Canonical, Counts, Fields, Producer, ProducerError, counted};
use crate::result::{Json, Object};

pub(super) fn wrote(document: &Object) -> bool {
    match document.get("benchmarks") {
        Some(Json::List(benchmarks)) => benchmarks.iter().all(|benchmark| benchmark.get("metrics").is_some()),
        Some(Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) | None => false,
    }
}

/// Its names of the latencies, benchmark_serving.py's, and milliseconds in its unit.
const LATENCIES: [(&str, &str, f64); 3] = [
    ("time_to_first_token_ms", "ttft", 1.0),
    ("inter_token_latency_ms", "tpot", 1.0),
    ("request_latency", "e2el", 1000.0),
];
/// Where its statistics are, and benchmark_serving.py's names.
const STATISTICS: [(&[&str], &str); 6] = [
    (&["mean"], "mean"),
    (&["median"], "median"),
    (&["std_dev"], "std"),
    (&["percentiles", "p90"], "p90"),
    (&["percentiles", "p95"], "p95"),
    (&["percentiles", "p99"], "p99"),
];

pub(super) fn read(document: &Object) -> Result<Vec<Object>, ProducerError> {
    let whole = Fields {
        producer: Producer::Guidellm,
        document,
    };
    let Some(Json::List(benchmarks)) = whole.at(&["benchmarks"]) else {
        return Err(whole.wrong(&["benchmarks"], None, "a list"));
    };
    let objects = benchmarks.iter().filter_map(Json::as_object);
    objects.map(|benchmark| read_one(whole, benchmark)).collect()
}

fn read_one(whole: Fields<'_>, benchmark: &Object) -> Result<Object, ProducerError> {
    let fields = Fields {
        producer: Producer::Guidellm,
        document: benchmark,
    };
    let mut result = Canonical::new(Producer::Guidellm);
    let of_run: [&[&str]; 2] = [&["config", "spec", "backend", "model"], &["args", "model"]];
    let of_benchmark: [&[&str]; 2] = [&["config", "backend", "model"], &["worker", "backend_model"]];
    let model = of_run.iter().find_map(|path| whole.at(path));
    result.put_some("model_id", model.or_else(|| of_benchmark.iter().find_map(|path| fields.at(path))));
    put_arrival(&mut result, fields);
    // Only the CSV has no instants: its times have no time zone.
    let duration_s = match fields.at(&["duration"]) {
        Some(_) => fields.number(&["duration"])?,
        None => fields.number(&["end_time"])? - fields.number(&["start_time"])?,
    };
    if duration_s <= 0.0 {
        return Err(fields.wrong(&["duration"], fields.at(&["duration"]), "seconds above zero"));
    }
    let completed = put_requests(&mut result, fields)?;
    result.put_counts(Counts {
        completed,
        input_tokens: fields.number(&["metrics", "prompt_token_count", "successful", "total_sum"])?,
        output_tokens: fields.number(&["metrics", "output_token_count", "successful", "total_sum"])?,
        duration_s,
    });
    for (theirs, ours) in [("start_time", "benchmark_start_time_unix"), ("end_time", "benchmark_end_time_unix")] {
        result.put_some(ours, fields.finite(&[theirs]).map(Json::from).as_ref());
    }
    for (theirs, ours, milliseconds) in LATENCIES {
        for (statistic, name) in STATISTICS {
            let path: Vec<&str> = ["metrics", theirs, "successful"]
                .into_iter()
                .chain(statistic.iter().copied())
                .collect();
            let value = fields.at(&path).and_then(Json::as_number);
            result.put_some(
                &format!("{name}_{ours}_ms"),
                value.map(|value| Json::Float(value * milliseconds)).as_ref(),
            );
        }
    }
    Ok(result.0)
}

/// How requests were sent. A load at a rate has a limit of its concurrency (10,240 by default), which is not its concurrency.
fn put_arrival(result: &mut Canonical, fields: Fields<'_>) {
    match strategy_field(fields, "type_").and_then(Json::as_text) {
        Some("synchronous") => result.put("max_concurrency", Json::Integer(1)),
        Some("throughput") => result.put_some("max_concurrency", strategy_field(fields, "max_concurrency")),
        Some(_) | None => result.put_some("max_concurrency", strategy_field(fields, "streams")),
    }
    match strategy_field(fields, "rate") {
        Some(rate) => result.put("request_rate", rate.clone()),
        None => result.put("request_rate", "inf".into()),
    }
}

/// A field of the load's strategy, whose place depends on the version of GuideLLM.
fn strategy_field<'a>(fields: Fields<'a>, key: &str) -> Option<&'a Json> {
    let places: [&[&str]; 2] = [&["config", "strategy"], &["args", "strategy"]];
    places
        .into_iter()
        .find_map(|path| fields.at(path)?.get(key))
        .filter(|found| **found != Json::Null)
}

/// Records the failed requests and returns the number of successful ones. Newer versions have the counts in the metrics, 0.3 beside
/// them; the counts in `run_stats` of older versions include the warm-up.
fn put_requests(result: &mut Canonical, fields: Fields<'_>) -> Result<f64, ProducerError> {
    const PLACES: [&[&str]; 3] = [&["metrics", "request_totals"], &["request_totals"], &["run_stats", "requests_made"]];
    let place = PLACES.into_iter().find(|path| fields.at(path).is_some()).unwrap_or(PLACES[0]);
    let completed = fields.number(&[place, &["successful"]].concat())?;
    let errored = fields.finite(&[place, &["errored"]].concat()).unwrap_or(0.0);
    let incomplete = fields.finite(&[place, &["incomplete"]].concat()).unwrap_or(0.0);
    result.put("failed", errored.into());
    // A load limited by time leaves requests in flight at its end. If those are the majority, almost nothing was measured: with
    // `num_prompts` the plausibility check finds that requests are missing.
    if incomplete > completed {
        result.put("num_prompts", counted(completed + errored + incomplete));
    }
    Ok(completed)
}

/// A length that was asked for, in the description of synthetic data: `prompt_tokens=64,output_tokens=16` or the same as JSON.
pub(in crate::result) fn requested_length(data: &str, key: &str) -> Option<u32> {
    data.match_indices(key).find_map(|(at, _)| {
        let rest = data.get(at + key.len()..)?.trim_start_matches(['"', '\'', '\\', ' ', '=', ':']);
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..digits)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::requested_length;

    #[test]
    fn lengths_are_found_in_every_form_of_the_data() {
        for data in [
            "prompt_tokens=64,output_tokens=16",
            r#"{"prompt_tokens_stdev": 8, "prompt_tokens": 64, "output_tokens": 16}"#,
            r#""{\"prompt_tokens\": 64, \"output_tokens\": 16}""#,
            "['prompt_tokens=64,output_tokens=16']",
        ] {
            let found = (requested_length(data, "prompt_tokens"), requested_length(data, "output_tokens"));
            assert_eq!(found, (Some(64), Some(16)), "{data}");
        }
        assert_eq!(requested_length("prompts.jsonl", "prompt_tokens"), None);
    }
}
