//! The levels of a series: the stretches between which its level changed, with the noise around each. A store keeps them, so that a chart needs
//! no search, with the version of the method, so that a later method does not pass for this one.

use serde::{Deserialize, Serialize};

use super::shifts::{LEAST_NOISE, steps_of};
use super::statistics::{Noise, mean};
use crate::model::Metric;

/// The method of [`levels`]: change points by PELT over logarithms, noise by successive differences. Raised when its results change.
pub const LEVEL_METHOD: &str = "pelt-1";

/// A value of a series, and the run that measured it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    pub run: i64,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    /// In the metric's unit; above zero.
    pub value: f64,
}

/// A stretch without a change of the level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The first and the last run.
    pub from_run: i64,
    pub to_run: i64,
    /// When they were measured, milliseconds since 1970.
    pub from_ms: i64,
    pub to_ms: i64,
    pub runs: usize,
    /// The geometric mean, in the metric's unit.
    pub mean: f64,
    /// The standard deviation between runs as a part of the mean, of the whole series; absent for fewer than two runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
}

/// The levels of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricLevels {
    pub metric: Metric,
    pub levels: Vec<Level>,
}

/// The levels of readings, oldest first. `series` is the number of series that are searched together: a change that is found by chance must be
/// rare among all of them.
#[must_use]
pub fn levels(readings: &[Reading], series: usize) -> Vec<Level> {
    let values: Vec<f64> = readings.iter().map(|reading| reading.value.ln()).collect();
    let steps = steps_of(&values, series).unwrap_or_default();
    let sd = Noise::of_history(&values).map(|noise| noise.at_least(LEAST_NOISE).sd);
    let edges: Vec<usize> = std::iter::once(0).chain(steps).chain([values.len()]).collect();
    let stretches = edges.windows(2).filter_map(|edge| {
        let [from, to] = *edge else { return None };
        let (first, last) = (readings.get(from)?, readings.get(to.checked_sub(1)?)?);
        Some(Level {
            from_run: first.run,
            to_run: last.run,
            from_ms: first.started_ms,
            to_ms: last.started_ms,
            runs: to - from,
            mean: mean(values.get(from..to)?)?.exp(),
            sd,
        })
    });
    stretches.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: &[f64]) -> Vec<Reading> {
        let reading = |(run, value): (i64, &f64)| Reading {
            run,
            started_ms: run * 86_400_000,
            value: *value,
        };
        (1..).zip(values).map(reading).collect()
    }

    #[test]
    fn levels_begin_where_the_level_changed() {
        let found = levels(
            &readings(&[100.0, 101.0, 99.0, 100.0, 101.0, 100.0, 120.0, 121.0, 119.0, 120.0, 121.0, 120.0]),
            10,
        );
        let stretches: Vec<(i64, i64, usize, f64)> = found
            .iter()
            .map(|level| (level.from_run, level.to_run, level.runs, level.mean.round()))
            .collect();
        assert_eq!(stretches, [(1, 6, 6, 100.0), (7, 12, 6, 120.0)]);
    }

    #[test]
    fn short_series_are_one_level() {
        assert_eq!(levels(&[], 10), []);
        let one = levels(&readings(&[50.0]), 10);
        assert_eq!((one.len(), one[0].runs, one[0].sd), (1, 1, None));
        let two = levels(&readings(&[50.0, 100.0]), 10);
        assert_eq!((two.len(), two[0].runs, two[0].sd.is_some()), (1, 2, true));
    }
}
