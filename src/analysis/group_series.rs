//! Several points of a run as one value: the geometric mean over the points that runs have in common, and the throughput of a curve at an
//! interactivity.

use std::collections::{BTreeMap, BTreeSet};

use super::pareto::{FrontierReading, Place, frontier, read_at};
use crate::model::PointKey;
use crate::model::count;

/// The share of a group's runs that must have measured a point for it to count as common. A run without one of these points is a gap: its
/// mean would be of other points.
const COMMON: f64 = 0.9;

/// The points of a group that one run measured.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRun {
    pub run: i64,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    pub points: BTreeMap<PointKey, GroupPoint>,
}

/// What is needed of a point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroupPoint {
    pub value: Option<f64>,
    /// The relative half width of the value's 95 % interval.
    pub reach: Option<f64>,
    pub interactivity: Option<f64>,
    pub throughput: Option<f64>,
}

/// The value of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupValue {
    pub run: i64,
    pub started_ms: i64,
    /// Absent for a gap.
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Points that it is made of.
    pub points: usize,
    /// Common points that the run did not measure.
    pub missing: usize,
    pub reading: Reading,
}

/// How a value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Measured,
    /// On the straight line between two measured points.
    Between,
    /// Above the largest interactivity that was measured.
    Unreachable,
    /// Below the least.
    BelowMeasured,
    /// The run lacks common points.
    Incomplete,
}

impl Reading {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Between => "between",
            Self::Unreachable => "unreachable",
            Self::BelowMeasured => "below-measured",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The points that at least nine of ten runs measured.
#[must_use]
pub fn common_points(runs: &[GroupRun]) -> BTreeSet<PointKey> {
    let mut counts: BTreeMap<&PointKey, usize> = BTreeMap::new();
    for run in runs {
        for (key, point) in &run.points {
            *counts.entry(key).or_default() += usize::from(point.value.is_some_and(|value| value > 0.0));
        }
    }
    let enough = (count(runs.len()) * COMMON).max(1.0);
    let common = counts.into_iter().filter(|(_, runs)| count(*runs) >= enough);
    common.map(|(key, _)| key.clone()).collect()
}

/// The geometric mean of each run over the common points.
#[must_use]
pub fn geometric_means(runs: &[GroupRun]) -> Vec<GroupValue> {
    let common = common_points(runs);
    runs.iter().map(|run| geometric_mean(run, &common)).collect()
}

fn geometric_mean(run: &GroupRun, common: &BTreeSet<PointKey>) -> GroupValue {
    let found: Vec<(f64, Option<f64>)> = common
        .iter()
        .filter_map(|key| run.points.get(key))
        .filter_map(|point| point.value.filter(|value| *value > 0.0).map(|value| (value, point.reach)))
        .collect();
    let missing = common.len() - found.len();
    let is_whole = missing == 0 && !found.is_empty();
    let mean = (found.iter().map(|(value, _)| value.ln()).sum::<f64>() / count(found.len())).exp();
    // The noise of the points, which are measured one after another, is independent.
    let squares: Option<f64> = found.iter().map(|(_, reach)| reach.map(|reach| reach * reach)).sum();
    let reach = squares.map(|squares| squares.sqrt() / count(found.len())).filter(|_| is_whole);
    GroupValue {
        run: run.run,
        started_ms: run.started_ms,
        value: is_whole.then_some(mean),
        low: reach.map(|reach| mean * (-reach).exp()),
        high: reach.map(|reach| mean * reach.exp()),
        points: found.len(),
        missing,
        reading: if is_whole { Reading::Measured } else { Reading::Incomplete },
    }
}

/// The throughput of each run's frontier at an interactivity. Nothing is extrapolated: where a frontier does not reach there is a gap.
#[must_use]
pub fn at_interactivity(runs: &[GroupRun], interactivity: f64) -> Vec<GroupValue> {
    runs.iter().filter_map(|run| read_run(run, interactivity)).collect()
}

fn read_run(run: &GroupRun, interactivity: f64) -> Option<GroupValue> {
    let place = |point: &GroupPoint| {
        Some(Place {
            interactivity: point.interactivity?,
            throughput: point.throughput?,
        })
    };
    let places: Vec<Place> = run.points.values().filter_map(place).collect();
    let (value, low, high, reading) = match read_at(&frontier(&places), interactivity)? {
        FrontierReading::Measured(value) => (Some(value), None, None, Reading::Measured),
        FrontierReading::Between { throughput, left, right } => {
            (Some(throughput), Some(right.throughput), Some(left.throughput), Reading::Between)
        }
        FrontierReading::Unreachable => (None, None, None, Reading::Unreachable),
        FrontierReading::BelowMeasured => (None, None, None, Reading::BelowMeasured),
    };
    Some(GroupValue {
        run: run.run,
        started_ms: run.started_ms,
        value,
        low,
        high,
        points: places.len(),
        missing: 0,
        reading,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    fn key(conc: u32) -> PointKey {
        let key = json!({
            "curve": {
                "model-prefix": "demo", "precision": "fp8", "runner": "h200", "framework": "vllm", "spec-decoding": "none", "disagg": false,
                "workload": { "fixed-seq-len": { "isl": 1024, "osl": 1024 } }, "layout": "tp4"
            },
            "conc": conc
        });
        serde_json::from_value(key).unwrap()
    }

    /// A run with values of points by concurrency.
    fn run(run: i64, points: &[(u32, f64)]) -> GroupRun {
        let point = |(conc, value): &(u32, f64)| {
            let point = GroupPoint {
                value: Some(*value),
                reach: Some(0.03),
                ..GroupPoint::default()
            };
            (key(*conc), point)
        };
        GroupRun {
            run,
            started_ms: run * 1000,
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn mean_is_over_the_points_that_runs_have_in_common() {
        let mut runs: Vec<GroupRun> = (1..=9).map(|number| run(number, &[(4, 100.0), (8, 400.0)])).collect();
        // A part of a sweep, and a point that is new.
        runs.push(run(10, &[(4, 90.0), (16, 800.0)]));
        let means = geometric_means(&runs);
        assert_eq!(common_points(&runs), BTreeSet::from([key(4), key(8)]));
        assert!((means[0].value.unwrap() - 200.0).abs() < 1e-9);
        let reach = 0.03 * 2.0_f64.sqrt() / 2.0;
        assert!((means[0].low.unwrap() - 200.0 * (-reach).exp()).abs() < 1e-9);
        assert_eq!((means[0].points, means[0].missing, means[0].reading), (2, 0, Reading::Measured));
        assert_eq!(
            (means[9].value, means[9].low, means[9].missing, means[9].reading),
            (None, None, 1, Reading::Incomplete)
        );
    }

    #[test]
    fn what_has_no_logarithm_is_not_measured() {
        let runs = [run(1, &[(4, 0.0)]), run(2, &[(4, -1.0)]), run(3, &[])];
        assert_eq!(geometric_means(&[]), []);
        let means = geometric_means(&runs);
        assert_eq!(means.iter().map(|mean| mean.value).collect::<Vec<_>>(), [None, None, None]);
    }

    #[test]
    fn curves_are_read_between_measured_points_only() {
        let point = |interactivity, throughput| GroupPoint {
            interactivity: Some(interactivity),
            throughput: Some(throughput),
            ..GroupPoint::default()
        };
        let points = BTreeMap::from([
            (key(4), point(80.0, 500.0)),
            (key(8), point(60.0, 700.0)),
            (key(16), GroupPoint::default()),
        ]);
        let runs = [
            GroupRun {
                run: 1,
                started_ms: 0,
                points,
            },
            GroupRun {
                run: 2,
                started_ms: 0,
                points: BTreeMap::new(),
            },
        ];
        for (at, expected) in [
            (80.0, (Some(500.0), Reading::Measured)),
            (70.0, (Some(600.0), Reading::Between)),
            (81.0, (None, Reading::Unreachable)),
            (50.0, (None, Reading::BelowMeasured)),
        ] {
            let found = at_interactivity(&runs, at);
            assert_eq!(found.len(), 1, "a run without places says nothing");
            assert_eq!((found[0].value, found[0].reading), expected, "{at}");
        }
        assert_eq!(
            (at_interactivity(&runs, 70.0)[0].low, at_interactivity(&runs, 70.0)[0].high),
            (Some(500.0), Some(700.0))
        );
    }
}
