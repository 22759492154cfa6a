//! Summary statistics as numpy computes them, because that is what benchmark_serving.py reports: percentiles by
//! linear interpolation between closest ranks, and the standard deviation of the population (divisor n).

use crate::model::count;

/// A summary of one series of values. Every field is 0 for an empty series, as benchmark_serving.py has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// The 50th percentile.
    pub median: f64,
    /// Standard deviation of the population.
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// `(p, value)` for each percentile asked for, in the order asked.
    pub percentiles: Vec<(f64, f64)>,
}

impl Summary {
    /// Summarises the values; sorts them in place. Values must be finite.
    #[must_use]
    pub fn of(values: &mut [f64], percentiles: &[f64]) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self::of_ranks(values.len(), |rank| values[rank], percentiles)
    }

    /// Summarises `number` values by the value of each rank: 0 is the smallest. The values may so be stored in another type.
    pub(super) fn of_ranks(number: usize, value_at: impl Fn(usize) -> f64, percentiles: &[f64]) -> Self {
        let mean = mean_of((0..number).map(&value_at), number);
        Self {
            count: number,
            mean,
            median: percentile_of_ranks(number, &value_at, 50.0),
            std: mean_of((0..number).map(|rank| (value_at(rank) - mean).powi(2)), number).sqrt(),
            min: percentile_of_ranks(number, &value_at, 0.0),
            max: percentile_of_ranks(number, &value_at, 100.0),
            percentiles: percentiles
                .iter()
                .map(|p| (*p, percentile_of_ranks(number, &value_at, *p)))
                .collect(),
        }
    }
}

/// Number of values that a percentile (0 to 100) needs, `100 / (100 - p)`. With fewer, no value lies beyond it, and it is close to the
/// maximum.
#[must_use]
pub fn values_needed(p: f64) -> f64 {
    if p < 100.0 { (100.0 / (100.0 - p)).round() } else { 1.0 }
}

/// The arithmetic mean; 0 for an empty series.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    mean_of(values.iter().copied(), values.len())
}

fn mean_of(values: impl Iterator<Item = f64>, number: usize) -> f64 {
    if number == 0 {
        return 0.0;
    }
    values.sum::<f64>() / count(number)
}

/// The `p`-th percentile (0 to 100) of ascending values, with numpy's default method `linear`; 0 for an empty series.
#[must_use]
pub fn percentile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    percentile_of_ranks(sorted.len(), |rank| sorted[rank], p)
}

fn percentile_of_ranks(number: usize, value_at: impl Fn(usize) -> f64, p: f64) -> f64 {
    let Some(last) = number.checked_sub(1) else {
        return 0.0;
    };
    let rank = (p / 100.0).clamp(0.0, 1.0) * count(last);
    let below = rank.floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank within the slice is a small whole number"
    )]
    let index = (below as usize).min(last);
    let low = value_at(index);
    let high = value_at((index + 1).min(last));
    low + (high - low) * (rank - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values computed once with numpy 2: `np.percentile(x, p)`, `np.std(x)`.
    #[test]
    fn agrees_with_numpy() {
        let mut values = [7.0, 1.0, 3.0, 10.0, 2.5];
        let summary = Summary::of(&mut values, &[0.0, 25.0, 90.0, 99.0, 99.9, 100.0]);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        close(summary.mean, 4.7);
        close(summary.median, 3.0);
        close(summary.std, 3.310_589_071_449_365_3);
        let expected = [1.0, 2.5, 8.8, 9.88, 9.988, 10.0];
        for ((_, found), expected) in summary.percentiles.iter().zip(expected) {
            close(*found, expected);
        }
    }

    #[test]
    fn statistics_of_zero_and_one_values() {
        let nothing = Summary::of(&mut [], &[99.0]);
        assert_eq!((nothing.mean, nothing.std, nothing.percentiles[0].1), (0.0, 0.0, 0.0));
        let one = Summary::of(&mut [4.0], &[99.0]);
        assert_eq!((one.mean, one.median, one.std, one.percentiles[0].1), (4.0, 4.0, 0.0, 4.0));
    }

    #[test]
    fn percentiles_need_values_beyond_them() {
        for (p, needed) in [(0.0, 1.0), (50.0, 2.0), (90.0, 10.0), (99.0, 100.0), (99.9, 1000.0), (100.0, 1.0)] {
            assert!((values_needed(p) - needed).abs() < 1e-9, "{p}");
        }
    }
}
