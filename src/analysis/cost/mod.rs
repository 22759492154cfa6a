//! Costs of a million tokens in money, energy and carbon, from a point's throughput and `hardware.yaml`. Energy from measured power is
//! distinguished from energy by the thermal design power, which is an upper bound.
//!
//! The cost of a deployment per second is divided by its tokens of one kind per second. So dollars per million output tokens include
//! the work for the prompts, as InferenceX's joules per output token do.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Layout;
use crate::model::count;
use crate::result::{Metric, Point};

mod document;
mod prices;

use document::{Document, Facility, Price};
pub use document::{HardwareCost, PriceKind, schema as hardware_schema};
pub use prices::{DatedPrice, PRICES_SCHEMA, PriceList};

/// The file that imax is built with.
const BUILT_IN: &str = include_str!("../../../configs/hardware.yaml");

/// Prices, power and carbon, as `hardware.yaml` has them.
#[derive(Debug, Clone)]
pub struct CostModel {
    facility: Facility,
    /// Prices of a GPU, if given.
    hardware: BTreeMap<String, Option<HardwareCost>>,
    provider: Option<String>,
    price_kind: Option<PriceKind>,
}

/// Why a file is not a valid cost model.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// The file has another structure.
    #[error("{0}")]
    Form(Box<serde_saphyr::Error>),
    /// A number is out of range.
    #[error("`{key}` is {found}, expected {expected}")]
    Number { key: String, found: f64, expected: &'static str },
    /// No GPU has a price of the provider.
    #[error("unknown provider {found:?}; there are prices of {}", known.join(", "))]
    Provider {
        /// The requested value.
        found: String,
        known: Vec<String>,
    },
}

/// Why a point has no cost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostGap {
    /// Its hardware is not in the file.
    #[error("no cost: {hardware} is not in hardware.yaml, which has {}", known.join(", "))]
    UnknownHardware {
        hardware: String,
        /// What the file has.
        known: Vec<String>,
    },
    /// Its hardware has no price of the provider.
    #[error("no cost: {provider} has no price for {hardware}")]
    NoPrice { hardware: String, provider: String },
    /// It has no numbers.
    #[error("no cost: nothing was measured")]
    NotMeasured,
}

/// The source of the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerSource {
    /// Sampled while the load ran.
    Measured,
    /// The GPU's thermal design power.
    Tdp,
}

/// The cost of a million tokens of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PerMillion {
    /// US dollars.
    pub usd: f64,
    /// Watt-hours of GPUs, their hosts and the site.
    pub wh: f64,
    /// Grams of CO2.
    pub gco2: f64,
    /// Joules of the GPUs alone.
    #[serde(skip)]
    pub gpu_j: f64,
    /// How fast the whole deployment handles tokens of the kind.
    #[serde(skip)]
    pub tokens_per_s: f64,
}

/// The cost of a point's tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointCost {
    /// US dollars for one GPU-hour.
    pub usd_per_gpu_hour: f64,
    /// The provider of the price.
    pub provider: String,
    /// The day of the price.
    pub price_date: String,
    #[serde(skip)]
    pub price_kind: PriceKind,
    /// Where the price was read.
    #[serde(skip)]
    pub price_source: Option<String>,
    /// Power of one GPU, watts.
    pub gpu_power_w: f64,
    /// Where that is from.
    pub power_source: PowerSource,
    /// Input and output tokens.
    pub total: PerMillion,
    /// Input tokens; `None` if there are none.
    pub input: Option<PerMillion>,
    pub output: Option<PerMillion>,
    /// Energy of the GPUs alone for one output token, joules.
    pub joules_per_output_token: Option<f64>,
}

impl CostModel {
    /// Reads the file that imax is built with. `provider` as of [`CostModel::parse`].
    ///
    /// # Errors
    /// [`CostError::Provider`].
    pub fn built_in(provider: Option<&str>) -> Result<Self, CostError> {
        Self::parse(BUILT_IN, provider)
    }

    /// Reads `hardware.yaml`. `provider` chooses among the prices; without it the first of each GPU counts.
    ///
    /// # Errors
    /// [`CostError`].
    pub fn parse(yaml: &str, provider: Option<&str>) -> Result<Self, CostError> {
        let document: Document = serde_saphyr::from_str(yaml).map_err(|error| CostError::Form(Box::new(error)))?;
        document.facility.check()?;
        let mut hardware = BTreeMap::new();
        for (name, entry) in document.hardware {
            if let Some(cost) = &entry.cost {
                cost.check(&name)?;
            }
            hardware.insert(name, entry.cost);
        }
        let model = Self {
            facility: document.facility,
            hardware,
            provider: provider.map(str::to_owned),
            price_kind: None,
        };
        model.check_provider()?;
        Ok(model)
    }

    /// The same with prices of one kind alone.
    #[must_use]
    pub fn with_price_kind(self, kind: Option<PriceKind>) -> Self {
        Self { price_kind: kind, ..self }
    }

    /// The same with prices of a provider alone, or with the first of each GPU.
    ///
    /// # Errors
    /// [`CostError::Provider`].
    pub fn of_provider(self, provider: Option<&str>) -> Result<Self, CostError> {
        let model = Self {
            provider: provider.map(str::to_owned),
            ..self
        };
        model.check_provider()?;
        Ok(model)
    }

    fn check_provider(&self) -> Result<(), CostError> {
        let Some(wanted) = &self.provider else { return Ok(()) };
        let prices = self.hardware.values().flatten().flat_map(|hardware| &hardware.prices);
        let mut known: Vec<String> = prices.map(|price| price.provider.clone()).collect();
        if known.contains(wanted) {
            return Ok(());
        }
        known.sort();
        known.dedup();
        Err(CostError::Provider {
            found: wanted.clone(),
            known,
        })
    }

    /// What a point's tokens cost.
    ///
    /// # Errors
    /// [`CostGap`] with the reason why it is not known.
    pub fn of(&self, point: &Point) -> Result<PointCost, CostGap> {
        let label = point.key.curve.runner.as_str();
        let hardware = self.hardware(label)?;
        let price = self.price(hardware).ok_or_else(|| self.no_price(label))?;
        self.at(price, hardware, point)
    }

    /// What a point's tokens cost at the newest price that was known on a day (`2026-11-30`): of the provider and kind of the price that counts
    /// today.
    ///
    /// # Errors
    /// [`CostGap`], also where all prices are newer.
    pub fn on(&self, point: &Point, day: &str) -> Result<PointCost, CostGap> {
        let label = point.key.curve.runner.as_str();
        let hardware = self.hardware(label)?;
        let today = self.price(hardware).ok_or_else(|| self.no_price(label))?;
        let known = hardware
            .prices
            .iter()
            .filter(|price| price.provider == today.provider && price.kind == today.kind && price.date.as_str() <= day);
        // Days of ISO 8601 are in the order of their texts.
        let price = known.max_by(|left, right| left.date.cmp(&right.date));
        self.at(price.ok_or_else(|| self.no_price(label))?, hardware, point)
    }

    /// The price that counts.
    fn price<'a>(&self, hardware: &'a HardwareCost) -> Option<&'a Price> {
        hardware.prices.iter().find(|price| {
            self.provider.as_ref().is_none_or(|provider| price.provider == *provider)
                && self.price_kind.is_none_or(|kind| price.kind == kind)
        })
    }

    fn at(&self, price: &Price, hardware: &HardwareCost, point: &Point) -> Result<PointCost, CostGap> {
        let rates = Rates::of(point).ok_or(CostGap::NotMeasured)?;
        let measured = point
            .measurement()
            .and_then(|numbers| numbers.number("avg_power_w"))
            .filter(|watts| *watts > 0.0);
        let (gpu_power_w, power_source) = match measured {
            Some(watts) => (watts, PowerSource::Measured),
            None => (hardware.tdp_w, PowerSource::Tdp),
        };
        let watts = (gpu_power_w + hardware.host_w) * self.facility.pue * rates.gpus;
        let second = SecondCost {
            usd: price.usd_per_gpu_hour / SECONDS_AN_HOUR * rates.gpus,
            watts,
            gpu_watts: gpu_power_w * rates.gpus,
            carbon_g_per_kwh: self.facility.carbon_g_per_kwh,
        };
        Ok(PointCost {
            usd_per_gpu_hour: price.usd_per_gpu_hour,
            provider: price.provider.clone(),
            price_date: price.date.clone(),
            price_kind: price.kind,
            price_source: price.source.clone(),
            gpu_power_w,
            power_source,
            total: second.per_million(rates.total),
            input: rates
                .output
                .and_then(|output| positive(rates.total - output))
                .map(|rate| second.per_million(rate)),
            output: rates.output.and_then(positive).map(|rate| second.per_million(rate)),
            joules_per_output_token: rates.output.and_then(positive).map(|output| gpu_power_w * rates.gpus / output),
        })
    }

    /// Whether any hardware has a price.
    #[must_use]
    pub fn has_prices(&self) -> bool {
        self.hardware.values().flatten().any(|cost| !cost.prices.is_empty())
    }

    /// Power and prices of a runner label's hardware, if the file has them.
    #[must_use]
    pub fn cost_of(&self, label: &str) -> Option<&HardwareCost> {
        self.entry(label)?.as_ref()
    }

    /// Whether the hardware of a runner label is described, with or without a price.
    #[must_use]
    pub fn knows(&self, label: &str) -> bool {
        self.entry(label).is_some()
    }

    /// The hardware that is described.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.hardware.keys().map(String::as_str)
    }

    fn hardware(&self, label: &str) -> Result<&HardwareCost, CostGap> {
        let entry = self.entry(label).ok_or_else(|| CostGap::UnknownHardware {
            hardware: label.to_owned(),
            known: self.hardware.keys().cloned().collect(),
        })?;
        entry.as_ref().ok_or_else(|| self.no_price(label))
    }

    fn no_price(&self, label: &str) -> CostGap {
        CostGap::NoPrice {
            hardware: label.to_owned(),
            provider: self.provider.clone().unwrap_or_else(|| "anybody".to_owned()),
        }
    }

    /// The hardware of a runner label: its name, or the longest name that is a word of it, as `h200` of `cluster:h200-nvl`.
    fn entry(&self, label: &str) -> Option<&Option<HardwareCost>> {
        let lower = label.to_ascii_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let named = self.hardware.iter().filter(|(name, _)| words.contains(&name.as_str()));
        let longest = named.max_by_key(|(name, _)| name.len());
        longest.map(|(_, hardware)| hardware)
    }
}

fn positive(rate: f64) -> Option<f64> {
    (rate > 0.0).then_some(rate)
}

/// What a second of serving consumes.
#[derive(Clone, Copy)]
struct SecondCost {
    usd: f64,
    /// Power of GPUs, hosts and facility, watts.
    watts: f64,
    gpu_watts: f64,
    carbon_g_per_kwh: f64,
}

impl SecondCost {
    fn per_million(self, tokens_per_s: f64) -> PerMillion {
        let seconds = MILLION / tokens_per_s;
        let wh = self.watts * seconds / SECONDS_AN_HOUR;
        PerMillion {
            usd: self.usd * seconds,
            wh,
            gco2: wh / 1000.0 * self.carbon_g_per_kwh,
            gpu_j: self.gpu_watts * seconds,
            tokens_per_s,
        }
    }
}

const SECONDS_AN_HOUR: f64 = 3600.0;
const MILLION: f64 = 1e6;

/// Tokens a second of the whole deployment.
struct Rates {
    gpus: f64,
    total: f64,
    output: Option<f64>,
}

impl Rates {
    fn of(point: &Point) -> Option<Self> {
        let gpus = count(point.gpus);
        // Output throughput is per GPU that generates, which need not be all GPUs.
        let generating = match &point.layout {
            Layout::MultiNode { decode, .. } if decode.gpus() > 0 => count(decode.gpus()),
            Layout::SingleNode(_) | Layout::MultiNode { .. } => gpus,
        };
        let total = point.get(Metric::ThroughputPerGpu)? * gpus;
        let output = point.get(Metric::OutputThroughputPerGpu).map(|rate| rate * generating);
        (total > 0.0).then_some(Self { gpus, total, output })
    }
}

#[cfg(test)]
mod tests;
