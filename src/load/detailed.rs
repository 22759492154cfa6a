//! Per-request results: the arrays of benchmark_serving.py's `--save-detailed` (times in seconds), and JSON lines with the time
//! stamps of each request. Both are written as a stream, because those of a long run do not fit in memory.

use std::fmt;
use std::io;

use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::folded::Digest;
use super::measured::Measured;
use super::metrics::{Metrics, TokenCounts};
use super::record::{ChunkMark, Record};
use super::stamp::millis;

/// Storage for the chunks of folded requests (see [`super::folded`]).
pub trait ChunkStore: fmt::Debug + Send + Sync {
    /// The chunks after the first of request number `index`; empty if it has none.
    ///
    /// # Errors
    /// The error of writing or reading the chunks.
    fn chunks(&self, index: u32) -> io::Result<Vec<ChunkMark>>;
}

/// A result with the arrays that benchmark_serving.py adds to it, except the texts, which are not kept. A failed request has
/// zeros, an empty list, and its error.
pub struct DetailedResult<'a> {
    /// The keys that precede the arrays.
    pub result: &'a Map<String, Value>,
    /// The run.
    pub measured: &'a Measured,
}

impl Serialize for DetailedResult<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let measured = self.measured;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.result {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("input_lens", &Column(measured, |record| record.prompt_tokens))?;
        map.serialize_entry("output_lens", &Column(measured, output_tokens))?;
        map.serialize_entry("ttfts", &Column(measured, ttft_s))?;
        map.serialize_entry("itls", &Itls(measured))?;
        map.serialize_entry("errors", &Column(measured, error))?;
        if measured.settings.server_count() > 1 {
            map.serialize_entry("servers", &Column(measured, |record| record.server))?;
        }
        map.end()
    }
}

/// One value of each request, in the order of the plan.
struct Column<'a, T>(&'a Measured, fn(&Record) -> T);

impl<T: Serialize> Serialize for Column<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.run.records.iter().map(self.1))
    }
}

fn output_tokens(record: &Record) -> u32 {
    let total = record.digest.unwrap_or_else(|| Digest::of(record)).total_tokens;
    if record.is_success() { total } else { 0 }
}

fn ttft_s(record: &Record) -> f64 {
    if !record.is_success() {
        return 0.0;
    }
    let digest = record.digest.unwrap_or_else(|| Digest::of(record));
    Metrics::of_one(record, &digest).ttft_ms.first().map_or(0.0, |ms| ms / 1e3)
}

fn error(record: &Record) -> String {
    record.failure.as_ref().map_or_else(String::new, ToString::to_string)
}

/// The times between the tokens of each request, seconds.
struct Itls<'a>(&'a Measured);

impl Serialize for Itls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let run = &self.0.run;
        let mut requests = serializer.serialize_seq(Some(run.records.len()))?;
        for record in &run.records {
            let stored = match (&run.chunk_store, record.digest) {
                (Some(store), Some(_)) => Some(store.chunks(record.index).map_err(S::Error::custom)?),
                (Some(_) | None, _) => None,
            };
            requests.serialize_element(&itls_s(record, stored))?;
        }
        requests.end()
    }
}

/// The times between the tokens of a request. `stored` has the chunks of a folded request.
fn itls_s(record: &Record, stored: Option<Vec<ChunkMark>>) -> Vec<f64> {
    if !record.is_success() {
        return Vec::new();
    }
    let unfolded;
    let record = match stored {
        None => record,
        Some(marks) => {
            unfolded = Record {
                marks,
                digest: None,
                ..record.clone()
            };
            &unfolded
        }
    };
    TokenCounts::of(record, None).itl_ms(record).map(|ms| ms / 1e3).collect()
}

/// One request. Instants are nanoseconds since the Unix epoch.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub request: String,
    /// Number of the server, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<usize>,
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

impl Line {
    pub(super) fn of(measured: &Measured, record: &Record) -> Self {
        Self {
            request: super::request::id(&measured.settings.request_id_prefix, record.index),
            server: (measured.settings.server_count() > 1).then_some(record.server),
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
        }
    }
}

/// Writes one JSON object a line, in the order of the plan.
///
/// # Errors
/// The writer's.
pub fn write_lines(measured: &Measured, mut out: impl io::Write) -> io::Result<()> {
    for record in &measured.run.records {
        serde_json::to_writer(&mut out, &Line::of(measured, record))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
