//! A series of times of any length. Up to a million values are kept; beyond that, a histogram, the moments, the minimum and the
//! maximum. The histogram is Gil Tene's HdrHistogram (<http://hdrhistogram.org>) with three significant digits: the width of a
//! bucket is at most a thousandth of its values, and its midpoint stands for all of them.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::exact_values::ExactValues;
use super::statistics::Summary;
use crate::model::{count, saturating};

/// Up to this number of values every figure is exact.
pub const EXACT_VALUES: usize = 1_000_000;
/// Width of a bucket: at most `10^-3` of its values.
const SIGNIFICANT_DIGITS: u8 = 3;
const NANOS_PER_MS: f64 = 1e6;

/// A series of times, milliseconds.
///
/// Count, mean, standard deviation, least and greatest value are exact for any number of values. Percentiles are exact up to
/// [`EXACT_VALUES`] values; beyond, each is within 0.05 % and half a nanosecond of the exact one.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    exact: ExactValues,
    sketch: Option<Box<Sketch>>,
}

impl Distribution {
    /// Adds a value.
    pub fn push(&mut self, ms: f64) {
        self.push_n(ms, 1);
    }

    /// Adds a value `times` times.
    pub fn push_n(&mut self, ms: f64, times: u32) {
        let room = EXACT_VALUES - self.exact.len();
        if self.sketch.is_none() && usize::try_from(times).is_ok_and(|times| times <= room) {
            self.exact.push_n(ms, times);
        } else {
            self.sketch().push_n(ms, u64::from(times));
        }
    }

    /// Adds the values of another series.
    pub fn merge(&mut self, other: &Self) {
        if let Some(sketch) = &other.sketch {
            self.sketch().merge(sketch);
        }
        for ms in other.exact.iter() {
            self.push(ms);
        }
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> u64 {
        let exact = saturating::to_u64(self.exact.len());
        self.sketch.as_ref().map_or(exact, |sketch| sketch.moments.count)
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in the order of insertion; `None` if they are no longer kept.
    #[cfg(test)]
    pub(super) fn values(&self) -> Option<Vec<f64>> {
        self.sketch.is_none().then(|| self.exact.iter().collect())
    }

    /// The summary; every field is 0 without values.
    #[must_use]
    pub fn summary(&self, percentiles: &[f64]) -> Summary {
        match &self.sketch {
            None => self.exact.summary(percentiles),
            Some(sketch) => sketch.summary(percentiles),
        }
    }

    /// The `p`-th percentile, 0 to 100; 0 without values.
    #[must_use]
    pub fn percentile(&self, p: f64) -> f64 {
        self.summary(&[p]).percentiles.first().map_or(0.0, |(_, value)| *value)
    }

    /// Share of the values above a time, 0 to 1; 0 without values. Beyond [`EXACT_VALUES`] values those within 0.1 % of the time may
    /// count on either side of it.
    #[must_use]
    pub fn share_above(&self, ms: f64) -> f64 {
        let (above, all) = match &self.sketch {
            None => {
                let above = self.exact.iter().filter(|value| *value > ms).count();
                (above, self.exact.len())
            }
            Some(sketch) => {
                let above: u64 = sketch.buckets().filter(|(value, _)| *value > ms).map(|(_, number)| number).sum();
                (saturating::to_usize(above), saturating::to_usize(sketch.moments.count))
            }
        };
        count(above) / count(all.max(1))
    }

    /// The form that is stored in a file: a sketch.
    #[must_use]
    pub fn document(&self) -> DistributionDocument {
        if self.is_empty() {
            return DistributionDocument::default();
        }
        let mut own = self.clone();
        own.sketch().document()
    }

    /// Restores a series from a file; it is always a sketch.
    #[must_use]
    pub fn of_document(document: &DistributionDocument) -> Self {
        let sketch = (!document.buckets.is_empty()).then(|| Box::new(Sketch::of_document(document)));
        Self {
            exact: ExactValues::default(),
            sketch,
        }
    }

    /// The sketch. The first call converts the exact values and drops them.
    fn sketch(&mut self) -> &mut Sketch {
        let Self { exact, sketch } = self;
        sketch.get_or_insert_with(|| {
            let mut sketch = Box::<Sketch>::default();
            for ms in std::mem::take(exact).iter() {
                sketch.push_n(ms, 1);
            }
            sketch
        })
    }
}

/// A sketch as stored in a file. Count, mean, squares, minimum and maximum are exact.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DistributionDocument {
    /// Mean, milliseconds.
    mean: f64,
    /// Sum of squared deviations from the mean, square milliseconds.
    squares: f64,
    /// Least value, milliseconds.
    min: f64,
    /// Greatest value, milliseconds.
    max: f64,
    /// Midpoint of each non-empty bucket, nanoseconds, and its number of values.
    buckets: Vec<(u64, u64)>,
}

#[derive(Debug, Clone)]
struct Sketch {
    /// Values in nanoseconds; takes a quarter of a megabyte for times up to a day. `None` if it could not be created, which cannot
    /// happen with this precision.
    histogram: Option<Histogram<u64>>,
    moments: Moments,
    least: f64,
    greatest: f64,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            histogram: Histogram::new(SIGNIFICANT_DIGITS).ok(),
            moments: Moments::default(),
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
        }
    }
}

impl Sketch {
    fn push_n(&mut self, ms: f64, times: u64) {
        if times == 0 {
            return;
        }
        self.moments.add(Moments {
            count: times,
            mean: ms,
            squares: 0.0,
        });
        self.least = self.least.min(ms);
        self.greatest = self.greatest.max(ms);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
        let nanos = (ms * NANOS_PER_MS).round() as u64;
        if let Some(histogram) = &mut self.histogram {
            // The histogram resizes itself, so this fails only for values beyond 64 bits.
            let _ = histogram.record_n(nanos, times);
        }
    }

    fn document(&self) -> DistributionDocument {
        let buckets = self.histogram.iter().flat_map(|histogram| {
            let recorded = histogram.iter_recorded();
            recorded.map(|step| {
                (
                    histogram.median_equivalent(step.value_iterated_to()),
                    step.count_since_last_iteration(),
                )
            })
        });
        DistributionDocument {
            mean: self.moments.mean,
            squares: self.moments.squares,
            min: self.least,
            max: self.greatest,
            buckets: buckets.collect(),
        }
    }

    fn of_document(document: &DistributionDocument) -> Self {
        let mut sketch = Self::default();
        for (nanos, number) in &document.buckets {
            if let Some(histogram) = &mut sketch.histogram {
                // Fails only as in `push_n`.
                let _ = histogram.record_n(*nanos, *number);
            }
        }
        let numbers = document.buckets.iter().map(|(_, number)| *number);
        sketch.moments = Moments {
            count: numbers.fold(0, u64::saturating_add),
            mean: document.mean,
            squares: document.squares,
        };
        (sketch.least, sketch.greatest) = (document.min, document.max.max(document.min));
        sketch
    }

    fn merge(&mut self, other: &Self) {
        self.moments.add(other.moments);
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        if let (Some(into), Some(from)) = (&mut self.histogram, &other.histogram) {
            // Fails only for a histogram that cannot grow.
            let _ = into.add(from);
        }
    }

    fn summary(&self, percentiles: &[f64]) -> Summary {
        Summary {
            count: saturating::to_usize(self.moments.count),
            mean: self.moments.mean,
            median: self.percentile(50.0),
            std: self.moments.population_std(),
            min: self.least,
            max: self.greatest,
            percentiles: percentiles.iter().map(|p| (*p, self.percentile(*p))).collect(),
        }
    }

    /// By linear interpolation between closest ranks, as [`super::statistics::percentile_of_sorted`].
    fn percentile(&self, p: f64) -> f64 {
        let last = self.moments.count.saturating_sub(1);
        let rank = (p / 100.0).clamp(0.0, 1.0) * count(last);
        let below = rank.floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank is a whole number below 2^53"
        )]
        let index = (below as u64).min(last);
        let (low, high) = self.neighbours(index);
        // The minimum and the maximum are known exactly.
        let low = if index == 0 { self.least } else { low };
        let high = if index + 1 >= last { self.greatest } else { high };
        (low + (high - low) * (rank - below)).clamp(self.least, self.greatest)
    }

    /// The values of a rank and of the next one.
    fn neighbours(&self, rank: u64) -> (f64, f64) {
        let mut seen = 0;
        let mut low = None;
        for (value, number) in self.buckets() {
            seen += number;
            if low.is_none() && seen > rank {
                low = Some(value);
            }
            if let Some(low) = low
                && seen > rank + 1
            {
                return (low, value);
            }
        }
        let low = low.unwrap_or(self.greatest);
        (low, low.max(self.greatest))
    }

    /// Midpoint of each non-empty bucket, milliseconds, and its number of values, in ascending order.
    fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.histogram.iter().flat_map(|histogram| {
            histogram.iter_recorded().map(|step| {
                let middle = histogram.median_equivalent(step.value_iterated_to());
                #[expect(clippy::cast_precision_loss, reason = "a bucket is known to a thousandth")]
                let ms = middle as f64 / NANOS_PER_MS;
                (ms, step.count_since_last_iteration())
            })
        })
    }
}

/// Number, mean and sum of squared deviations from the mean. They are merged as in Chan, Golub and LeVeque, "Updating formulae and a
/// pairwise algorithm for computing sample variances" (1979), which loses no digits where the deviation is small against the mean.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, other: Self) {
        let total = self.count.saturating_add(other.count);
        if total == 0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "numbers of values stay below 2^53")]
        let (own, others, all) = (self.count as f64, other.count as f64, total as f64);
        let apart = other.mean - self.mean;
        self.mean += apart * (others / all);
        self.squares += other.squares + apart * apart * own * (others / all);
        self.count = total;
    }

    fn population_std(&self) -> f64 {
        let number = count(self.count);
        if self.count == 0 { 0.0 } else { (self.squares / number).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    const PERCENTILES: [f64; 9] = [0.0, 1.0, 25.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0];

    /// Checks a sketch of the values against their exact summary.
    fn agrees(values: &[f64]) {
        let mut sketch = Sketch::default();
        values.iter().for_each(|ms| sketch.push_n(*ms, 1));
        let found = sketch.summary(&PERCENTILES);
        let exact = Summary::of(&mut values.to_vec(), &PERCENTILES);
        assert_eq!((found.count, found.min, found.max), (exact.count, exact.min, exact.max));
        let pairs = found.percentiles.iter().zip(&exact.percentiles).map(|((_, a), (_, b))| (*a, *b));
        for (found, exact) in pairs.chain([(found.median, exact.median)]) {
            assert!((found - exact).abs() <= exact * 0.001 + 1e-6, "{found} for {exact}");
        }
        assert!(
            (found.mean - exact.mean).abs() <= exact.mean * 1e-9,
            "{} for {}",
            found.mean,
            exact.mean
        );
        assert!((found.std - exact.std).abs() <= exact.max * 1e-9, "{} for {}", found.std, exact.std);
    }

    #[test]
    fn percentiles_of_a_sketch_are_within_a_thousandth() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut uniform = |low: f64, high: f64| low + (high - low) * random.random::<f64>();
        // A heavy tail, two modes far apart, times of nanoseconds, and one value.
        agrees(&(0..50_000).map(|_| 10.0 / uniform(0.001, 1.0)).collect::<Vec<_>>());
        agrees(
            &(0..50_000)
                .map(|n| if n % 2 == 0 { uniform(9.0, 9.1) } else { 800.0 })
                .collect::<Vec<_>>(),
        );
        agrees(&(0..50_000).map(|_| uniform(1e-6, 2e-5)).collect::<Vec<_>>());
        agrees(&[7.25; 1000]);
    }

    #[test]
    fn a_small_deviation_of_great_values_is_kept() {
        let mut sketch = Sketch::default();
        for n in 0..1_000_000_u32 {
            sketch.push_n(1e6 + f64::from(n % 2) * 2e-3, 1);
        }
        assert!((sketch.moments.population_std() - 1e-3).abs() < 1e-7, "{sketch:?}");
    }

    #[test]
    fn every_value_is_kept_up_to_a_million() {
        let mut distribution = Distribution::default();
        distribution.push_n(3.0, u32::try_from(EXACT_VALUES).unwrap() - 1);
        distribution.push(1.0);
        assert_eq!(distribution.values().map(|values| values.len()), Some(EXACT_VALUES));
        distribution.push_n(2.0, 2);
        assert_eq!((distribution.values(), distribution.len()), (None, 1_000_002));
        assert_eq!((distribution.share_above(4.0), distribution.share_above(0.5)), (0.0, 1.0));
        let summary = distribution.summary(&[0.0, 99.0]);
        assert_eq!((summary.min, summary.max, summary.percentiles[0].1), (1.0, 3.0, 1.0));
        assert!((summary.percentiles[1].1 - 3.0).abs() < 0.003);
    }

    proptest! {
        /// Parts, whether exact or not, give the same figures as the whole.
        #[test]
        fn merged_parts_are_the_whole(
            first in proptest::collection::vec(0.0_f64..1e5, 1..300),
            second in proptest::collection::vec(0.0_f64..1e5, 1..300),
            has_sketch in any::<bool>(),
        ) {
            let (mut parts, mut other) = (Distribution::default(), Distribution::default());
            first.iter().for_each(|ms| parts.push(*ms));
            second.iter().for_each(|ms| other.push(*ms));
            if has_sketch {
                let _ = other.sketch();
            }
            parts.merge(&other);
            let mut all = [first, second].concat();
            let exact = Summary::of(&mut all, &PERCENTILES);
            let found = parts.summary(&PERCENTILES);
            prop_assert_eq!(found.count, exact.count);
            for ((_, found), (_, exact)) in found.percentiles.iter().zip(&exact.percentiles) {
                prop_assert!((found - exact).abs() <= exact * 0.001 + 1e-6);
            }
            prop_assert!((found.mean - exact.mean).abs() <= 1e-9 * exact.max);
            prop_assert!((found.std - exact.std).abs() <= 1e-6 * exact.max);
        }
    }
}
