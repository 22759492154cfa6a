//! Special functions that tests need: the logarithm of gamma, its two derivatives, and the incomplete beta function.
//! Formulas are from the NIST Digital Library of Mathematical Functions, <https://dlmf.nist.gov>.

/// Below this, functions of gamma's family are moved up by their recurrences; from here their asymptotic series are exact to
/// more than ten digits.
const ASYMPTOTIC: f64 = 10.0;

/// The logarithm of the gamma function for x > 0: Stirling's series (DLMF 5.11.1) and gamma(x + 1) = x gamma(x).
pub(super) fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < ASYMPTOTIC {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

/// The derivative of [`ln_gamma`] for x > 0 (DLMF 5.11.2, 5.5.2).
pub(super) fn digamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < ASYMPTOTIC {
        shift += 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square / 240.0)));
    x.ln() - 0.5 / x - series - shift
}

/// The derivative of [`digamma`] for x > 0 (DLMF 5.15.8, 5.15.5).
pub(super) fn trigamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < ASYMPTOTIC {
        shift += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * square * (1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0)));
    shift + inverse + 0.5 * square + series
}

/// The x with `trigamma(x) == y`, for y > 0: Newton's method on 1 / trigamma, which is convex and nearly linear (Smyth 2004,
/// appendix).
pub(super) fn trigamma_inverse(y: f64) -> f64 {
    if y > 1e7 {
        return 1.0 / y.sqrt();
    }
    if y < 1e-6 {
        return 1.0 / y;
    }
    let mut x = 0.5 + 1.0 / y;
    for _ in 0..50 {
        let value = trigamma(x);
        let step = value * (1.0 - value / y) / tetragamma(x);
        x += step;
        if step.abs() < 1e-10 * x {
            break;
        }
    }
    x
}

/// The derivative of [`trigamma`]: its own series, differentiated.
fn tetragamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < ASYMPTOTIC {
        shift -= 2.0 / (x * x * x);
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    shift - square * (1.0 + inverse + square * (0.5 - square * (1.0 / 6.0 - square / 6.0)))
}

/// The regularised incomplete beta function I_x(a, b): its continued fraction (DLMF 8.17.22) by the modified Lentz
/// algorithm, on the side where it converges fast.
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(a, b, x) / a
    } else {
        1.0 - front * continued_fraction(b, a, 1.0 - x) / b
    }
}

fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let not_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..300 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / not_zero(1.0 + even * d);
        c = not_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / not_zero(1.0 + odd * d);
        c = not_zero(1.0 + odd / c);
        let change = d * c;
        fraction *= change;
        if (change - 1.0).abs() < 1e-14 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
    }

    /// Closed forms: DLMF 5.4.
    #[test]
    fn gamma_and_its_derivatives_have_their_known_values() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        let pi = std::f64::consts::PI;
        close(ln_gamma(0.5), pi.sqrt().ln());
        close(ln_gamma(6.0), 120.0_f64.ln());
        close(digamma(1.0), -EULER);
        close(digamma(0.5), -EULER - 2.0 * 2.0_f64.ln());
        close(trigamma(1.0), pi * pi / 6.0);
        close(trigamma(0.5), pi * pi / 2.0);
        for x in [0.3, 1.0, 4.5, 60.0] {
            close(trigamma_inverse(trigamma(x)), x);
        }
    }

    /// I_x(1, b) and I_x(a, 1) are elementary (DLMF 8.17.7), and I_x(2, 3) is a polynomial.
    #[test]
    fn the_incomplete_beta_function_has_its_known_values() {
        for x in [0.01_f64, 0.3, 0.8, 0.999] {
            close(incomplete_beta(1.0, 3.5, x), 1.0 - (1.0 - x).powf(3.5));
            close(incomplete_beta(2.5, 1.0, x), x.powf(2.5));
            close(incomplete_beta(2.0, 3.0, x), x * x * (6.0 - 8.0 * x + 3.0 * x * x));
        }
    }
}
