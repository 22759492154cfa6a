//! The tails of the noise: a scaled t distribution, fitted to many standardized residuals. With heavy tails (few degrees of freedom)
//! one outlier does not count as a change; a normal distribution would call it impossible.

use super::mean;
use crate::model::count;

/// The prior of the reciprocal degrees of freedom, with its uncertainty: between 4 and 12 degrees. It weighs as much as about 200
/// residuals, so that a few residuals do not decide.
const PRIOR: (f64, f64) = (1.0 / 6.0, 0.08);
/// The range of reciprocals: from the normal distribution to tails without a finite variance.
const RANGE: (f64, f64) = (0.0, 0.5);
/// Steps of golden-section search in that range: to 0.002, far below the uncertainty of the estimate.
const SECTIONS: usize = 11;
/// Rounds of the fit of the scale, which converges linearly.
const ROUNDS: usize = 12;
/// The range of valid scales. Residuals are in units of their own noise, so the scale is near 1; a fit beyond this factor is not one
/// of noise.
const SCALES: (f64, f64) = (0.5, 2.0);

/// A t distribution of location 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tails {
    /// Degrees of freedom; infinite for normal noise.
    pub df: f64,
    /// The scale, in units of the noise by which residuals were divided.
    pub scale: f64,
}

impl Tails {
    /// The most probable distribution of residuals. A residual is the distance of a value from the prediction of the others of its
    /// series, in units of the noise of the others, so the fit includes the uncertainty of that noise. With few residuals it is close to t
    /// with 6 degrees of freedom.
    #[must_use]
    pub fn of(residuals: &[f64]) -> Self {
        let squares: Vec<f64> = residuals
            .iter()
            .map(|residual| residual * residual)
            .filter(|square| square.is_finite())
            .collect();
        let (mut low, mut high) = RANGE;
        let section = (5.0_f64.sqrt() - 1.0) / 2.0;
        let (mut left, mut right) = (high - section * (high - low), low + section * (high - low));
        let (mut at_left, mut at_right) = (fit(&squares, left), fit(&squares, right));
        for _ in 0..SECTIONS {
            if at_left.density >= at_right.density {
                high = right;
                (right, at_right) = (left, at_left);
                left = high - section * (high - low);
                at_left = fit(&squares, left);
            } else {
                low = left;
                (left, at_left) = (right, at_right);
                right = low + section * (high - low);
                at_right = fit(&squares, right);
            }
        }
        let (reciprocal, fitted) = if at_left.density >= at_right.density {
            (left, at_left)
        } else {
            (right, at_right)
        };
        Self {
            df: 1.0 / reciprocal.max(f64::MIN_POSITIVE),
            scale: fitted.scale.clamp(SCALES.0, SCALES.1),
        }
    }
}

/// The best scale for one number of degrees of freedom.
#[derive(Debug, Clone, Copy)]
struct Fit {
    scale: f64,
    /// The logarithm of the posterior density, up to a constant.
    density: f64,
}

/// Maximum likelihood of the scale by expectation maximisation: t noise is normal noise whose precision varies, and each value's
/// expected precision is its weight (Lange, Little and Taylor, "Robust statistical modeling using the t distribution", Journal of the
/// American Statistical Association 84, 1989).
fn fit(squares: &[f64], reciprocal: f64) -> Fit {
    let prior = -0.5 * ((reciprocal - PRIOR.0) / PRIOR.1).powi(2);
    let Some(mut variance) = mean(squares).filter(|variance| *variance > 0.0) else {
        return Fit {
            scale: 1.0,
            density: prior,
        };
    };
    // All terms are multiplied by the reciprocal, so that the normal distribution is not a special case.
    for _ in 0..ROUNDS {
        let weighted: f64 = squares
            .iter()
            .map(|square| (1.0 + reciprocal) / (1.0 + reciprocal * square / variance) * square)
            .sum();
        variance = weighted / count(squares.len());
    }
    let logarithms: f64 = squares.iter().map(|square| log_kernel(square / variance, reciprocal)).sum();
    let density = count(squares.len()) * (log_constant(reciprocal) - 0.5 * variance.ln()) + logarithms + prior;
    Fit {
        scale: variance.sqrt(),
        density,
    }
}

/// `-(df + 1) / 2 · ln(1 + square / df)`, whose limit for infinite `df` is `-square / 2`.
fn log_kernel(square: f64, reciprocal: f64) -> f64 {
    if reciprocal < NEARLY_NORMAL {
        return -square / 2.0;
    }
    -(1.0 / reciprocal + 1.0) / 2.0 * (reciprocal * square).ln_1p()
}

/// The logarithm of the density at the centre.
fn log_constant(reciprocal: f64) -> f64 {
    use statrs::function::gamma::ln_gamma;
    if reciprocal < NEARLY_NORMAL {
        return -0.5 * (2.0 * std::f64::consts::PI).ln();
    }
    let df = 1.0 / reciprocal;
    ln_gamma(f64::midpoint(df, 1.0)) - ln_gamma(df / 2.0) - 0.5 * (df * std::f64::consts::PI).ln()
}

/// Below this reciprocal, rounding errors exceed the difference of the two gamma functions.
const NEARLY_NORMAL: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::statistics::simulated::Random;

    #[test]
    fn tails_of_many_residuals_are_found() {
        for (df, low, high) in [(3.0, 2.6, 3.5), (5.0, 4.2, 6.0), (f64::INFINITY, 30.0, f64::INFINITY)] {
            let mut random = Random::seeded(5);
            let residuals: Vec<f64> = (0..8000).map(|_| 1.2 * random.student(df)).collect();
            let tails = Tails::of(&residuals);
            assert!((low..=high).contains(&tails.df), "{df}: {tails:?}");
            assert!((tails.scale / 1.2 - 1.0).abs() < 0.05, "{df}: {tails:?}");
        }
    }

    #[test]
    fn few_residuals_leave_the_assumption() {
        let none = Tails::of(&[]);
        assert!((none.df - 6.0).abs() < 0.2 && none.scale == 1.0, "{none:?}");
        let alike = Tails::of(&[0.1, -0.1, 0.05, 0.0]);
        assert!(alike.df < 12.0 && alike.scale >= 0.5, "{alike:?}");
    }

    /// The density of Student's t, from the definition.
    #[test]
    fn density_agrees_with_the_distribution() {
        // t with 5 degrees of freedom at 0 and 2: 0.3796067 and 0.0650903 (R's dt).
        let density = |t: f64| (log_constant(0.2) + log_kernel(t * t, 0.2)).exp();
        assert!((density(0.0) - 0.379_606_7).abs() < 1e-6 && (density(2.0) - 0.065_090_3).abs() < 1e-6);
    }
}
