//! Pairs the points of two raw results. A raw result does not contain the requested load, only its outcome: engine names and mean
//! prompt lengths differ between runs of the same load, so keys are not compared exactly.

use super::Run;
use crate::model::{PointKey, Workload};
use crate::result::UNKNOWN;

/// The tolerated difference of mean lengths, as a fraction of the first's.
const SAME_LENGTHS: f64 = 0.1;

/// Gives each point in `other` the key of the point in `run` that it repeats, if exactly one has the same concurrency or rate and about
/// the same lengths. Points with a matrix row keep their key.
pub fn pair_raw_points(run: &Run, other: &mut Run) {
    let taken: Vec<PointKey> = other.points.iter().map(|point| point.key.clone()).collect();
    for point in &mut other.points {
        if !is_raw(&point.key) || run.point(&point.key).is_some() {
            continue;
        }
        let free = run.points.iter().map(|point| &point.key).filter(|key| !taken.contains(key));
        let mut same = free.filter(|key| is_raw(key) && is_same_case(key, &point.key));
        if let (Some(key), None) = (same.next(), same.next()) {
            point.key = key.clone();
        }
    }
    other.points.sort_by(|left, right| left.key.cmp(&right.key));
}

fn is_raw(key: &PointKey) -> bool {
    key.curve.runner.as_str() == UNKNOWN && key.curve.precision.as_str() == UNKNOWN
}

fn is_same_case(left: &PointKey, right: &PointKey) -> bool {
    let rates = (rate(left), rate(right));
    let is_same_load = match rates {
        (None, None) => left.conc == right.conc,
        // At a rate, the concurrency is an outcome of the load, so it is not compared.
        (Some(left), Some(right)) => left == right,
        (Some(_), None) | (None, Some(_)) => false,
    };
    // A profiled result does not measure the unprofiled engine.
    let is_same_way = left.curve.is_profiled() == right.curve.is_profiled();
    is_same_load && is_same_way && are_near(left.curve.workload, right.curve.workload)
}

/// The rate of a load in the engine's name, as raw points have it.
fn rate(key: &PointKey) -> Option<&str> {
    key.curve.framework.as_str().split_once(" at ").map(|(_, rate)| rate)
}

fn are_near(left: Workload, right: Workload) -> bool {
    let (Workload::FixedSeqLen(left), Workload::FixedSeqLen(right)) = (left, right) else {
        return left == right;
    };
    [(left.isl, right.isl), (left.osl, right.osl)].iter().all(|(left, right)| {
        let (left, right) = (f64::from(left.get()), f64::from(right.get()));
        (left - right).abs() <= (left * SAME_LENGTHS).max(1.0)
    })
}
