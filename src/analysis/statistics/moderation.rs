//! Many points with a short history each: the noise estimate of one point is poor, that of all together is not. The
//! empirical Bayes method of Smyth ("Linear models and empirical Bayes methods", Statistical Applications in Genetics and
//! Molecular Biology 3, 2004, sections 6.1 and 6.2; limma's `squeezeVar`) takes the noise of a point for a draw from a
//! distribution that is estimated from all points, and moves each estimate towards it by as much as it is worth.

use statrs::function::gamma::digamma;

use super::trigamma::{trigamma, trigamma_inverse};
use super::{Noise, mean};
use crate::model::count;

/// The fewest points: the spread of fewer says little about the distribution of their noise.
const FEWEST_POINTS: usize = 8;

/// The distribution that the noise of points is drawn from: a scaled inverse chi-squared one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moderation {
    /// A typical variance.
    variance: f64,
    /// Its weight, in degrees of freedom; infinite if all points are equally noisy.
    df: f64,
}

impl Moderation {
    /// The weight of an assumption against a point's own estimate.
    #[must_use]
    pub fn assumed(noise: Noise) -> Self {
        Self {
            variance: noise.sd * noise.sd,
            df: noise.df,
        }
    }

    /// The prior from the estimates of all points; `None` for too few.
    #[must_use]
    pub fn of(estimates: &[Noise]) -> Option<Self> {
        let known: Vec<&Noise> = estimates.iter().filter(|noise| noise.df > 0.0 && noise.sd > 0.0).collect();
        if known.len() < FEWEST_POINTS {
            return None;
        }
        // Logarithms of the variances, corrected for the bias that depends on their degrees of freedom.
        let logarithms: Vec<f64> = known
            .iter()
            .map(|noise| 2.0 * noise.sd.ln() - digamma(noise.df / 2.0) + (noise.df / 2.0).ln())
            .collect();
        let middle = mean(&logarithms).unwrap_or_default();
        let squares: f64 = logarithms.iter().map(|value| (value - middle).powi(2)).sum();
        let own: f64 = known.iter().map(|noise| trigamma(noise.df / 2.0)).sum::<f64>() / count(known.len());
        let excess = squares / (count(known.len()) - 1.0) - own;
        if excess <= 0.0 {
            return Some(Self {
                variance: middle.exp(),
                df: f64::INFINITY,
            });
        }
        let df = 2.0 * trigamma_inverse(excess);
        Some(Self {
            variance: (middle + digamma(df / 2.0) - (df / 2.0).ln()).exp(),
            df,
        })
    }

    /// The noise of a point without an estimate of its own.
    #[must_use]
    pub fn typical(&self) -> Noise {
        Noise {
            sd: self.variance.sqrt(),
            df: self.df,
        }
    }

    /// A point's own estimate, combined with that of all points.
    #[must_use]
    pub fn moderate(&self, own: Noise) -> Noise {
        if self.df.is_infinite() {
            return self.typical();
        }
        let df = self.df + own.df;
        Noise {
            sd: ((self.df * self.variance + own.df * own.sd * own.sd) / df).sqrt(),
            df,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::float_cmp,
        reason = "a test that cannot go on should panic; the numbers are exact"
    )]

    use super::*;

    const ASSUMED: Noise = Noise { sd: 0.015, df: 4.0 };

    fn noises(variances: &[f64], df: f64) -> Vec<Noise> {
        variances.iter().map(|variance| Noise { sd: variance.sqrt(), df }).collect()
    }

    /// Ten variances with four degrees of freedom each; expected values were computed with the formulas of the paper from
    /// scipy's polygamma functions.
    #[test]
    fn agrees_with_reference_values() {
        let variances = [0.5, 1.2, 3.0, 0.2, 2.2, 0.9, 0.05, 6.0, 1.5, 0.7];
        let moderation = Moderation::of(&noises(&variances, 4.0)).unwrap();
        let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-6, "{found} is not {expected}");
        close(moderation.df, 2.402_076_331_914_35);
        close(moderation.variance, 0.704_742_969_768_217);
        let first = moderation.moderate(Noise {
            sd: 0.5_f64.sqrt(),
            df: 4.0,
        });
        close(first.sd * first.sd, 0.576_820_115_273_295);
    }

    #[test]
    fn equally_noisy_points_share_one_estimate() {
        let moderation = Moderation::of(&noises(&[1.0; 20], 5.0)).unwrap();
        let noise = moderation.moderate(Noise { sd: 1.0, df: 5.0 });
        assert!(noise.df.is_infinite() && noise.sd > 0.9 && noise.sd < 1.4, "{noise:?}");
    }

    #[test]
    fn few_points_use_the_assumed_noise() {
        assert_eq!(Moderation::of(&noises(&[0.0004; 2], 6.0)), None);
        let moderation = Moderation::assumed(ASSUMED);
        let noise = moderation.moderate(Noise { sd: 0.02, df: 6.0 });
        assert!(noise.sd > 0.015 && noise.sd < 0.02, "{noise:?}");
        assert_eq!(noise.df, 10.0);
        assert_eq!(moderation.typical(), ASSUMED);
    }
}
