//! Noise: the standard deviation of a value between runs of an unchanged system, estimated from the differences of successive runs or
//! from repeated measurements. Values are logarithms, so noise is relative.

use super::{Fence, mean};
use crate::model::count;

/// An estimated standard deviation and its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// The standard deviation of one measurement.
    pub sd: f64,
    /// Degrees of freedom; infinite for a known or assumed standard deviation.
    pub df: f64,
}

impl Noise {
    /// From a history, oldest first: the mean square of successive differences, half of which is the variance (von Neumann,
    /// Kent, Bellinson and Hart, "The mean square successive difference", Annals of Mathematical Statistics 12, 1941). A step
    /// or a slow drift of the level hardly affects it; differences beyond [`Fence`] are events and left out. `None` for fewer than two
    /// values.
    #[must_use]
    pub fn of_history(values: &[f64]) -> Option<Self> {
        let differences: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let fence = Fence::around(&differences)?;
        let kept: Vec<f64> = differences.into_iter().filter(|difference| fence.holds(*difference)).collect();
        let squares: Vec<f64> = kept.iter().map(|difference| difference * difference).collect();
        let n = count(kept.len());
        Some(Self {
            sd: (mean(&squares)? / 2.0).sqrt(),
            // The degrees of freedom that give the estimate its variance, (3n - 4) / (n - 1)² of n values (op. cit.).
            df: 2.0 * n * n / (3.0 * n - 1.0),
        })
    }

    /// From repeated measurements of the same thing. `None` for fewer than two.
    #[must_use]
    pub fn of_repeats(values: &[f64]) -> Option<Self> {
        let df = count(values.len()) - 1.0;
        let middle = mean(values)?;
        let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
        (df > 0.0).then(|| Self {
            sd: (squares / df).sqrt(),
            df,
        })
    }

    /// The pooled estimate of several, weighted by their degrees of freedom. `None` without estimates.
    #[must_use]
    pub fn pooled(estimates: impl IntoIterator<Item = Self>) -> Option<Self> {
        let (mut squares, mut df) = (0.0, 0.0);
        for estimate in estimates {
            squares += estimate.df * estimate.sd * estimate.sd;
            df += estimate.df;
        }
        (df > 0.0).then(|| Self {
            sd: (squares / df).sqrt(),
            df,
        })
    }

    /// The noise, but at least `sd`: a smaller estimate is chance.
    #[must_use]
    pub fn at_least(self, sd: f64) -> Self {
        Self {
            sd: self.sd.max(sd),
            df: self.df,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn differences_of_successive_values_are_squared_and_halved() {
        let noise = Noise::of_history(&[0.0, 1.0, 0.0, 1.0, 0.0]).unwrap();
        assert!((noise.sd - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!((noise.df - 32.0 / 11.0).abs() < 1e-12);
        assert_eq!(Noise::of_history(&[1.0]), None);
    }

    #[test]
    fn step_of_the_level_does_not_count_as_noise() {
        let wiggle = |index: u32| f64::from((5 * index * index + 3 * index) % 17) * 1e-3;
        let steady: Vec<f64> = (0..24).map(wiggle).collect();
        let stepped: Vec<f64> = (0..24).map(|index| wiggle(index) + if index < 12 { 0.0 } else { 0.3 }).collect();
        let (steady, stepped) = (Noise::of_history(&steady).unwrap(), Noise::of_history(&stepped).unwrap());
        assert!((stepped.sd / steady.sd - 1.0).abs() < 0.05, "{stepped:?} {steady:?}");
        assert!(stepped.df < steady.df);
    }

    #[test]
    fn repeats_have_the_sample_deviation_and_estimates_pool_by_weight() {
        let one = Noise::of_repeats(&[1.0, 3.0]).unwrap();
        let other = Noise::of_repeats(&[0.0, 0.0, 0.0]).unwrap();
        assert_eq!((one.sd, one.df, other.sd), (2.0_f64.sqrt(), 1.0, 0.0));
        let both = Noise::pooled([one, other]).unwrap();
        assert!((both.sd - (2.0_f64 / 3.0).sqrt()).abs() < 1e-12 && both.df == 3.0);
        assert_eq!(Noise::of_repeats(&[1.0]), None);
    }
}
