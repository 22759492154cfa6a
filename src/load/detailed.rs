//! Every request on its own, for whoever wants to look closer: the arrays of benchmark_serving.py's `--save-detailed`
//! (times in seconds), and one line a request with its instants.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::measured::Measured;
use super::metrics::Metrics;
use super::record::Record;
use super::stamp::millis;

/// The arrays that benchmark_serving.py adds to its result, except the texts, which are not kept. A failed request has
/// zeros, an empty list, and its error.
#[must_use]
pub fn arrays(measured: &Measured) -> Map<String, Value> {
    let each: Vec<(&Record, Metrics)> = measured
        .run
        .records
        .iter()
        .map(|record| (record, Metrics::of(std::slice::from_ref(record), None)))
        .collect();
    let column =
        |value: &dyn Fn(&Record, &Metrics) -> Value| each.iter().map(|(record, metrics)| value(record, metrics)).collect::<Value>();
    let mut arrays = Map::new();
    let mut put = |key: &str, value: Value| arrays.insert(key.to_owned(), value);
    put("input_lens", column(&|record, _| json!(record.prompt_tokens)));
    put(
        "output_lens",
        column(&|_, metrics| json!(metrics.output_tokens.first().copied().unwrap_or(0))),
    );
    put(
        "ttfts",
        column(&|_, metrics| json!(metrics.ttft_ms.first().map_or(0.0, |ms| ms / 1e3))),
    );
    put(
        "itls",
        column(&|_, metrics| metrics.itl_ms.iter().map(|ms| ms / 1e3).collect::<Value>()),
    );
    put(
        "errors",
        column(&|record, _| json!(record.failure.as_ref().map_or_else(String::new, ToString::to_string))),
    );
    arrays
}

/// One request. Instants are nanoseconds since the Unix epoch.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub request: String,
    pub scheduled_unix_ns: u64,
    pub sent_unix_ns: u64,
    pub connect_ms: Option<f64>,
    pub first_token_unix_ns: Option<u64>,
    pub last_token_unix_ns: Option<u64>,
    pub ended_unix_ns: u64,
    pub chunks: usize,
    pub merged_chunks: u32,
    pub input_tokens: u32,
    pub asked_output_tokens: u32,
    pub reported_input_tokens: Option<u32>,
    pub reported_output_tokens: Option<u32>,
    pub reported_cached_tokens: Option<u32>,
    pub failure: Option<String>,
    pub detail: Option<String>,
}

/// One row a request, in the order of the plan.
pub(super) fn rows(measured: &Measured) -> impl Iterator<Item = Line> + '_ {
    measured.run.records.iter().map(|record| Line {
        request: super::request::id(&measured.settings.request_id_prefix, record.index),
        scheduled_unix_ns: record.scheduled.unix_nanos(),
        sent_unix_ns: record.sent.unix_nanos(),
        connect_ms: record.connect.map(millis),
        first_token_unix_ns: record.first_token.map(super::Stamp::unix_nanos),
        last_token_unix_ns: record.last_token.map(super::Stamp::unix_nanos),
        ended_unix_ns: record.ended.unix_nanos(),
        chunks: record.chunks(),
        merged_chunks: record.merged_chunks,
        input_tokens: record.prompt_tokens,
        asked_output_tokens: record.asked_tokens,
        reported_input_tokens: record.reported_prompt_tokens,
        reported_output_tokens: record.reported_output_tokens,
        reported_cached_tokens: record.reported_cached_tokens,
        failure: record.failure.as_ref().map(|failure| failure.reason.code()),
        detail: record.failure.as_ref().map(|failure| failure.detail.clone()),
    })
}

/// One JSON object a line, in the order of the plan.
#[must_use]
pub fn lines(measured: &Measured) -> String {
    let mut text = String::new();
    for line in rows(measured) {
        text.push_str(&json!(line).to_string());
        text.push('\n');
    }
    text
}
