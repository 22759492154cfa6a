//! Prices with their days, as a history keeps them: what was measured earlier can be shown at the prices of its time or at those of today.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{CostModel, PriceKind};
use crate::analysis::cost::document::Price;

/// The format of a document of prices; the number after the slash grows when a reader must change.
pub const PRICES_SCHEMA: &str = "imax-prices/1";

/// What a GPU-hour costs from a day on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedPrice {
    /// Its name in `hardware.yaml`, such as `h200`.
    pub hardware: String,
    pub provider: String,
    #[serde(default)]
    pub kind: PriceKind,
    pub date: NaiveDate,
    pub usd_per_gpu_hour: f64,
    /// Where it was read, such as a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Prices as a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// [`PRICES_SCHEMA`].
    pub schema: String,
    pub prices: Vec<DatedPrice>,
}

/// Why a price cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("the price of {hardware} by {provider:?} has the date {found:?}, expected a day such as 2026-11-30")]
    Date { hardware: String, provider: String, found: String },
    #[error("the price of {hardware} by {provider:?} is {found}, expected US dollars for a GPU-hour from 0 to 1000000")]
    Amount { hardware: String, provider: String, found: String },
    #[error("{what} {found:?} is not a name of 1 to 100 characters without control characters")]
    Name { what: &'static str, found: String },
}

impl DatedPrice {
    /// What makes two prices corrections of each other.
    #[must_use]
    pub fn key(&self) -> (&str, &str, PriceKind, NaiveDate) {
        (&self.hardware, &self.provider, self.kind, self.date)
    }

    /// # Errors
    /// [`PriceError`] for a name or number that no price has.
    pub fn check(&self) -> Result<(), PriceError> {
        let Self {
            hardware,
            provider,
            kind: _,
            date: _,
            usd_per_gpu_hour,
            source,
        } = self;
        if source
            .as_ref()
            .is_some_and(|source| source.chars().count() > 1000 || source.chars().any(char::is_control))
        {
            return Err(PriceError::Name {
                what: "the source",
                found: source.iter().flat_map(|source| source.chars()).take(100).collect(),
            });
        }
        for (what, name) in [("the hardware", hardware), ("the provider", provider)] {
            if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
                return Err(PriceError::Name {
                    what,
                    found: name.chars().take(100).collect(),
                });
            }
        }
        if !(0.0..=1e6).contains(usd_per_gpu_hour) {
            return Err(PriceError::Amount {
                hardware: hardware.clone(),
                provider: provider.clone(),
                found: usd_per_gpu_hour.to_string(),
            });
        }
        Ok(())
    }
}

impl DatedPrice {
    fn to_price(&self) -> Price {
        Price {
            provider: self.provider.clone(),
            date: self.date.to_string(),
            usd_per_gpu_hour: self.usd_per_gpu_hour,
            kind: self.kind,
            source: self.source.clone(),
        }
    }
}

impl PriceList {
    #[must_use]
    pub fn new(prices: Vec<DatedPrice>) -> Self {
        Self {
            schema: PRICES_SCHEMA.to_owned(),
            prices,
        }
    }
}

impl CostModel {
    /// The prices of the model.
    ///
    /// # Errors
    /// [`PriceError`] for the first one that has no day, or no number that a price can be.
    pub fn dated_prices(&self) -> Result<Vec<DatedPrice>, PriceError> {
        let mut all = Vec::new();
        for (hardware, cost) in &self.hardware {
            for price in cost.iter().flat_map(|cost| &cost.prices) {
                let date = price.date.parse().map_err(|_| PriceError::Date {
                    hardware: hardware.clone(),
                    provider: price.provider.clone(),
                    found: price.date.clone(),
                })?;
                let dated = DatedPrice {
                    hardware: hardware.clone(),
                    provider: price.provider.clone(),
                    kind: price.kind,
                    date,
                    usd_per_gpu_hour: price.usd_per_gpu_hour,
                    source: price.source.clone(),
                };
                dated.check()?;
                all.push(dated);
            }
        }
        Ok(all)
    }

    /// The model with the prices of a history: hardware that the history has prices of has these, the newest of each provider and kind before older
    /// ones and those on demand before others; other hardware keeps its own. [`CostModel::of`] takes the first that counts, [`CostModel::on`] the one
    /// of a day.
    #[must_use]
    pub fn with_prices(mut self, prices: &[DatedPrice]) -> Self {
        let mut by_hardware: BTreeMap<&str, Vec<&DatedPrice>> = BTreeMap::new();
        for price in prices {
            by_hardware.entry(&price.hardware).or_default().push(price);
        }
        for (name, mut prices) in by_hardware {
            if let Some(Some(cost)) = self.hardware.get_mut(name) {
                prices.sort_by_key(|price| (price.kind, Reverse(price.date)));
                cost.prices = prices.into_iter().map(DatedPrice::to_price).collect();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn price(date: &str, provider: &str, usd_per_gpu_hour: f64) -> DatedPrice {
        DatedPrice {
            hardware: "h200".to_owned(),
            provider: provider.to_owned(),
            kind: PriceKind::OnDemand,
            date: date.parse().unwrap(),
            usd_per_gpu_hour,
            source: None,
        }
    }

    #[test]
    fn newest_price_of_a_history_comes_first() {
        let mut spot = price("2026-09-01", "a", 1.0);
        spot.kind = PriceKind::Spot;
        let prices = [
            price("2026-01-01", "a", 4.0),
            spot,
            price("2026-06-01", "a", 3.0),
            price("2026-03-01", "b", 2.0),
        ];
        let built_in = CostModel::built_in(None).unwrap();
        let model = built_in.clone().with_prices(&prices);
        let of_h200: Vec<f64> = model
            .cost_of("cluster:h200")
            .unwrap()
            .prices
            .iter()
            .map(|price| price.usd_per_gpu_hour)
            .collect();
        assert_eq!(of_h200, [3.0, 2.0, 4.0, 1.0]);
        assert_eq!(model.cost_of("h100"), built_in.cost_of("h100"), "other hardware keeps its prices");
    }

    #[test]
    fn built_in_prices_have_days() {
        let prices = CostModel::built_in(None).unwrap().dated_prices().unwrap();
        assert!(prices.len() > 5, "{prices:?}");
        let list = PriceList::new(prices);
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<PriceList>(&text).unwrap(), list);
    }

    #[test]
    fn impossible_prices_are_refused() {
        for (broken, words) in [
            (price("2026-01-01", "", 1.0), "the provider"),
            (price("2026-01-01", "a\u{7}", 1.0), "the provider"),
            (price("2026-01-01", "a", f64::NAN), "NaN, expected US dollars"),
            (price("2026-01-01", "a", -1.0), "-1, expected US dollars"),
        ] {
            assert!(broken.check().unwrap_err().to_string().contains(words), "{broken:?}");
        }
    }
}
