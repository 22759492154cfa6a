//! The normalised result of one case, as the rest of imax reads it. A case that failed is a point as well: it appears
//! in every table with its reason.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::model::{Layout, PointKey};

/// One measured case, and what came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its identity.
    pub key: PointKey,
    /// The model as its hub names it.
    pub model: Option<String>,
    /// The engine's container image: what comparisons compare, so not part of the key.
    pub image: Option<String>,
    /// The split over GPUs.
    pub layout: Layout,
    /// GPUs in use.
    pub gpus: u64,
    /// What came out.
    pub outcome: PointOutcome,
}

/// What came out of measuring a case.
#[derive(Debug, Clone, PartialEq)]
pub enum PointOutcome {
    /// Numbers.
    Measured(Measurement),
    /// None, and why.
    Failed(PointFailure),
}

/// Why a case has no numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointFailure {
    /// The class of the failure, as `job.json` names it (`server`, `client`, `infra`, `timeout`, `cancelled`, `invalid`),
    /// or `missing` where not even that is known.
    pub class: String,
    /// One sentence.
    pub reason: String,
}

/// The numbers of a point by the names of `agg_*.json`: times in seconds, rates a second, throughput per GPU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measurement(IndexMap<Box<str>, f64>);

impl Measurement {
    /// Collects named numbers.
    pub fn new<'a>(numbers: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        Self(numbers.into_iter().map(|(name, number)| (name.into(), number)).collect())
    }

    /// A number by its name in the document.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// A metric; `None` where the load generator did not report it, or where it is not finite.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        let found = metric.names().iter().find_map(|name| self.number(name));
        found.filter(|number| number.is_finite())
    }

    /// All numbers in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, number)| (&**name, *number))
    }
}

impl Point {
    /// The numbers, where there are any.
    #[must_use]
    pub fn measurement(&self) -> Option<&Measurement> {
        match &self.outcome {
            PointOutcome::Measured(measurement) => Some(measurement),
            PointOutcome::Failed(_) => None,
        }
    }

    /// A metric of a measured point.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.measurement()?.get(metric)
    }
}

/// What is shown, compared and plotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Input and output tokens a second and GPU.
    ThroughputPerGpu,
    /// Output tokens a second and GPU that generates.
    OutputThroughputPerGpu,
    /// Input tokens a second and GPU that reads prompts.
    InputThroughputPerGpu,
    /// Median time to first token, seconds.
    Ttft,
    /// 99th percentile of the time to first token, seconds.
    TtftP99,
    /// Median time per output token after the first, seconds.
    Tpot,
    /// Median output tokens a second that one user sees.
    Interactivity,
    /// Median end-to-end latency of a request, seconds.
    E2el,
    /// 99th percentile of the end-to-end latency, seconds.
    E2elP99,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

impl Metric {
    /// All, in the order of tables.
    pub const ALL: [Self; 9] = [
        Self::ThroughputPerGpu,
        Self::OutputThroughputPerGpu,
        Self::InputThroughputPerGpu,
        Self::Ttft,
        Self::TtftP99,
        Self::Tpot,
        Self::Interactivity,
        Self::E2el,
        Self::E2elP99,
    ];

    /// Which way it is better.
    #[must_use]
    pub fn better(self) -> Better {
        match self {
            Self::ThroughputPerGpu | Self::OutputThroughputPerGpu | Self::InputThroughputPerGpu | Self::Interactivity => Better::Higher,
            Self::Ttft | Self::TtftP99 | Self::Tpot | Self::E2el | Self::E2elP99 => Better::Lower,
        }
    }

    /// The name for machines, also the name of its JSON form.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::ThroughputPerGpu => "throughput-per-gpu",
            Self::OutputThroughputPerGpu => "output-throughput-per-gpu",
            Self::InputThroughputPerGpu => "input-throughput-per-gpu",
            Self::Ttft => "ttft",
            Self::TtftP99 => "ttft-p99",
            Self::Tpot => "tpot",
            Self::Interactivity => "interactivity",
            Self::E2el => "e2el",
            Self::E2elP99 => "e2el-p99",
        }
    }

    /// Names in the document, the usual one first: some load generators write `p50` for the median.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::ThroughputPerGpu => &["tput_per_gpu"],
            Self::OutputThroughputPerGpu => &["output_tput_per_gpu"],
            Self::InputThroughputPerGpu => &["input_tput_per_gpu"],
            Self::Ttft => &["median_ttft", "p50_ttft", "ttft_p50"],
            Self::TtftP99 => &["p99_ttft", "ttft_p99"],
            Self::Tpot => &["median_tpot", "p50_tpot", "tpot_p50"],
            Self::Interactivity => &["median_intvty", "p50_intvty", "intvty_p50"],
            Self::E2el => &["median_e2el", "p50_e2el", "e2e_latency_p50"],
            Self::E2elP99 => &["p99_e2el", "e2e_latency_p99"],
        }
    }
}
