//! Tukey's fence ("Exploratory Data Analysis", 1977): values more than 3 interquartile ranges outside the quartiles are
//! "far out". Among the changes from one run to the next, those are events, not noise.

use crate::model::count;

/// The outer fence. The inner one, 1.5, also removes ordinary noise: the spread of the rest is too small by several percent, which
/// causes four times as many false alarms at the far tails that 500 points need (found by simulation).
const REACH: f64 = 3.0;

/// The range of usual values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fence {
    pub low: f64,
    pub high: f64,
}

impl Fence {
    /// The fences of values in any order; `None` without values.
    #[must_use]
    pub fn around(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (lower, upper) = (quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?);
        let reach = REACH * (upper - lower);
        Some(Self {
            low: lower - reach,
            high: upper + reach,
        })
    }

    /// Whether a value is usual.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// By linear interpolation between closest ranks, as numpy and R's type 7 have it.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = share * count(last);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the slice")]
    let below = (rank.floor() as usize).min(last);
    let low = sorted[below];
    let high = sorted[(below + 1).min(last)];
    Some(low + (high - low) * (rank - rank.floor()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    /// The usual example of a box plot, 24 hourly temperatures with quartiles 66 and 75
    /// (<https://en.wikipedia.org/wiki/Box_plot>), the last of them far out.
    #[test]
    fn an_outlier_is_outside() {
        let mut values = vec![57.0, 57.0, 57.0, 58.0, 63.0, 66.0, 66.0, 67.0, 67.0, 68.0, 69.0, 70.0];
        values.extend([70.0, 70.0, 70.0, 72.0, 73.0, 75.0, 75.0, 76.0, 76.0, 78.0, 79.0, 110.0]);
        let fence = Fence::around(&values).unwrap();
        assert_eq!((fence.low, fence.high), (39.0, 102.0));
        let outside: Vec<f64> = values.into_iter().filter(|value| !fence.holds(*value)).collect();
        assert_eq!(outside, [110.0]);
        assert_eq!(Fence::around(&[]), None);
    }
}
