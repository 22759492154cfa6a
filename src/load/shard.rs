//! Sharding of a load over several clients: the part of the requests, arrivals and concurrency that each client has.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::model::saturating;

/// Shard `number` of `of`, from 1. Item `i` of a load (a request, a conversation, an arrival) belongs to the shard with the number
/// `i mod of + 1`, so that each item belongs to exactly one shard and every shard has arrivals during the whole load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: NonZeroU32,
    of: NonZeroU32,
}

/// The text is not a valid shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a shard, expected I/N with I from 1 to N, such as 2/3")]
pub struct ShardError(String);

impl Shard {
    /// The only shard of a load.
    pub const WHOLE: Self = Self {
        number: NonZeroU32::MIN,
        of: NonZeroU32::MIN,
    };

    /// Shard `number` of `of`; `None` if `number` is greater than `of`.
    #[must_use]
    pub fn new(number: NonZeroU32, of: NonZeroU32) -> Option<Self> {
        (number <= of).then_some(Self { number, of })
    }

    /// The number of the shard, from 1.
    #[must_use]
    pub fn number(self) -> NonZeroU32 {
        self.number
    }

    /// The number of shards of the load.
    #[must_use]
    pub fn of(self) -> NonZeroU32 {
        self.of
    }

    /// Whether it is the only shard.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.of == NonZeroU32::MIN
    }

    /// Suffix of the result file's name, before the extension; empty for the only shard.
    #[must_use]
    pub fn file_suffix(self) -> String {
        if self.is_whole() {
            return String::new();
        }
        format!("-shard{}of{}", self.number, self.of)
    }

    /// The number of items of this shard, out of `total`. If they cannot be divided evenly, the first shards have one more.
    #[must_use]
    pub fn part(self, total: usize) -> usize {
        total.saturating_sub(self.first()).div_ceil(whole(self.of))
    }

    /// [`Self::part`] for `u32`.
    #[must_use]
    pub fn part_of(self, total: u32) -> u32 {
        saturating::to_u32(self.part(saturating::to_usize(total)))
    }

    /// The number in the whole load of this shard's item number `own`. Inverse of [`Self::own`].
    #[must_use]
    pub fn item(self, own: u32) -> u32 {
        own.saturating_mul(self.of.get()).saturating_add(self.number.get() - 1)
    }

    /// The number within this shard of its item that has number `item` in the whole load.
    #[must_use]
    pub fn own(self, item: u32) -> u32 {
        item / self.of
    }

    /// The items of this shard, out of those of the whole load.
    pub fn select<T>(self, items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        items.into_iter().skip(self.first()).step_by(whole(self.of))
    }

    fn first(self) -> usize {
        whole(self.number) - 1
    }
}

fn whole(number: NonZeroU32) -> usize {
    saturating::to_usize(number.get())
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        parse(text).ok_or_else(|| ShardError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Shard> {
    let (number, of) = text.split_once('/')?;
    Shard::new(number.parse().ok()?, of.parse().ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shards_are_numbered_from_one() {
        assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
        for text in ["0/3", "4/3", "1/0", "1", "1/2/3", "a/b", "-1/2", ""] {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains("expected I/N"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_item_belongs_to_one_shard(total in 0_u32..500, of in 1_u32..40) {
            let mut seen = Vec::new();
            let mut parts = Vec::new();
            for number in 1..=of {
                let shard = Shard::new(number.try_into().unwrap(), of.try_into().unwrap()).unwrap();
                let own: Vec<u32> = shard.select(0..total).collect();
                prop_assert_eq!(own.len(), usize::try_from(shard.part_of(total)).unwrap());
                for (place, item) in (0_u32..).zip(&own) {
                    prop_assert_eq!((shard.item(place), shard.own(*item)), (*item, place));
                }
                parts.push(own.len());
                seen.extend(own);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..total).collect::<Vec<_>>());
            prop_assert!(parts.is_sorted_by(|a, b| a >= b) && parts[0] - parts[parts.len() - 1] <= 1);
        }
    }
}
