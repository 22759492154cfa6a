//! The exact test of Mann and Whitney ("On a test of whether one of two random variables is stochastically larger than the
//! other", Annals of Mathematical Statistics 18, 1947): it assumes nothing about the noise, and is the test for a few repeated
//! measurements on both sides. Ties get their mean rank, and the distribution is computed for the actual ranks.

use crate::model::count;

/// The two-sided p-value: the probability of ranks at least as far apart as these if both sides have one distribution. 1 if a side is
/// empty.
#[must_use]
pub fn mann_whitney(left: &[f64], right: &[f64]) -> f64 {
    let ranks = doubled_ranks(left, right);
    let observed: usize = ranks.iter().take(left.len()).sum();
    let ways = ways(&ranks, left.len());
    let all: f64 = ways.iter().sum();
    // Twice the mean of the sum of doubled ranks, so that it is a whole number.
    let centre = 2 * left.len() * (ranks.len() + 1);
    let distance = |sum: usize| (2 * sum).abs_diff(centre);
    let extreme = ways.iter().enumerate().filter(|(sum, _)| distance(*sum) >= distance(observed));
    let extreme: f64 = extreme.map(|(_, ways)| ways).sum();
    if all > 0.0 { (extreme / all).min(1.0) } else { 1.0 }
}

/// The smallest p-value that [`mann_whitney`] can return for these numbers of measurements: two of all the ways to choose one side.
#[must_use]
pub fn smallest_rank_p(left: usize, right: usize) -> f64 {
    let ways: f64 = (1..=left).map(|k| (count(right) + count(k)) / count(k)).product();
    (2.0 / ways).min(1.0)
}

/// Twice the rank of each value among all, those of `left` first; doubled, so that mean ranks are whole numbers.
fn doubled_ranks(left: &[f64], right: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = left.iter().chain(right).copied().collect();
    all.iter()
        .map(|value| {
            let below = all.iter().filter(|other| *other < value).count();
            let equal = all.iter().filter(|other| *other == value).count();
            2 * below + equal + 1
        })
        .collect()
}

/// The number of ways to choose `n` ranks with each sum.
fn ways(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut table = vec![vec![0.0; most + 1]; chosen + 1];
    table[0][0] = 1.0;
    for rank in ranks {
        for size in (1..=chosen).rev() {
            for sum in (*rank..=most).rev() {
                table[size][sum] += table[size - 1][sum - rank];
            }
        }
    }
    table.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The water transfer of Hollander and Wolfe ("Nonparametric Statistical Methods", 1973, p. 69), which is the example of
    /// R's `wilcox.test`: W = 35, one-sided p = 0.1272.
    #[test]
    fn agrees_with_published_examples() {
        let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        assert!((mann_whitney(&term, &early) - 0.2544).abs() < 1e-4);
        assert!((mann_whitney(&early, &term) - 0.2544).abs() < 1e-4);
    }

    #[test]
    fn disjoint_samples_have_the_smallest_p() {
        let p = mann_whitney(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]);
        assert!((p - 2.0 / 70.0).abs() < 1e-12 && (smallest_rank_p(4, 4) - p).abs() < 1e-12);
    }

    #[test]
    fn equal_values_have_p_of_one() {
        assert_eq!(mann_whitney(&[1.0, 1.0], &[1.0, 1.0, 1.0]), 1.0);
        assert_eq!(mann_whitney(&[], &[1.0]), 1.0);
    }
}
