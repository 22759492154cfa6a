//! The engine's own metrics during a load, as a history keeps them: gauges and rates over time.

use serde::{Deserialize, Serialize};

use super::records::MOST_SLICES;
use crate::model::count;

/// A sample of an engine's metrics, as a raw result has it in `imax.engine_metrics.samples`. Counters grow from the start of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct EngineReading {
    pub seconds: f64,
    pub running: Option<f64>,
    pub waiting: Option<f64>,
    pub kv_cache_use: Option<f64>,
    pub prefix_queries: Option<f64>,
    pub prefix_hits: Option<f64>,
    pub prefix_hit_rate: Option<f64>,
    pub drafted: Option<f64>,
    pub accepted: Option<f64>,
    pub preemptions: Option<f64>,
}

/// The metrics of a part of a load's time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EngineSlice {
    /// Of its first sample, seconds since the start of the load.
    pub second: f64,
    /// Requests that are executed, mean of the samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<f64>,
    /// Requests in the engine's queue, mean of the samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<f64>,
    /// Part of the KV cache in use, 0 to 1, the highest of the samples: a short peak causes preemptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_use: Option<f64>,
    /// Prompt tokens found in the prefix cache over those looked up since the slice before, 0 to 1. The engine's own rate where it has no
    /// counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_hit_rate: Option<f64>,
    /// Drafted tokens that were accepted over all drafted since the slice before, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceptance_rate: Option<f64>,
    /// Since the slice before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preemptions: Option<f64>,
}

/// Access to a figure of a sample.
type Figure = fn(&EngineReading) -> Option<f64>;

/// At most [`MOST_SLICES`] slices of a series of samples. Samples without a finite time are left out.
#[must_use]
pub fn engine_slices(samples: &[EngineReading]) -> Vec<EngineSlice> {
    let samples: Vec<EngineReading> = samples.iter().copied().filter(|sample| sample.seconds.is_finite()).collect();
    let width = samples.len().div_ceil(MOST_SLICES).max(1);
    let mut before = None;
    let mut slices = Vec::with_capacity(samples.len().div_ceil(width));
    for part in samples.chunks(width) {
        slices.extend(slice(part, before));
        before = part.last();
    }
    slices
}

fn slice(part: &[EngineReading], before: Option<&EngineReading>) -> Option<EngineSlice> {
    let (first, last) = (part.first()?, part.last()?);
    let from = before.unwrap_or(first);
    let hit_rate = share(from, last, |sample| sample.prefix_hits, |sample| sample.prefix_queries);
    // An engine with counters that looked nothing up has no rate; its zero would look like misses.
    let has_counters = last.prefix_queries.is_some();
    Some(EngineSlice {
        second: first.seconds,
        running: mean(part, |sample| sample.running),
        waiting: mean(part, |sample| sample.waiting),
        kv_cache_use: part.iter().filter_map(|sample| sample.kv_cache_use).reduce(f64::max),
        prefix_hit_rate: hit_rate.or_else(|| mean(part, |sample| sample.prefix_hit_rate).filter(|_| !has_counters)),
        acceptance_rate: share(from, last, |sample| sample.accepted, |sample| sample.drafted),
        preemptions: grown(from, last, |sample| sample.preemptions),
    })
}

fn mean(part: &[EngineReading], figure: Figure) -> Option<f64> {
    let values: Vec<f64> = part.iter().filter_map(figure).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len()))
}

/// Growth of a counter. One that shrinks was reset by a restart of the engine.
fn grown(from: &EngineReading, to: &EngineReading, figure: Figure) -> Option<f64> {
    Some(figure(to)? - figure(from)?).filter(|grown| *grown >= 0.0)
}

fn share(from: &EngineReading, to: &EngineReading, part: Figure, whole: Figure) -> Option<f64> {
    Some(grown(from, to, part)? / grown(from, to, whole).filter(|whole| *whole > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(second: u32) -> EngineReading {
        let seconds = f64::from(second);
        EngineReading {
            seconds,
            running: Some(4.0),
            waiting: Some(seconds),
            kv_cache_use: Some(if second.is_multiple_of(2) { 0.25 } else { 0.75 }),
            prefix_queries: Some(100.0 * seconds),
            prefix_hits: Some(25.0 * seconds),
            preemptions: Some(seconds),
            ..EngineReading::default()
        }
    }

    #[test]
    fn counters_become_rates_and_long_series_wider_slices() {
        for (length, expected) in [(0, 0), (1, 1), (600, 600), (601, 301), (3600, 600)] {
            let samples: Vec<EngineReading> = (0..length).map(reading).collect();
            assert_eq!(engine_slices(&samples).len(), expected, "{length}");
        }
        let found = engine_slices(&(0..1200).map(reading).collect::<Vec<_>>());
        let expected = EngineSlice {
            second: 2.0,
            running: Some(4.0),
            waiting: Some(2.5),
            kv_cache_use: Some(0.75),
            prefix_hit_rate: Some(0.25),
            acceptance_rate: None,
            preemptions: Some(2.0),
        };
        assert_eq!(found.get(1), Some(&expected));
    }

    #[test]
    fn rates_without_lookups_and_reset_counters_are_unknown() {
        let restarted = [reading(9), reading(1), reading(1)];
        let found = engine_slices(&restarted);
        let rates: Vec<_> = found.iter().map(|slice| (slice.prefix_hit_rate, slice.preemptions)).collect();
        assert_eq!(rates, [(None, Some(0.0)), (None, None), (None, Some(0.0))]);
        let gauge = EngineReading {
            prefix_hit_rate: Some(0.5),
            ..EngineReading::default()
        };
        assert_eq!(engine_slices(&[gauge]).first().and_then(|slice| slice.prefix_hit_rate), Some(0.5));
        let timeless = EngineReading {
            seconds: f64::NAN,
            ..gauge
        };
        assert_eq!(engine_slices(&[timeless]), []);
    }
}
