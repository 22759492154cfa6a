//! The run over time: figures for each second, and the steady state, in which the load was at its plateau. Ramp-up and the end of
//! the run, when fewer requests are in flight, do not show the engine under full load.

use std::ops::Range;

use serde::Serialize;

use super::arrival_bins::ArrivalBins;
use super::record::Record;
use super::stamp::{Stamp, millis};
use crate::model::{count, saturating};

/// One second of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Second {
    /// Number of the second, from 0.
    pub second: usize,
    /// Requests that succeeded in it.
    pub completed: u32,
    /// Requests that failed in it.
    pub failed: u32,
    /// Chunks with tokens that arrived in it.
    pub chunks: u32,
    /// Mean TTFT of the first tokens that arrived in it, milliseconds.
    pub mean_ttft_ms: Option<f64>,
    /// Requests in flight at its end.
    pub in_flight: u32,
}

/// The time during which the load was at its plateau.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SteadyState {
    /// Its start, seconds since the start of the run.
    pub start_s: f64,
    /// Its end, seconds since the start of the run.
    pub end_s: f64,
    /// Requests that succeeded in it, per second.
    pub request_throughput: f64,
    /// Output tokens that arrived in it, per second.
    pub output_throughput: f64,
}

/// The plateau lasts from the first to the last instant at which at least this share of the peak number of requests is in
/// flight.
const PLATEAU_SHARE: f64 = 0.9;
/// Number of the last second; later events are added to it.
const MOST_SECONDS: usize = 24 * 3600;

/// The second of a load in which an instant lies.
fn second_of(at: Stamp, start: Stamp) -> usize {
    saturating::to_usize(at.since(start).as_secs()).min(MOST_SECONDS)
}

/// The figures for each second from `start` to the end of the last request. `folded` has the chunks of folded requests.
#[must_use]
pub fn seconds(records: &[Record], folded: Option<&ArrivalBins>, start: Stamp) -> Vec<Second> {
    let last = records.iter().map(|record| second_of(record.ended, start)).max().unwrap_or(0);
    // Sum (milliseconds) and number of the times to first token in each second.
    let mut ttfts = vec![(0.0, 0); last + 1];
    let mut seconds: Vec<Second> = (0..=last)
        .map(|second| Second {
            second,
            completed: 0,
            failed: 0,
            chunks: 0,
            mean_ttft_ms: None,
            in_flight: 0,
        })
        .collect();
    for record in records {
        let end = second_of(record.ended, start);
        if record.is_success() {
            seconds[end].completed += 1;
        } else {
            seconds[end].failed += 1;
        }
        for second in &mut seconds[second_of(record.sent, start).min(last)..end] {
            second.in_flight += 1;
        }
        if let Some(first) = record.first_token {
            let (sum, number) = &mut ttfts[second_of(first, start).min(last)];
            *sum += millis(first.since(record.sent));
            *number += 1;
        }
        for at in record.kept_arrivals() {
            seconds[second_of(at, start).min(last)].chunks += 1;
        }
    }
    for (second, chunks) in folded.map(ArrivalBins::chunks).unwrap_or_default().iter().enumerate() {
        seconds[second.min(last)].chunks += chunks;
    }
    for (second, (sum, number)) in seconds.iter_mut().zip(ttfts) {
        second.mean_ttft_ms = (number > 0).then(|| sum / count(number));
    }
    seconds
}

/// The steady state; `None` if the plateau has no length. `folded` has the chunks of folded requests.
#[must_use]
pub fn steady_state(records: &[Record], folded: Option<&ArrivalBins>, start: Stamp) -> Option<SteadyState> {
    let (from, to) = plateau(records)?;
    let length = to.since(from).as_secs_f64();
    if length <= 0.0 {
        return None;
    }
    let completed = records
        .iter()
        .filter(|record| record.is_success() && (from..to).contains(&record.ended))
        .count();
    let folded_tokens = folded.map_or(0.0, |bins| bins.tokens_between(from, to));
    let kept_tokens: f64 = records
        .iter()
        .filter(|record| record.is_success())
        .map(|record| tokens_within(record, from..to))
        .sum();
    Some(SteadyState {
        start_s: from.since(start).as_secs_f64(),
        end_s: to.since(start).as_secs_f64(),
        request_throughput: count(completed) / length,
        output_throughput: (kept_tokens + folded_tokens) / length,
    })
}

/// Output tokens of the kept chunks that arrived in a time range.
fn tokens_within(record: &Record, range: Range<Stamp>) -> f64 {
    let chunks = record.kept_arrivals().zip(tokens_of_chunks(record));
    chunks.filter(|(at, _)| range.contains(at)).map(|(_, tokens)| tokens).sum()
}

/// Output tokens of each kept chunk. Without a count for every chunk, the tokens of the response are divided evenly among its chunks.
pub(super) fn tokens_of_chunks(record: &Record) -> impl Iterator<Item = f64> + '_ {
    let share = record
        .reported_output_tokens
        .map_or(1.0, |tokens| f64::from(tokens) / count(record.chunks().max(1)));
    let is_counted = record.has_continuous_usage();
    let counts = std::iter::once(record.first_tokens).chain(record.marks.iter().map(|mark| mark.tokens()));
    counts.map(move |tokens| tokens.filter(|_| is_counted).map_or(share, f64::from))
}

fn plateau(records: &[Record]) -> Option<(Stamp, Stamp)> {
    let starts = records.iter().map(|record| (record.sent, 1_i64));
    let ends = records.iter().map(|record| (record.ended, -1_i64));
    let mut changes: Vec<(Stamp, i64)> = starts.chain(ends).collect();
    // At the same instant, ends (-1) sort before starts: a slot becomes free before it is used again.
    changes.sort_unstable();
    let mut most = 0;
    let mut level = 0;
    let levels: Vec<(Stamp, i64)> = changes
        .into_iter()
        .map(|(at, change)| {
            level += change;
            most = most.max(level);
            (at, level)
        })
        .collect();
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a number of requests")]
    let high = (PLATEAU_SHARE * most as f64).ceil() as i64;
    let first = levels.iter().position(|(_, level)| *level >= high)?;
    let last = levels.iter().rposition(|(_, level)| *level >= high)?;
    // The plateau ends with the change after the last high level.
    let end = levels.get(last + 1)?;
    Some((levels[first].0, end.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::folded::Folded;
    use crate::load::record::ChunkMark;
    use std::time::Duration;

    fn at(ms: u64) -> Stamp {
        Stamp::from_unix_nanos(1_000_000_000_000 + ms * 1_000_000)
    }

    /// Sent at `sent`, then a chunk of two tokens every 100 ms.
    fn record(sent: u64, chunks: u64) -> Record {
        Record {
            index: 0,
            scheduled: at(sent),
            sent: at(sent),
            connect: None,
            first_token: Some(at(sent + 100)),
            first_tokens: Some(2),
            last_token: Some(at(sent + 100 * chunks)),
            ended: at(sent + 100 * chunks),
            marks: (1..chunks).map(|_| ChunkMark::new(Duration::from_millis(100), Some(2))).collect(),
            prompt_tokens: 1,
            asked_tokens: 1,
            reported_prompt_tokens: None,
            reported_output_tokens: None,
            streamed: true,
            ..Record::default()
        }
    }

    #[test]
    fn each_second_has_what_happened_in_it() {
        let seconds = seconds(&[record(0, 15), record(500, 20)], None, at(0));
        assert_eq!(seconds.iter().map(|second| second.chunks).collect::<Vec<_>>(), [13, 16, 6]);
        assert_eq!(seconds.iter().map(|second| second.completed).collect::<Vec<_>>(), [0, 1, 1]);
        assert_eq!(seconds.iter().map(|second| second.in_flight).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!((seconds[0].mean_ttft_ms, seconds[1].mean_ttft_ms), (Some(100.0), None));
    }

    #[test]
    fn the_steady_state_leaves_out_ramp_and_tail() {
        // Two slots: the second starts a second late, the first ends long before the second.
        let records = [record(0, 40), record(1000, 80), record(4000, 10)];
        let steady = steady_state(&records, None, at(0)).unwrap();
        assert_eq!((steady.start_s, steady.end_s), (1.0, 5.0));
        // Twenty tokens a second and slot.
        assert!((steady.output_throughput - 40.0).abs() < 1.0, "{steady:?}");
    }

    #[test]
    fn folded_requests_have_the_timeline_of_kept_ones() {
        let records = [record(0, 40), record(1000, 80), record(4000, 10)];
        let mut folded = Folded::new(at(0));
        let mut folded_records = records.clone();
        for record in &mut folded_records[1..] {
            folded.fold(record, None);
        }
        let bins = Some(&folded.arrivals);
        assert_eq!(seconds(&folded_records, bins, at(0)), seconds(&records, None, at(0)));
        let (found, exact) = (steady_state(&folded_records, bins, at(0)), steady_state(&records, None, at(0)));
        let throughput = |steady: Option<SteadyState>| steady.unwrap().output_throughput;
        assert!((throughput(found) - throughput(exact)).abs() < 0.1);
    }

    #[test]
    fn empty_run_has_no_steady_state() {
        assert_eq!(steady_state(&[], None, at(0)), None);
    }
}
