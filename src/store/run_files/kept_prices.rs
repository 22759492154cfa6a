//! Prices, as stores of files have them. Nothing is removed: a correction ends an entry and adds one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::analysis::DatedPrice;
use crate::store::database::{Counts, Known};

/// A price, and since when it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptPrice {
    price: DatedPrice,
    /// Milliseconds since 1970 by the writer's clock.
    added_ms: i64,
    /// When a correction replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaced_ms: Option<i64>,
}

/// All prices of a history, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::store) struct KeptPrices(Vec<KeptPrice>);

impl KeptPrices {
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that were kept at a time, milliseconds since 1970.
    pub(in crate::store) fn at(&self, time_ms: i64) -> Vec<DatedPrice> {
        let kept = self.0.iter().filter(|kept| {
            let is_there = kept.added_ms <= time_ms;
            is_there && kept.replaced_ms.is_none_or(|replaced| replaced > time_ms)
        });
        kept.map(|kept| kept.price.clone()).collect()
    }

    /// Adds prices, and counts what is new.
    pub(in crate::store) fn add(&mut self, prices: &[DatedPrice], now: DateTime<Utc>) -> Counts {
        let mut counts = Counts::default();
        let now = now.timestamp_millis();
        for price in prices {
            let mut current = self.0.iter_mut().filter(|kept| kept.replaced_ms.is_none());
            let before = current.find(|kept| kept.price.key() == price.key());
            let known = match &before {
                None => Known::New,
                Some(kept) if kept.price == *price => Known::Unchanged,
                Some(_) => Known::Revised,
            };
            counts.add(known);
            if known == Known::Unchanged {
                continue;
            }
            if let Some(kept) = before {
                kept.replaced_ms = Some(now);
            }
            self.0.push(KeptPrice {
                price: price.clone(),
                added_ms: now,
                replaced_ms: None,
            });
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::analysis::PriceKind;

    #[test]
    fn correction_ends_an_entry_and_earlier_states_are_known() {
        let price = |usd_per_gpu_hour| DatedPrice {
            hardware: "h200".to_owned(),
            provider: "a".to_owned(),
            kind: PriceKind::Spot,
            date: "2026-01-01".parse().unwrap(),
            usd_per_gpu_hour,
            source: None,
        };
        let at = |milliseconds| DateTime::from_timestamp_millis(milliseconds).unwrap();
        let mut kept = KeptPrices::default();
        assert_eq!(kept.add(&[price(4.0)], at(10)).new, 1);
        assert_eq!(kept.add(&[price(4.0)], at(20)).unchanged, 1);
        assert_eq!(kept.add(&[price(3.0)], at(30)).revised, 1);
        assert_eq!((kept.at(9), kept.at(29), kept.at(30)), (vec![], vec![price(4.0)], vec![price(3.0)]));
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<KeptPrices>(&text).unwrap(), kept);
    }
}
