//! Distributions in little space: counts in bins whose width grows with the value, so that every quantile is within 1 % of the true one.
//! The bins are those of DDSketch (Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
//! VLDB 2019, section 2): a value x > 0 is in bin ceil(log(x) / log(g)) with g = (1 + a) / (1 - a) for the relative error a.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The relative error of a quantile.
const ERROR: f64 = 0.01;
/// Smaller values count as 0: a nanosecond of seconds.
const SMALLEST: f64 = 1e-9;

/// A distribution of values from 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Bins", into = "Bins")]
pub struct Sketch {
    zeros: u64,
    bins: BTreeMap<i32, u64>,
}

/// As JSON has it: `{"zeros": 3, "bins": [[120, 4], [121, 9]]}`.
#[derive(Serialize, Deserialize)]
struct Bins {
    #[serde(default, skip_serializing_if = "is_zero")]
    zeros: u64,
    bins: Vec<(i32, u64)>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<Bins> for Sketch {
    fn from(Bins { zeros, bins }: Bins) -> Self {
        Self {
            zeros,
            bins: bins.into_iter().collect(),
        }
    }
}

impl From<Sketch> for Bins {
    fn from(Sketch { zeros, bins }: Sketch) -> Self {
        Self {
            zeros,
            bins: bins.into_iter().collect(),
        }
    }
}

fn growth() -> f64 {
    (1.0 + ERROR) / (1.0 - ERROR)
}

impl Sketch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zeros == 0 && self.bins.is_empty()
    }

    /// Adds a value; what is negative or not a number is left out.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        if value < SMALLEST {
            self.zeros += 1;
            return;
        }
        // Of finite values from 1e-9 to 1.8e308 the bins are -1,036 to 35,486.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let bin = (value.ln() / growth().ln()).ceil() as i32;
        *self.bins.entry(bin).or_default() += 1;
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins.values().fold(self.zeros, |sum, count| sum.saturating_add(*count))
    }

    /// The value that a share of all values does not exceed, `0.5` for the median; `None` without values.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.count().checked_sub(1)?;
        let rank = share.clamp(0.0, 1.0) * last as f64;
        let mut seen = self.zeros;
        if rank < seen as f64 {
            return Some(0.0);
        }
        for (bin, count) in &self.bins {
            seen = seen.saturating_add(*count);
            if rank < seen as f64 {
                // The middle of the bin, in the sense of the relative error.
                return Some(2.0 * growth().powi(*bin) / (growth() + 1.0));
            }
        }
        None
    }
}

/// A part of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SketchBar {
    /// Values above this one, and from 0 in the first bar of zeros.
    pub low: f64,
    /// Values up to this one.
    pub high: f64,
    pub count: u64,
}

impl Sketch {
    /// The distribution in bars of equal width on a logarithmic axis, at most as many as asked for and one for zeros; empty ones between others
    /// included.
    #[must_use]
    pub fn bars(&self, most: usize) -> Vec<SketchBar> {
        let zeros = (self.zeros > 0).then_some(SketchBar {
            low: 0.0,
            high: 0.0,
            count: self.zeros,
        });
        let (Some(first), Some(last)) = (self.bins.keys().next(), self.bins.keys().next_back()) else {
            return zeros.into_iter().collect();
        };
        // A bin that is not one of a finite value came from outside.
        let spanned = i64::from(*last) - i64::from(*first) + 1;
        let most = i64::try_from(most).unwrap_or(i64::MAX).max(1);
        let width = (spanned + most - 1) / most;
        let edge = |bin: i64| growth().powf(bin as f64);
        let bars = (0..(spanned + width - 1) / width).map(|at| {
            let from = i64::from(*first) + at * width;
            let to = (from + width - 1).min(i64::from(*last));
            let is_in = |bin: i32| (from..=to).contains(&i64::from(bin));
            let count = self
                .bins
                .iter()
                .filter(|(bin, _)| is_in(**bin))
                .fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
            SketchBar {
                low: edge(from - 1),
                high: edge(to),
                count,
            }
        });
        let finite = bars.filter(|bar| bar.low.is_finite() && bar.high.is_finite());
        zeros.into_iter().chain(finite).collect()
    }
}

impl Extend<f64> for Sketch {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, values: T) {
        for value in values {
            self.add(value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        sketch.extend(values.iter().copied());
        sketch
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent(mut values in prop::collection::vec(1e-6_f64..1e6, 1..200), share in 0.0_f64..1.0) {
            let found = sketch(&values).quantile(share).unwrap();
            values.sort_by(f64::total_cmp);
            let exact = values[(share * (values.len() - 1) as f64).floor() as usize];
            prop_assert!((found / exact - 1.0).abs() <= ERROR * 1.0001, "{found} for {exact}");
        }

        #[test]
        fn sketches_come_back_from_json(values in prop::collection::vec(0.0_f64..1e3, 0..50)) {
            let sketch = sketch(&values);
            let text = serde_json::to_string(&sketch).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), sketch);
        }
    }

    #[test]
    fn bars_have_all_values_once() {
        let values: Vec<f64> = (1..=1000).map(|number| f64::from(number) / 100.0).collect();
        let all = sketch(&values);
        for most in [1, 7, 60, 10_000] {
            let bars = all.bars(most);
            assert!(bars.len() <= most, "{most}");
            assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), 1000, "{most}");
            assert!(
                bars.windows(2).all(|pair| (pair[0].high / pair[1].low - 1.0).abs() < 1e-9),
                "{most}"
            );
            let exact = values
                .iter()
                .filter(|value| **value > bars[0].low && **value <= bars[0].high)
                .count();
            assert!(u64::try_from(exact).unwrap().abs_diff(bars[0].count) <= 1, "{most}");
        }
        assert_eq!(Sketch::default().bars(10), []);
        assert_eq!(
            sketch(&[0.0, 0.0]).bars(10),
            [SketchBar {
                low: 0.0,
                high: 0.0,
                count: 2
            }]
        );
        let outside: Sketch = serde_json::from_str(r#"{"bins": [[-2147483648, 1], [2147483647, 1]]}"#).unwrap();
        assert!(outside.bars(10).len() <= 10);
    }

    #[test]
    fn what_is_no_value_is_left_out() {
        let sketch = sketch(&[0.0, f64::NAN, -1.0, f64::INFINITY, f64::MAX, 1e-12]);
        assert_eq!(sketch.count(), 3);
        assert_eq!((sketch.quantile(0.0), Sketch::default().quantile(0.5)), (Some(0.0), None));
    }
}
