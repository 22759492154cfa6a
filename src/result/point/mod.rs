//! The normalised result of one point, as the rest of imax reads it. A point that failed is a point as well: every table shows it
//! with its reason.

mod numbers;
mod provenance;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use numbers::{FAILED_REQUESTS, SUCCESSFUL_REQUESTS, USUAL_NUMBERS};
pub use provenance::Provenance;

use crate::matrix::Row;
use crate::model::{Concurrency, FailureClass, Layout, Metric, PointKey, Statistic};

/// One point of a matrix row, and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Point {
    pub key: PointKey,
    /// The model as its hub names it.
    pub model: Option<String>,
    /// The engine's container image: what comparisons compare, so not part of the key.
    pub image: Option<String>,
    /// The split over GPUs.
    pub layout: Layout,
    /// GPUs in use.
    pub gpus: u64,
    pub outcome: PointOutcome,
    /// Confidence intervals of the metrics, from the requests of this measurement; empty if the load generator reports none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<MetricInterval>,
    /// How the numbers came to be, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Box<Provenance>>,
}

/// A 95% confidence interval of a metric's mean from the requests of one measurement, in the metric's unit. It does not cover the
/// variation between runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricInterval {
    pub metric: Metric,
    pub low: f64,
    pub high: f64,
}

/// The outcome of measuring a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointOutcome {
    Measured(Measurement),
    /// No numbers, and the reason.
    Failed(PointFailure),
}

/// Why a point has no numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointFailure {
    /// The class of the failure.
    pub class: FailureClass,
    pub reason: String,
}

/// The numbers of a point by the names of `agg_*.json`: times in seconds, rates a second, throughput per GPU. All are
/// finite.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Measurement(#[serde(with = "numbers")] Vec<(Cow<'static, str>, f64)>);

impl Measurement {
    /// Collects named numbers. NaN and infinite ones are left out.
    pub fn new<'a>(numbers: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let finite = numbers.into_iter().filter(|(_, number)| number.is_finite());
        let mut named: Vec<_> = finite.map(|(name, number)| (numbers::name(name), number)).collect();
        // The list grew by doubling. A run can have a hundred thousand points, so the unused capacity is given back.
        named.shrink_to_fit();
        Self(named)
    }

    /// As [`Measurement::new`], of numbers with usual names and of others. The names are not looked up: a history reads fifty for each point.
    pub fn of_usual<'a>(usual: impl IntoIterator<Item = (&'static str, f64)>, others: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let usual = usual.into_iter().map(|(name, number)| (Cow::Borrowed(name), number));
        let others = others.into_iter().map(|(name, number)| (numbers::name(name), number));
        let mut named: Vec<_> = usual.chain(others).filter(|(_, number)| number.is_finite()).collect();
        named.shrink_to_fit();
        Self(named)
    }

    /// A number by its name in the document.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, number)| *number)
    }

    /// All numbers with their names.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, number)| (name.as_ref(), *number))
    }

    /// A metric; `None` if the load generator did not report it.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        names(metric).iter().find_map(|name| self.number(name))
    }

    /// A metric by the requested statistic; `None` if the load generator did not report that statistic.
    #[must_use]
    pub fn by(&self, metric: Metric, statistic: Statistic) -> Option<f64> {
        match (statistic, mean_name(metric)) {
            (Statistic::Mean, Some(name)) => self.number(name),
            (Statistic::Mean, None) | (Statistic::Median, _) => self.get(metric),
        }
    }
}

impl Point {
    /// A point of a row that failed.
    #[must_use]
    pub fn failed(row: &Row, conc: Concurrency, failure: PointFailure) -> Self {
        Self {
            key: PointKey {
                curve: row.curve_key(),
                conc,
            },
            model: Some(row.model.as_str().to_owned()),
            image: Some(row.image.as_str().to_owned()),
            layout: row.layout.clone(),
            gpus: row.layout.gpus(),
            outcome: PointOutcome::Failed(failure),
            intervals: Vec::new(),
            provenance: None,
        }
    }

    /// The numbers, if any.
    #[must_use]
    pub fn measurement(&self) -> Option<&Measurement> {
        match &self.outcome {
            PointOutcome::Measured(measurement) => Some(measurement),
            PointOutcome::Failed(_) => None,
        }
    }

    /// The interval of a metric.
    #[must_use]
    pub fn interval(&self, metric: Metric) -> Option<MetricInterval> {
        self.intervals.iter().find(|interval| interval.metric == metric).copied()
    }

    /// A metric of a measured point.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.measurement()?.get(metric)
    }

    /// A metric of a measured point by the requested statistic.
    #[must_use]
    pub fn by(&self, metric: Metric, statistic: Statistic) -> Option<f64> {
        self.measurement()?.by(metric, statistic)
    }
}

/// The name of the mean in the document; `None` for metrics that do not summarise requests, and for percentiles.
fn mean_name(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::Ttft => Some("mean_ttft"),
        Metric::Tpot => Some("mean_tpot"),
        Metric::Interactivity => Some("mean_intvty"),
        Metric::E2el => Some("mean_e2el"),
        Metric::ThroughputPerGpu
        | Metric::OutputThroughputPerGpu
        | Metric::InputThroughputPerGpu
        | Metric::TtftP99
        | Metric::E2elP99
        | Metric::Qps
        | Metric::CacheHitRate => None,
    }
}

/// Names in the document, the usual one first: some load generators write `p50` for the median.
fn names(metric: Metric) -> &'static [&'static str] {
    match metric {
        Metric::ThroughputPerGpu => &["tput_per_gpu"],
        Metric::OutputThroughputPerGpu => &["output_tput_per_gpu"],
        Metric::InputThroughputPerGpu => &["input_tput_per_gpu"],
        Metric::Ttft => &["median_ttft", "p50_ttft", "ttft_p50"],
        Metric::TtftP99 => &["p99_ttft", "ttft_p99"],
        Metric::Tpot => &["median_tpot", "p50_tpot", "tpot_p50"],
        Metric::Interactivity => &["median_intvty", "p50_intvty", "intvty_p50"],
        Metric::E2el => &["median_e2el", "p50_e2el", "e2e_latency_p50"],
        Metric::E2elP99 => &["p99_e2el", "e2e_latency_p99"],
        // Requests are counted in windows of a second, so the median is a whole number, and often zero.
        Metric::Qps => &["mean_qps"],
        Metric::CacheHitRate => &["server_overall_cache_hit_rate"],
    }
}
