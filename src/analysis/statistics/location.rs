//! The location (centre) of a few measurements whose noise has the tails of Student's t: outliers weigh less, so that one stall among
//! five measurements does not move the result. For normal noise it is the mean.

use crate::model::count;

/// The most rounds of reweighting; each more than halves the step.
const ROUNDS: usize = 20;
/// The iteration ends at a step of less than this fraction of the scale.
const CLOSE: f64 = 1e-7;

/// The maximum-likelihood location of values with t noise of this scale, by iteratively reweighted least squares from the median on
/// (Lange, Little and Taylor 1989). 0 without values.
#[must_use]
pub fn location(values: &[f64], scale: f64, df: f64) -> f64 {
    let mut middle = median(values);
    for _ in 0..ROUNDS {
        let weights = values.iter().map(|value| 1.0 / (1.0 + ((value - middle) / scale).powi(2) / df));
        let (sum, total) = values
            .iter()
            .zip(weights)
            .fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + weight * value, total + weight));
        if total <= 0.0 {
            break;
        }
        let step = sum / total - middle;
        middle += step;
        if step.abs() < CLOSE * scale {
            break;
        }
    }
    middle
}

/// The variance of [`location`] in units of the squared scale: 1 for one value. Of many, each has (df + 1) / (df + 3) of the Fisher
/// information of a normal value (op. cit.).
#[must_use]
pub fn location_variance(values: usize, df: f64) -> f64 {
    let n = count(values.max(1));
    (1.0 + 2.0 / (df + 1.0) * (1.0 - 1.0 / n)) / n
}

/// The degrees of freedom of [`location`]. More than half of the values must be outliers to move it far, which multiplies the exponent
/// of its tails by that number. Simulations confirm it for the numbers of measurements that comparisons have.
#[must_use]
pub fn location_df(values: usize, df: f64) -> f64 {
    df * count(values.div_ceil(2).max(1))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2);
    lower.zip(upper).map_or(0.0, |(lower, upper)| f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::statistics::simulated::Random;

    #[test]
    fn one_far_value_hardly_moves_the_middle() {
        let values = [1.0, 1.1, 0.9, 1.05, 9.0];
        assert!(
            (location(&values, 0.1, f64::INFINITY) - 2.61).abs() < 1e-9,
            "normal noise has a mean"
        );
        assert!((location(&values, 0.1, 5.0) - 1.02).abs() < 0.03);
        assert_eq!((location(&[3.0], 0.1, 5.0), location(&[], 0.1, 5.0)), (3.0, 0.0));
    }

    #[test]
    fn variance_is_that_of_simulated_middles() {
        let mut random = Random::seeded(9);
        for (n, df) in [(1, 5.0), (4, 5.0), (20, 5.0), (5, f64::INFINITY)] {
            let mut middles: Vec<f64> = (0..8000)
                .map(|_| {
                    let values: Vec<f64> = (0..n).map(|_| random.student(df)).collect();
                    location(&values, 1.0, df).abs()
                })
                .collect();
            middles.sort_unstable_by(f64::total_cmp);
            // Half of all locations are within this distance of zero: 0.7267 for t with 5 degrees of freedom, 0.6745 for a normal distribution.
            let half = middles[4000] / location_variance(n, df).sqrt();
            assert!((0.64..0.78).contains(&half), "{n} of t({df}): {half}");
        }
    }
}
