//! Times that are kept one by one. A run below a million chunks keeps two series of as many values, so their size decides the memory
//! that its figures need: times between chunks are whole units of [`ChunkMark::UNIT`] and take four bytes each.

use super::record::ChunkMark;
use super::statistics::Summary;

/// A series of times, in no particular order.
#[derive(Debug, Clone)]
pub(super) enum ExactValues {
    /// Numbers of [`ChunkMark::UNIT`], as long as every value is one.
    Units(Vec<u32>),
    /// Milliseconds, from the first value on that is no whole number of units: the share of a token in the time of its chunk.
    Millis(Vec<f64>),
}

impl Default for ExactValues {
    fn default() -> Self {
        Self::Units(Vec::new())
    }
}

impl ExactValues {
    /// Number of values.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Units(units) => units.len(),
            Self::Millis(values) => values.len(),
        }
    }

    /// Each value, milliseconds.
    pub(super) fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        let (units, values) = match self {
            Self::Units(units) => (units.as_slice(), [].as_slice()),
            Self::Millis(values) => ([].as_slice(), values.as_slice()),
        };
        units.iter().map(|units| ChunkMark::millis_of(*units)).chain(values.iter().copied())
    }

    /// Adds a value `times` times.
    pub(super) fn push_n(&mut self, ms: f64, times: u32) {
        if let (Self::Units(_), None) = (&*self, units_of(ms)) {
            *self = Self::Millis(self.iter().collect());
        }
        match (self, units_of(ms)) {
            (Self::Units(all), Some(units)) => all.extend((0..times).map(|_| units)),
            (Self::Units(_), None) => {}
            (Self::Millis(all), _) => all.extend((0..times).map(|_| ms)),
        }
    }

    /// The summary; every field is 0 without values.
    pub(super) fn summary(&self, percentiles: &[f64]) -> Summary {
        match self {
            Self::Units(units) => {
                let mut sorted = units.clone();
                sorted.sort_unstable();
                Summary::of_ranks(sorted.len(), |rank| ChunkMark::millis_of(sorted[rank]), percentiles)
            }
            Self::Millis(values) => Summary::of(&mut values.clone(), percentiles),
        }
    }
}

/// The number of units that is exactly this time, if there is one.
fn units_of(ms: f64) -> Option<u32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of floats saturates, and the result is compared"
    )]
    let units = (ms / ChunkMark::millis_of(1)).round() as u32;
    (ChunkMark::millis_of(units).to_bits() == ms.to_bits()).then_some(units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERCENTILES: [f64; 5] = [0.0, 25.0, 90.0, 99.9, 100.0];

    #[test]
    fn times_between_chunks_take_four_bytes() {
        let mut values = ExactValues::default();
        for units in [0, 1, 3, 100_000, 123_456_789, u32::MAX] {
            values.push_n(ChunkMark::millis_of(units), 2);
        }
        assert!(matches!(&values, ExactValues::Units(units) if units.len() == 12), "{values:?}");
        let before: Vec<f64> = values.iter().collect();
        values.push_n(10.0 / 3.0, 1);
        assert!(matches!(values, ExactValues::Millis(_)), "{values:?}");
        assert_eq!(values.iter().collect::<Vec<_>>(), [before, vec![10.0 / 3.0]].concat());
    }

    proptest! {
        /// The figures are those of the values themselves, to the last bit.
        #[test]
        fn figures_do_not_depend_on_the_form(
            units in proptest::collection::vec(any::<u32>(), 0..100),
            shares in proptest::collection::vec(0.0_f64..1e6, 0..3),
        ) {
            let mut values = ExactValues::default();
            let all = units.iter().map(|units| ChunkMark::millis_of(*units)).chain(shares);
            let mut all: Vec<f64> = all.collect();
            all.iter().for_each(|ms| values.push_n(*ms, 1));
            prop_assert_eq!(values.iter().collect::<Vec<_>>(), all.clone());
            prop_assert_eq!(values.summary(&PERCENTILES), Summary::of(&mut all, &PERCENTILES));
        }
    }
}
