//! Measurement error of the client on this machine. The times that the client recorded for a load on the built-in engine are
//! compared with the log of the engine. The error of an arrival is the time stamp of the client minus that of the engine, taken
//! just before the engine passed the bytes to the kernel; so it includes the path through the loopback interface.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::request;
use super::settings::REQUEST_ID_PREFIX;
use super::statistics::{Summary, mean};

/// Time to first token of the engine during a calibration.
pub const TTFT: Duration = Duration::from_millis(50);
/// Time between two chunks of a stream during a calibration.
pub const ITL: Duration = Duration::from_millis(10);

/// Median, 90th, 99th percentile and greatest value of an error, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorMs {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Maximum.
    pub max: f64,
}

/// Result of a calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Concurrent streams.
    pub concurrency: u32,
    /// Chunks that were compared.
    pub chunks: usize,
    /// Error of the arrival times of first tokens.
    pub first_token_error_ms: ErrorMs,
    /// Error of the arrival times of all chunks.
    pub chunk_error_ms: ErrorMs,
    /// Standard deviation of the time between two chunks as recorded by the client, minus that in the log of the engine.
    pub itl_std_error_ms: f64,
    /// 99th percentile of the delay with which the engine itself sent a chunk. Above 1 ms the machine was too busy for a
    /// calibration.
    pub engine_late_p99_ms: f64,
    /// CPU time of the client per chunk, microseconds.
    pub cpu_us_per_chunk: f64,
    /// Version of imax that ran the calibration.
    pub version: String,
    /// Time of the calibration, seconds since the Unix epoch.
    pub measured_at_unix: f64,
}

/// A line of the engine's log: one chunk that was sent.
#[derive(Deserialize)]
struct TruthLine {
    request: String,
    token: u32,
    due_unix_ns: u64,
    sent_unix_ns: u64,
}

/// The engine's log cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// A line cannot be parsed: its number, from 1, and the error of the parser.
    #[error("line {0} of the engine's log cannot be read: {1}")]
    Line(usize, String),
    /// No chunk is in both the log and the records.
    #[error("the engine's log and the client's records have no chunk in common")]
    Nothing,
}

/// Compares the records of a load with `truth`, the log of the engine as JSON lines. `cpu_time` is the CPU time of the client
/// during the load.
///
/// # Errors
/// [`CalibrationError`] if the log cannot be used.
pub fn compare(truth: &str, records: &[Record], concurrency: u32, cpu_time: Duration) -> Result<Calibration, CalibrationError> {
    let mut late = Vec::new();
    let sent = read(truth, &mut late)?;
    let (mut first, mut all) = (Vec::new(), Vec::new());
    let (mut true_gaps, mut found_gaps) = (Vec::new(), Vec::new());
    for record in records.iter().filter(|record| record.is_success()) {
        let Some(left) = sent.get(&request::id(REQUEST_ID_PREFIX, record.index)) else {
            continue;
        };
        let arrived: Vec<f64> = record.kept_arrivals().map(|at| nanos(at.unix_nanos())).collect();
        // Chunks can only be paired if both sides have the same number of them.
        if arrived.len() != left.len() {
            continue;
        }
        let errors: Vec<f64> = arrived.iter().zip(left).map(|(arrived, left)| (arrived - left) / 1e6).collect();
        first.extend(errors.first().copied());
        all.extend(errors);
        found_gaps.extend(arrived.windows(2).map(|pair| (pair[1] - pair[0]) / 1e6));
        true_gaps.extend(left.windows(2).map(|pair| (pair[1] - pair[0]) / 1e6));
    }
    if all.is_empty() {
        return Err(CalibrationError::Nothing);
    }
    let chunks = all.len();
    Ok(Calibration {
        concurrency,
        chunks,
        first_token_error_ms: spread(&mut first),
        chunk_error_ms: spread(&mut all),
        itl_std_error_ms: Summary::of(&mut found_gaps, &[]).std - Summary::of(&mut true_gaps, &[]).std,
        engine_late_p99_ms: spread(&mut late).p99,
        cpu_us_per_chunk: cpu_time.as_secs_f64() * 1e6 / crate::model::count(chunks),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        measured_at_unix: mean(&records.iter().map(|record| record.ended.unix_seconds()).collect::<Vec<_>>()),
    })
}

/// The send time of each chunk by request id, nanoseconds. The delay of each chunk against its due time is appended to `late`,
/// milliseconds.
fn read(truth: &str, late: &mut Vec<f64>) -> Result<HashMap<String, Vec<f64>>, CalibrationError> {
    let mut sent: HashMap<String, Vec<f64>> = HashMap::new();
    for (line, number) in truth.lines().zip(1..) {
        let line: TruthLine = serde_json::from_str(line).map_err(|error| CalibrationError::Line(number, error.to_string()))?;
        late.push((nanos(line.sent_unix_ns) - nanos(line.due_unix_ns)) / 1e6);
        let tokens = sent.entry(line.request).or_default();
        // A probe before the load may have used the same request id; only the later request is compared.
        if line.token == 1 {
            tokens.clear();
        }
        tokens.push(nanos(line.sent_unix_ns));
    }
    Ok(sent)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "present instants are exact to a quarter of a microsecond as f64"
)]
fn nanos(instant: u64) -> f64 {
    instant as f64
}

fn spread(values: &mut [f64]) -> ErrorMs {
    let summary = Summary::of(values, &[90.0, 99.0]);
    let mut percentiles = summary.percentiles.iter().map(|(_, value)| *value);
    ErrorMs {
        p50: summary.median,
        p90: percentiles.next().unwrap_or_default(),
        p99: percentiles.next().unwrap_or_default(),
        max: summary.max,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::record::ChunkMark;
    use crate::load::stamp::Stamp;

    #[test]
    fn the_error_is_the_clients_instant_less_the_true_one() {
        const BASE: u64 = 1_700_000_000_000_000_000;
        let mut truth = String::new();
        let mut records = Vec::new();
        for index in 0..3_u64 {
            for token in 1..=4_u64 {
                let due = BASE + index * 1_000_000 + token * 10_000_000;
                // The engine is 0.25 ms late with each.
                truth.push_str(&format!(
                    "{{\"request\":\"imax-{index}\",\"received_unix_ns\":1,\"token\":{token},\"due_unix_ns\":{due},\"sent_unix_ns\":{}}}\n",
                    due + 250_000
                ));
            }
            // The client sees each half a millisecond after it left.
            let first = Stamp::from_unix_nanos(BASE + index * 1_000_000 + 10_750_000);
            records.push(Record {
                index: u32::try_from(index).unwrap(),
                first_token: Some(first),
                last_token: Some(first.after(3 * ITL)),
                marks: vec![ChunkMark::new(ITL, Some(1)); 3],
                ..Record::default()
            });
        }
        let found = compare(&truth, &records, 3, Duration::from_micros(60)).unwrap();
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 0.001, "{found} is not {expected}");
        assert_eq!(found.chunks, 12);
        close(found.first_token_error_ms.p50, 0.5);
        close(found.chunk_error_ms.max, 0.5);
        close(found.engine_late_p99_ms, 0.25);
        close(found.itl_std_error_ms, 0.0);
        close(found.cpu_us_per_chunk, 5.0);
        assert_eq!(compare("", &records, 3, ITL), Err(CalibrationError::Nothing));
        assert!(matches!(compare("x", &records, 3, ITL), Err(CalibrationError::Line(1, _))));
    }
}
