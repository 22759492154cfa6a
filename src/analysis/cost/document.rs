//! The form of `hardware.yaml`: facts, power and prices of hardware.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CostError;
use crate::model::json_schema;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "imax hardware")]
pub(super) struct Document {
    pub facility: Facility,
    /// Hardware by its name, which is a word of the runners' label, such as `h200`.
    pub hardware: BTreeMap<String, Entry>,
}

/// The site with the computers.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Facility {
    /// Power of the whole site by that of its computers (power usage effectiveness).
    #[schemars(range(min = 1.0))]
    pub pue: f64,
    /// Grams of CO2 for a kWh.
    #[schemars(range(min = 0.0))]
    pub carbon_g_per_kwh: f64,
}

/// One kind of hardware. The peak rates are read by the simulated engine alone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Maker of the GPU.
    #[serde(rename = "vendor")]
    #[schemars(with = "String")]
    _vendor: IgnoredAny,
    /// Dense TFLOP/s of a GPU by precision.
    #[serde(default, rename = "peak_tflops")]
    #[schemars(with = "BTreeMap<String, f64>")]
    _peak_tflops: IgnoredAny,
    /// Memory of a GPU, decimal GB.
    #[serde(default, rename = "hbm_gb")]
    #[schemars(with = "f64")]
    _hbm_gb: IgnoredAny,
    /// Memory bandwidth of a GPU, decimal GB/s.
    #[serde(default, rename = "hbm_gb_per_s")]
    #[schemars(with = "f64")]
    _hbm_gb_per_s: IgnoredAny,
    /// Power and prices; without them reports show no costs of this hardware.
    #[schemars(with = "HardwareCost", default)]
    pub cost: Option<HardwareCost>,
}

/// Power and prices of one GPU and its share of the server.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HardwareCost {
    /// Thermal design power of a GPU, watts.
    #[schemars(range(min = 1.0))]
    pub tdp_w: f64,
    /// What the rest of the server draws for each GPU at most, watts.
    #[schemars(range(min = 0.0))]
    pub host_w: f64,
    /// Prices; the first one counts unless a provider is named. Older prices of the same provider and kind date costs of the past.
    pub prices: Vec<Price>,
}

/// The price of a GPU.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Who asks for it.
    pub provider: String,
    /// The day on which it was read or agreed on.
    pub date: String,
    /// US dollars for one GPU-hour.
    #[schemars(range(min = 0.0))]
    pub usd_per_gpu_hour: f64,
    #[serde(default)]
    pub kind: PriceKind,
    /// Where it was read, such as a URL.
    #[serde(default)]
    pub source: Option<String>,
}

/// What is agreed on with a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PriceKind {
    /// Paid by the hour, for as long as it is used.
    #[default]
    OnDemand,
    /// Can be taken away at any time.
    Spot,
    /// Paid for a year or longer.
    Reserved,
    /// Nobody asks for it: an assumption.
    Estimate,
}

impl PriceKind {
    pub const ALL: [Self; 4] = [Self::OnDemand, Self::Spot, Self::Reserved, Self::Estimate];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
            Self::Reserved => "reserved",
            Self::Estimate => "estimate",
        }
    }
}

/// The schema of a hardware file.
#[must_use]
pub fn schema() -> Value {
    json_schema::<Document>()
}

impl Facility {
    pub(super) fn check(self) -> Result<(), CostError> {
        let Self { pue, carbon_g_per_kwh } = self;
        at_least("facility.pue", pue, 1.0, "1 or more")?;
        at_least("facility.carbon_g_per_kwh", carbon_g_per_kwh, 0.0, "0 or more")
    }
}

impl HardwareCost {
    pub(super) fn check(&self, name: &str) -> Result<(), CostError> {
        at_least(&format!("{name}.tdp_w"), self.tdp_w, 1.0, "watts")?;
        at_least(&format!("{name}.host_w"), self.host_w, 0.0, "watts")?;
        for price in &self.prices {
            at_least(&format!("{name}.usd_per_gpu_hour"), price.usd_per_gpu_hour, 0.0, "dollars")?;
        }
        Ok(())
    }
}

fn at_least(key: &str, found: f64, least: f64, expected: &'static str) -> Result<(), CostError> {
    if found.is_finite() && found >= least {
        return Ok(());
    }
    Err(CostError::Number {
        key: key.to_owned(),
        found,
        expected,
    })
}
