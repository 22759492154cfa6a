//! The trigamma function and its inverse, which `statrs` lacks. Formulas are from the NIST Digital Library of Mathematical
//! Functions, <https://dlmf.nist.gov>.

/// Smaller arguments are shifted up by the recurrence relations; from here on the asymptotic series are exact to more than ten digits.
const ASYMPTOTIC: f64 = 10.0;

/// The derivative of digamma, for x > 0 (DLMF 5.15.8, 5.15.5).
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

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() <= 1e-9, "{found} is not {expected}");
    }

    /// Closed forms: DLMF 5.15.2.
    #[test]
    fn trigamma_and_its_inverse_have_their_known_values() {
        let pi = std::f64::consts::PI;
        close(trigamma(1.0), pi * pi / 6.0);
        close(trigamma(0.5), pi * pi / 2.0);
        for x in [0.3, 1.0, 4.5, 60.0] {
            close(trigamma_inverse(trigamma(x)), x);
        }
    }
}
