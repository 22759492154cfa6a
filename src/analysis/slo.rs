//! Service-level objectives, and the best point that meets them: `ttft:p99<500` is a time to first token of less than 500 ms
//! for 99 of 100 requests.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::cost::CostModel;
use super::run::Run;
use crate::model::{ModelPrefix, Workload};
use crate::result::{Metric, Point};

/// A bound on a statistic of a latency, or of the interactivity.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    text: String,
    /// The names of the number in a document.
    names: Vec<String>,
    /// Factor from the document's unit to the unit of the bound.
    scale: f64,
    bound: f64,
    above: bool,
}

/// What is left between a point's number and the bound of an objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectiveReading {
    pub objective: String,
    /// In milliseconds, or tokens a second and user; `None` where it was not reported.
    pub value: Option<f64>,
    pub bound: f64,
    /// The distance to the bound as a share of it; negative where the objective is missed.
    pub headroom: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid objective {0:?}; expected METRIC:STATISTIC<BOUND such as ttft:p99<500, with ttft, tpot, itl or e2el in milliseconds, or \
     interactivity:median>30 in tokens a second; statistics are mean, median, p90, p95, p99"
)]
pub struct SloError(String);

const STATISTICS: [&str; 6] = ["mean", "median", "p50", "p90", "p95", "p99"];

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || SloError(text.to_owned());
        let at = text.find(['<', '>']).ok_or_else(invalid)?;
        let (what, bound) = (&text[..at], text[at + 1..].trim_start_matches('='));
        let (metric, statistic) = what.split_once(':').ok_or_else(invalid)?;
        let statistic = STATISTICS
            .into_iter()
            .find(|known| *known == statistic.trim())
            .ok_or_else(invalid)?;
        let above = text[at..].starts_with('>');
        let (metric, scale) = match (metric.trim(), above) {
            (metric @ ("ttft" | "tpot" | "itl" | "e2el"), false) => (metric, 1000.0),
            ("interactivity" | "intvty", true) => ("intvty", 1.0),
            (_, _) => return Err(invalid()),
        };
        let bound: f64 = bound.trim().trim_end_matches("ms").parse().map_err(|_| invalid())?;
        if !bound.is_finite() || bound <= 0.0 {
            return Err(invalid());
        }
        let statistics = match statistic {
            "median" | "p50" => vec!["median", "p50"],
            other => vec![other],
        };
        Ok(Self {
            text: text.to_owned(),
            names: statistics.into_iter().map(|statistic| format!("{statistic}_{metric}")).collect(),
            scale,
            bound,
            above,
        })
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Slo {
    /// Whether a point meets the objective. A point without the number does not.
    #[must_use]
    pub fn is_met(&self, point: &Point) -> bool {
        self.value(point)
            .is_some_and(|number| if self.above { number > self.bound } else { number < self.bound })
    }

    /// The number of a point beside the bound.
    #[must_use]
    pub fn read(&self, point: &Point) -> ObjectiveReading {
        let value = self.value(point);
        let left = value.map(|value| if self.above { value - self.bound } else { self.bound - value });
        ObjectiveReading {
            objective: self.text.clone(),
            value,
            bound: self.bound,
            headroom: left.map(|left| left / self.bound),
        }
    }

    /// The number of a point in the unit of the bound.
    fn value(&self, point: &Point) -> Option<f64> {
        let numbers = point.measurement()?;
        let number = self.names.iter().find_map(|name| numbers.number(name))?;
        Some(number * self.scale)
    }
}

/// The quantity by which the best point is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BestBy {
    /// Dollars per million tokens.
    Cost,
    /// Watt-hours per million tokens.
    Energy,
    /// Tokens a second and GPU.
    Throughput,
}

/// The best point of a model and workload; none if no point meets the objectives.
#[derive(Debug, Clone)]
pub struct Best<'a> {
    /// The model's short name.
    pub model_prefix: &'a ModelPrefix,
    /// What the requests look like.
    pub workload: Workload,
    /// The point, and its value.
    pub point: Option<(&'a Point, f64)>,
    /// The number of points of the model and workload that meet the objectives.
    pub meeting: usize,
    /// The number of points of the model and workload.
    pub of: usize,
}

/// The best point of each model and workload among those that meet all objectives.
#[must_use]
pub fn best_points<'a>(run: &'a Run, slos: &[Slo], by: BestBy, costs: &CostModel) -> Vec<Best<'a>> {
    let mut groups: BTreeMap<(&ModelPrefix, Workload), Vec<&Point>> = BTreeMap::new();
    for point in &run.points {
        let curve = &point.key.curve;
        groups.entry((&curve.model_prefix, curve.workload)).or_default().push(point);
    }
    let best = groups.into_iter().map(|((model_prefix, workload), points)| {
        let meeting: Vec<&Point> = points
            .iter()
            .copied()
            .filter(|point| slos.iter().all(|slo| slo.is_met(point)))
            .collect();
        let valued = meeting.iter().filter_map(|point| Some((*point, value(point, by, costs)?)));
        let point = match by {
            BestBy::Cost | BestBy::Energy => valued.min_by(|left, right| left.1.total_cmp(&right.1)),
            BestBy::Throughput => valued.max_by(|left, right| left.1.total_cmp(&right.1)),
        };
        Best {
            model_prefix,
            workload,
            point,
            meeting: meeting.len(),
            of: points.len(),
        }
    });
    best.collect()
}

fn value(point: &Point, by: BestBy, costs: &CostModel) -> Option<f64> {
    match by {
        BestBy::Cost => costs.of(point).ok().map(|cost| cost.total.usd),
        BestBy::Energy => costs.of(point).ok().map(|cost| cost.total.wh),
        BestBy::Throughput => point.get(Metric::ThroughputPerGpu),
    }
}
