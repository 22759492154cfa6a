//! Confidence intervals of means and medians by the moving-block bootstrap (Künsch, "The jackknife and the bootstrap for
//! general stationary observations", Annals of Statistics 17, 1989). Neighbouring requests share batches and queues, so they
//! are not independent; resampling whole runs of neighbours keeps what they share.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use super::statistics::{count, mean, percentile_of_sorted};

/// Resamples: enough for two digits of an interval's ends.
const RESAMPLES: usize = 500;
/// Below this many values an interval would promise more than it knows.
const FEWEST_VALUES: usize = 20;

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

/// The intervals of values in the order in which they were observed; `None` where there are too few. The seed is fixed,
/// so the same values always give the same intervals.
#[must_use]
pub fn intervals(values: &[f64]) -> Option<Intervals> {
    if values.len() < FEWEST_VALUES {
        return None;
    }
    let block = block_length(values.len());
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
    Some(Intervals {
        mean: ends(&mut means),
        median: ends(&mut medians),
    })
}

/// The cube root of the number of values, the order of magnitude that minimises the error of the variance.
fn block_length(values: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cube root of a length")]
    let length = count(values).cbrt().ceil() as usize;
    length.clamp(1, values)
}

fn ends(estimates: &mut [f64]) -> Interval {
    estimates.sort_unstable_by(f64::total_cmp);
    Interval {
        low: percentile_of_sorted(estimates, 2.5),
        high: percentile_of_sorted(estimates, 97.5),
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
            let found = intervals(&uniform(400, *seed)).unwrap().mean;
            found.low <= 0.5 && 0.5 <= found.high
        };
        let covered = (0..100).filter(covers).count();
        assert!((88..=100).contains(&covered), "{covered} of 100");
    }

    #[test]
    fn the_width_is_that_of_theory_for_independent_values() {
        let found = intervals(&uniform(1000, 7)).unwrap().mean;
        // The standard deviation of a uniform value is sqrt(1/12).
        let expected = 2.0 * 1.96 * (1.0_f64 / 12.0).sqrt() / 1000.0_f64.sqrt();
        assert!(((found.high - found.low) / expected - 1.0).abs() < 0.15);
    }

    #[test]
    fn correlated_values_have_wider_intervals() {
        let independent = uniform(500, 3);
        let runs: Vec<f64> = uniform(50, 3).into_iter().flat_map(|value| [value; 10]).collect();
        let width = |values: &[f64]| {
            let found = intervals(values).unwrap().mean;
            found.high - found.low
        };
        assert!(width(&runs) > 1.8 * width(&independent));
    }

    #[test]
    fn few_values_have_no_confidence_interval() {
        assert_eq!(intervals(&uniform(19, 1)), None);
    }
}
