//! Where the level of a history changed: PELT (Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a
//! linear computational cost", Journal of the American Statistical Association 107, 2012), with the squared distance from the
//! mean as the cost of a segment. It finds the optimal segmentation, so it finds a slow drift, which looks like several small steps, as
//! well as one large step.

use super::{Noise, student_quantile, student_two_sided};
use crate::model::count;

/// The fewest runs of a level: fewer are outliers.
const SHORTEST: usize = 3;

/// The reduction of the squared distance that a change point must achieve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty(f64);

impl Penalty {
    /// The penalty that noise alone exceeds with a probability of at most `alpha` anywhere in `histories` histories of this length: a
    /// false change point would have to pass a test at `alpha / (histories * length)`. `None` if the total squared distance is smaller
    /// than the penalty, so that no change point is possible; this is quick to find, and true for most histories.
    #[must_use]
    pub fn new(values: &[f64], noise: Noise, alpha: f64, histories: usize) -> Option<Self> {
        let tests = count(histories.max(1)) * count(values.len().max(1));
        let all = Costs::of(values).segment(0, values.len());
        if student_two_sided(all.sqrt() / noise.sd, noise.df) > alpha / tests {
            return None;
        }
        let critical = student_quantile(alpha / tests, noise.df);
        Some(Self((noise.sd * critical).powi(2)))
    }
}

/// The indices at which a new level begins, ascending, never 0.
#[must_use]
pub fn change_points(values: &[f64], penalty: Penalty) -> Vec<usize> {
    let costs = Costs::of(values);
    // For each end: the least cost of all segmentations up to it, and the start of the best one's last segment.
    let mut best = vec![(f64::INFINITY, 0); values.len() + 1];
    best[0] = (-penalty.0, 0);
    let mut starts = vec![Start {
        at: 0,
        dropped_from: usize::MAX,
    }];
    for end in SHORTEST..=values.len() {
        starts.retain(|start| start.dropped_from > end);
        let cost = |start: &Start| best[start.at].0 + costs.segment(start.at, end);
        let totals = starts.iter().map(|start| (cost(start) + penalty.0, start.at));
        let Some(found) = totals.min_by(|left, right| left.0.total_cmp(&right.0)) else {
            continue;
        };
        for start in &mut starts {
            if cost(start) >= found.0 {
                start.dropped_from = start.dropped_from.min(end + SHORTEST);
            }
        }
        best[end] = found;
        let next = end + 1 - SHORTEST;
        if next >= SHORTEST {
            starts.push(Start {
                at: next,
                dropped_from: usize::MAX,
            });
        }
    }
    let mut found = Vec::new();
    let mut end = values.len();
    while end > 0 {
        end = best[end].1;
        if end > 0 {
            found.push(end);
        }
    }
    found.reverse();
    found
}

/// Possible starts of the last segment (the pruning of PELT). A start that costs more than a change at some `end` even without the
/// penalty can never become optimal again, but only once a segment that begins at that end is long enough.
struct Start {
    at: usize,
    dropped_from: usize,
}

/// Sums from which the cost of any segment follows at once.
struct Costs {
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Costs {
    fn of(values: &[f64]) -> Self {
        // Relative to the first value: squares of large numbers would lose the differences to rounding.
        let origin = values.first().copied().unwrap_or(0.0);
        let running_sums = |value: &dyn Fn(f64) -> f64| {
            let mut sum = 0.0;
            let sums = values.iter().map(|each| {
                sum += value(each - origin);
                sum
            });
            std::iter::once(0.0).chain(sums).collect::<Vec<f64>>()
        };
        Self {
            sums: running_sums(&|value| value),
            squares: running_sums(&|value| value * value),
        }
    }

    /// The squared distances of the values from their mean.
    fn segment(&self, start: usize, end: usize) -> f64 {
        let sum = self.sums[end] - self.sums[start];
        self.squares[end] - self.squares[start] - sum * sum / count((end - start).max(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    /// Annual flow of the Nile at Aswan, 1871 to 1970, 10^8 m³ (Cobb, "The problem of the Nile", Biometrika 65, 1978).
    const NILE: [f64; 100] = [
        1120.0, 1160.0, 963.0, 1210.0, 1160.0, 1160.0, 813.0, 1230.0, 1370.0, 1140.0, 995.0, 935.0, 1110.0, 994.0, 1020.0, 960.0, 1180.0,
        799.0, 958.0, 1140.0, 1100.0, 1210.0, 1150.0, 1250.0, 1260.0, 1220.0, 1030.0, 1100.0, 774.0, 840.0, 874.0, 694.0, 940.0, 833.0,
        701.0, 916.0, 692.0, 1020.0, 1050.0, 969.0, 831.0, 726.0, 456.0, 824.0, 702.0, 1120.0, 1100.0, 832.0, 764.0, 821.0, 768.0, 845.0,
        864.0, 862.0, 698.0, 845.0, 744.0, 796.0, 1040.0, 759.0, 781.0, 865.0, 845.0, 944.0, 984.0, 897.0, 822.0, 1010.0, 771.0, 676.0,
        649.0, 846.0, 812.0, 742.0, 801.0, 1040.0, 860.0, 874.0, 848.0, 890.0, 744.0, 749.0, 838.0, 1050.0, 918.0, 986.0, 797.0, 923.0,
        975.0, 815.0, 1020.0, 906.0, 901.0, 1170.0, 912.0, 746.0, 919.0, 718.0, 714.0, 740.0,
    ];

    /// The literature since Cobb finds one change, after 1898, when construction of the dam began.
    #[test]
    fn nile_series_changes_after_1898() {
        let noise = Noise::of_history(&NILE).unwrap();
        let penalty = Penalty::new(&NILE, noise, 0.05, 1).unwrap();
        assert_eq!(change_points(&NILE, penalty), [28]);
        assert!(change_points(&NILE[28..], penalty).is_empty(), "the level is constant since");
        assert_eq!(Penalty::new(&NILE[..8], noise, 0.05, 1000), None, "no change can reach the penalty");
    }

    /// The best segmentation by trying all of them.
    fn by_hand(values: &[f64], penalty: f64) -> f64 {
        let costs = Costs::of(values);
        let mut best = vec![f64::INFINITY; values.len() + 1];
        best[0] = -penalty;
        for end in SHORTEST..=values.len() {
            for start in 0..=end - SHORTEST {
                best[end] = best[end].min(best[start] + costs.segment(start, end) + penalty);
            }
        }
        best[values.len()]
    }

    #[test]
    fn pruned_search_finds_the_optimum() {
        for scale in [3_000.0, 30_000.0, 100_000.0] {
            for offset in 0..20 {
                let values = &NILE[offset..offset + 60];
                let found = change_points(values, Penalty(scale));
                let costs = Costs::of(values);
                let edges: Vec<usize> = std::iter::once(0).chain(found.iter().copied()).chain([values.len()]).collect();
                let cost: f64 = edges.windows(2).map(|edge| costs.segment(edge[0], edge[1])).sum();
                let total = cost + scale * count(found.len());
                assert!((total - by_hand(values, scale)).abs() < 1e-6, "{offset} {scale}: {found:?}");
            }
        }
    }

    #[test]
    fn short_histories_have_no_change_point() {
        for length in 0..2 * SHORTEST {
            assert!(change_points(&NILE[..length], Penalty(1.0)).is_empty(), "{length}");
        }
    }
}
