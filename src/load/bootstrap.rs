//! Confidence intervals of means and medians by the moving-block bootstrap (Künsch, "The jackknife and the bootstrap for general
//! stationary observations", Annals of Statistics 17, 1989). Neighbouring requests share batches and queues, so they are not
//! independent; resampling blocks of consecutive requests preserves their correlation. In a closed loop the requests of one wave
//! share their prefills, so a block is at least a wave long. The spread of a few blocks is itself uncertain, so the interval is
//! widened by the ratio of Student's t to the normal quantile.

use std::cmp::Ordering;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use super::statistics::{mean, percentile_of_sorted};
use crate::model::count;

/// Number of resamples; enough for two significant digits of the bounds.
const RESAMPLES: usize = 500;
/// Minimum number of values: two blocks of two values.
const FEWEST_VALUES: usize = 4;
/// Quantiles of Student's t for two-sided 95% intervals, from one degree of freedom on (Abramowitz and Stegun, table 26.10).
const T95: [f64; 20] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093,
    2.086,
];
/// Quantile of the normal distribution for a two-sided 95% interval.
const Z95: f64 = 1.960;
/// From this many values on, the median of a resample is found by Woodruff's method instead of selection, so a resample costs one
/// step per block instead of one per value.
const MANY_VALUES: usize = 20_000;

/// A 95% confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The intervals of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intervals {
    /// Of the mean.
    pub mean: Interval,
    /// Of the median.
    pub median: Interval,
}

/// The intervals of `values`, in the order of observation; `wave` is the number of requests in flight at once. `None` for fewer
/// than four values. The seed is fixed, so the same values always give the same intervals.
#[must_use]
pub fn intervals(values: &[f64], wave: usize) -> Option<Intervals> {
    if values.len() < FEWEST_VALUES {
        return None;
    }
    if values.len() >= MANY_VALUES {
        return Some(intervals_of_many(values, wave));
    }
    let block = block_length(values.len(), wave);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut means = Vec::with_capacity(RESAMPLES);
    let mut medians = Vec::with_capacity(RESAMPLES);
    let mut sample = Vec::with_capacity(values.len() + block);
    for _ in 0..RESAMPLES {
        sample.clear();
        while sample.len() < values.len() {
            let start = random.random_range(0..=values.len() - block);
            sample.extend_from_slice(&values[start..start + block]);
        }
        sample.truncate(values.len());
        means.push(mean(&sample));
        let middle = sample.len() / 2;
        medians.push(*sample.select_nth_unstable_by(middle, f64::total_cmp).1);
    }
    let widening = widening(values.len() / block);
    Some(Intervals {
        mean: ends(&mut means, widening),
        median: ends(&mut medians, widening),
    })
}

/// [`intervals`] computed from the sums of blocks. The mean of a resample follows from the sums of its blocks. Its median follows
/// from the share of its values below the overall median: if that share exceeds the share among all values by d, the median of the
/// resample is the (0.5 - d) quantile of all values (Woodruff, "Confidence intervals for medians and other position measures", JASA
/// 47, 1952).
fn intervals_of_many(values: &[f64], wave: usize) -> Intervals {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = percentile_of_sorted(&sorted, 50.0);
    let block = block_length(values.len(), wave);
    let number = values.len().div_ceil(block);
    let sums = sums_before(values.iter().copied());
    // Values equal to the median count half as below it and half as above.
    let below = sums_before(values.iter().map(|value| match value.total_cmp(&median) {
        Ordering::Less => 1.0,
        Ordering::Equal => 0.5,
        Ordering::Greater => 0.0,
    }));
    let middle = below.last().copied().unwrap_or(0.0) / count(values.len());
    let drawn = count(number * block);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let (mut means, mut medians) = (Vec::with_capacity(RESAMPLES), Vec::with_capacity(RESAMPLES));
    for _ in 0..RESAMPLES {
        let (mut sum, mut low) = (0.0, 0.0);
        for _ in 0..number {
            let start = random.random_range(0..=values.len() - block);
            sum += sums[start + block] - sums[start];
            low += below[start + block] - below[start];
        }
        means.push(sum / drawn);
        medians.push(percentile_of_sorted(&sorted, 50.0 - 100.0 * (low / drawn - middle)));
    }
    let widening = widening(values.len() / block);
    Intervals {
        mean: ends(&mut means, widening),
        median: ends(&mut medians, widening),
    }
}

/// Prefix sums: the sum of the first n values, for n from 0 to their number.
fn sums_before(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let sums = values.scan(0.0, |sum, value| {
        *sum += value;
        Some(*sum)
    });
    std::iter::once(0.0).chain(sums).collect()
}

/// Block length: the cube root of the number of values, which is the order of magnitude that minimises the error of the variance,
/// but at least a wave and at most half of the values.
fn block_length(values: usize, wave: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cube root of a length")]
    let length = count(values).cbrt().ceil() as usize;
    length.max(wave).clamp(1, (values / 2).max(1))
}

/// Factor by which an interval from n blocks is widened: the ratio of Student's t to the normal quantile, times sqrt(n / (n - 1)),
/// because the bootstrap variance of a mean is (n - 1) / n of the unbiased one.
fn widening(blocks: usize) -> f64 {
    let freedom = blocks.max(2) - 1;
    student_t95(freedom) / Z95 * (count(freedom + 1) / count(freedom)).sqrt()
}

/// The quantile of Student's t for a two-sided 95% interval; for 0 degrees of freedom, the quantile for 1.
#[must_use]
pub fn student_t95(freedom: usize) -> f64 {
    match T95.get(freedom.saturating_sub(1)) {
        Some(tabulated) => *tabulated,
        // Beyond the table, the first term of the expansion (Abramowitz and Stegun 26.7.5) is exact to three digits.
        None => Z95 * (1.0 + (Z95 * Z95 + 1.0) / (4.0 * count(freedom))),
    }
}

/// The 95% percentile interval of the estimates, widened about their median. A positive lower bound stays positive; an interval
/// whose lower bound is not positive is not widened.
fn ends(estimates: &mut [f64], widening: f64) -> Interval {
    estimates.sort_unstable_by(f64::total_cmp);
    let (low, middle, high) = (
        percentile_of_sorted(estimates, 2.5),
        percentile_of_sorted(estimates, 50.0),
        percentile_of_sorted(estimates, 97.5),
    );
    if low <= 0.0 {
        return Interval { low, high };
    }
    // Widened on a logarithmic scale, so a positive bound cannot become negative.
    Interval {
        low: middle * (low / middle).powf(widening),
        high: middle * (high / middle).powf(widening),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(n: usize, seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| random.random::<f64>()).collect()
    }

    #[test]
    fn intervals_cover_the_truth_about_as_often_as_they_say() {
        let covers = |seed: &u64| {
            let found = intervals(&uniform(400, *seed), 1).unwrap().mean;
            found.low <= 0.5 && 0.5 <= found.high
        };
        let covered = (0..100).filter(covers).count();
        assert!((88..=100).contains(&covered), "{covered} of 100");
    }

    #[test]
    fn the_width_is_that_of_theory_for_independent_values() {
        let found = intervals(&uniform(1000, 7), 1).unwrap().mean;
        // The standard deviation of a uniform value is sqrt(1/12).
        let expected = 2.0 * 1.96 * (1.0_f64 / 12.0).sqrt() / 1000.0_f64.sqrt();
        assert!(((found.high - found.low) / expected - 1.0).abs() < 0.15);
    }

    #[test]
    fn correlated_values_have_wider_intervals() {
        let independent = uniform(500, 3);
        let runs: Vec<f64> = uniform(50, 3).into_iter().flat_map(|value| [value; 10]).collect();
        let width = |values: &[f64]| {
            let found = intervals(values, 1).unwrap().mean;
            found.high - found.low
        };
        assert!(width(&runs) > 1.8 * width(&independent));
    }

    /// Four waves of equal requests that differ between waves: four independent values, not forty.
    #[test]
    fn requests_of_one_wave_count_as_one() {
        let waves: Vec<f64> = uniform(4, 5).into_iter().flat_map(|value| [1.0 + value; 10]).collect();
        let width = |wave: usize| {
            let found = intervals(&waves, wave).unwrap().mean;
            found.high / found.low
        };
        assert!(width(10).ln() > 1.5 * width(1).ln(), "{} {}", width(10), width(1));
    }

    /// One slow request of four may be chance, so the interval must be wide.
    #[test]
    fn few_values_have_wide_intervals() {
        let found = intervals(&[3.2, 3.2, 8.0, 3.2], 1).unwrap().mean;
        assert!(found.low < 3.2 && found.high > 8.0, "{found:?}");
        assert_eq!(intervals(&[3.2, 3.2, 8.0], 1), None);
    }

    #[test]
    fn sums_of_blocks_give_the_intervals_of_resampled_values() {
        let skewed: Vec<f64> = uniform(MANY_VALUES - 1, 11).iter().map(|value| -value.ln()).collect();
        let (exact, fast) = (intervals(&skewed, 1).unwrap(), intervals_of_many(&skewed, 1));
        for (exact, fast) in [(exact.mean, fast.mean), (exact.median, fast.median)] {
            let width = exact.high - exact.low;
            assert!((exact.low - fast.low).abs() < 0.1 * width, "{exact:?} {fast:?}");
            assert!((exact.high - fast.high).abs() < 0.1 * width, "{exact:?} {fast:?}");
        }
    }
}
