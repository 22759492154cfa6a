//! The cheapest configurations that meet objectives: cost with its interval, what limits it, and how many GPUs a demand takes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::FrontierKey;
use super::RunPoint;
use super::cost::{CostModel, PerMillion, PointCost, PowerSource, PriceKind};
use super::fleet::{BreakEven, DeploymentRates, Fleet, FleetDemand};
use super::slo::{ObjectiveReading, Slo};
use crate::model::{CurveKey, count};
use crate::result::{Metric, Point};

/// Which tokens are paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// Input and output.
    Total,
    Input,
    Output,
}

impl TokenKind {
    pub const ALL: [Self; 3] = [Self::Total, Self::Input, Self::Output];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Input => "input",
            Self::Output => "output",
        }
    }

    fn of(self, cost: &PointCost) -> Option<PerMillion> {
        match self {
            Self::Total => Some(cost.total),
            Self::Input => cost.input,
            Self::Output => cost.output,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct CostQuestion {
    /// All must be met.
    pub slos: Vec<Slo>,
    pub kind: TokenKind,
    pub tokens_per_month: Option<f64>,
    /// Power that a site has, kilowatts.
    pub power_kw: Option<f64>,
    /// The share of the time that deployments may be busy on average, above 0 and at most 1.
    pub utilisation: f64,
    /// What an API asks for a million tokens of the kind, US dollars.
    pub api_usd_per_million: Option<f64>,
}

impl CostQuestion {
    /// Without objectives and demands.
    #[must_use]
    pub fn of(kind: TokenKind) -> Self {
        Self {
            slos: Vec::new(),
            kind,
            tokens_per_month: None,
            power_kw: None,
            utilisation: 1.0,
            api_usd_per_million: None,
        }
    }
}

/// What a configuration costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cheapest {
    /// US dollars for a million tokens of the kind.
    pub usd_per_million: f64,
    /// The ends of its 95 % confidence interval, from that of the throughput; absent where the throughput has none.
    pub usd_per_million_low: Option<f64>,
    pub usd_per_million_high: Option<f64>,
    /// For the tokens that were asked for, a month, when only the time that serves them is paid.
    pub usd_per_month: Option<f64>,
    /// GPUs that serve the tokens that were asked for when they come evenly over a month of 730 hours; whole deployments.
    pub gpus_for_month: Option<f64>,
    pub usd_per_gpu_hour: f64,
    pub provider: String,
    pub price_date: String,
    pub price_kind: PriceKind,
    /// Where the price was read.
    pub price_source: Option<String>,
    /// Joules of the GPUs alone for a million tokens of the kind.
    pub joules_per_million: f64,
    /// Watt-hours with hosts and facility.
    pub wh_per_million: f64,
    pub gco2_per_million: f64,
    pub gpu_power_w: f64,
    pub power_source: PowerSource,
    /// Each objective with the point's number and what is left to the bound.
    pub objectives: Vec<ObjectiveReading>,
    /// The objective with the least left.
    pub limited_by: Option<String>,
    /// The next higher load of the same curve, if it would be cheaper: what the objectives cost.
    pub next: Option<NextLoad>,
    /// For the demand that was asked for.
    pub fleet: Option<Fleet>,
    /// Against the API that was asked for.
    pub break_even: Option<BreakEven>,
}

/// A cheaper load that misses objectives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NextLoad {
    pub conc: u32,
    pub usd_per_million: f64,
    pub missed: Vec<String>,
}

/// A configuration of which no measured load meets the objectives.
#[derive(Debug, Clone)]
pub struct Unreachable<'a> {
    /// The load that misses them by least.
    pub nearest: &'a Point,
    pub objectives: Vec<ObjectiveReading>,
}

/// The points that meet all objectives and have a cost, the cheapest first.
#[must_use]
pub fn cheapest<'a>(points: impl IntoIterator<Item = &'a Point>, question: &CostQuestion, costs: &CostModel) -> Vec<(&'a Point, Cheapest)> {
    let mut curves: BTreeMap<&CurveKey, Vec<&Point>> = BTreeMap::new();
    for point in points {
        curves.entry(&point.key.curve).or_default().push(point);
    }
    let mut valued = Vec::new();
    for curve in curves.values_mut() {
        curve.sort_by_key(|point| point.key.conc);
        for (at, point) in curve.iter().enumerate() {
            if !question.slos.iter().all(|slo| slo.is_met(point)) {
                continue;
            }
            if let Some(mut cost) = cost_of(point, question, costs) {
                cost.next = curve
                    .get(at + 1)
                    .and_then(|next| next_load(next, cost.usd_per_million, question, costs));
                valued.push((*point, cost));
            }
        }
    }
    valued.sort_by(|left, right| left.1.usd_per_million.total_cmp(&right.1.usd_per_million));
    valued
}

/// Of each curve the cheapest point; `points` are the cheapest first.
#[must_use]
pub fn cheapest_of_curves(points: Vec<(&Point, Cheapest)>) -> Vec<(&Point, Cheapest)> {
    let mut seen = std::collections::BTreeSet::new();
    points.into_iter().filter(|(point, _)| seen.insert(&point.key.curve)).collect()
}

fn next_load(next: &Point, usd: f64, question: &CostQuestion, costs: &CostModel) -> Option<NextLoad> {
    let missed: Vec<String> = question
        .slos
        .iter()
        .filter(|slo| !slo.is_met(next))
        .map(ToString::to_string)
        .collect();
    if missed.is_empty() {
        return None;
    }
    let cost = question.kind.of(&costs.of(next).ok()?)?.usd;
    (cost < usd).then(|| NextLoad {
        conc: next.key.conc.get(),
        usd_per_million: cost,
        missed,
    })
}

/// The curves of which no point meets the objectives, with the point that comes nearest.
#[must_use]
pub fn unreachable<'a>(points: impl IntoIterator<Item = &'a Point>, slos: &[Slo]) -> Vec<Unreachable<'a>> {
    let mut curves: BTreeMap<&CurveKey, Vec<&Point>> = BTreeMap::new();
    for point in points {
        curves.entry(&point.key.curve).or_default().push(point);
    }
    curves.retain(|_, points| !points.iter().any(|point| slos.iter().all(|slo| slo.is_met(point))));
    let nearest = curves.into_values().filter_map(|points| {
        let nearest = points
            .into_iter()
            .max_by(|left, right| least_headroom(left, slos).total_cmp(&least_headroom(right, slos)))?;
        Some(Unreachable {
            nearest,
            objectives: slos.iter().map(|slo| slo.read(nearest)).collect(),
        })
    });
    nearest.collect()
}

/// Negative where an objective is missed; minus infinity where the point lacks a number.
fn least_headroom(point: &Point, slos: &[Slo]) -> f64 {
    slos.iter()
        .map(|slo| slo.read(point).headroom.unwrap_or(f64::NEG_INFINITY))
        .fold(f64::INFINITY, f64::min)
}

fn cost_of(point: &Point, question: &CostQuestion, costs: &CostModel) -> Option<Cheapest> {
    let cost = costs.of(point).ok()?;
    let per_million = question.kind.of(&cost)?;
    let usd = per_million.usd;
    // Cost is the reciprocal of throughput, whatever the kind: the shares of input and output are those of the workload.
    let throughput = point.get(Metric::ThroughputPerGpu)?;
    let interval = point.interval(Metric::ThroughputPerGpu).filter(|ends| ends.low > 0.0);
    let rates = DeploymentRates {
        gpus: count(point.gpus),
        tokens_per_s: per_million.tokens_per_s,
        watts: per_million.wh * per_million.tokens_per_s * 3600.0 / 1e6,
        usd_per_hour: cost.usd_per_gpu_hour * count(point.gpus),
        users: f64::from(point.key.conc.get()),
    };
    let for_month = question
        .tokens_per_month
        .and_then(|tokens| rates.fleet(FleetDemand::TokensPerMonth(tokens), question.utilisation));
    let by_power = question
        .power_kw
        .and_then(|kilowatts| rates.fleet(FleetDemand::Kilowatts(kilowatts), question.utilisation));
    let objectives: Vec<ObjectiveReading> = question.slos.iter().map(|slo| slo.read(point)).collect();
    let left = objectives.iter().filter_map(|reading| Some((reading.headroom?, reading)));
    let tightest = left.min_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, reading)| reading);
    Some(Cheapest {
        usd_per_million: usd,
        usd_per_million_low: interval.map(|ends| usd * throughput / ends.high),
        usd_per_million_high: interval.map(|ends| usd * throughput / ends.low),
        usd_per_month: question.tokens_per_month.map(|tokens| tokens / 1e6 * usd),
        gpus_for_month: for_month.map(|fleet| fleet.gpus),
        usd_per_gpu_hour: cost.usd_per_gpu_hour,
        provider: cost.provider,
        price_date: cost.price_date,
        price_kind: cost.price_kind,
        price_source: cost.price_source,
        joules_per_million: per_million.gpu_j,
        wh_per_million: per_million.wh,
        gco2_per_million: per_million.gco2,
        gpu_power_w: cost.gpu_power_w,
        power_source: cost.power_source,
        limited_by: tightest.map(|reading| reading.objective.clone()),
        objectives,
        next: None,
        fleet: for_month.or(by_power),
        break_even: question.api_usd_per_million.and_then(|api| rates.break_even(api)),
    })
}

/// The cheapest point of a run on a frontier, at two prices.
#[derive(Debug, Clone, PartialEq)]
pub struct CostThen<'a> {
    pub found: &'a RunPoint,
    /// At the price that counts today.
    pub today: PointPrice,
    /// At the price of the same provider and kind that was known on the day of the measurement; `None` where the list begins later.
    pub then: Option<PointPrice>,
}

/// A cost with the price that it is computed from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointPrice {
    pub usd_per_million: f64,
    pub usd_per_gpu_hour: f64,
    pub provider: String,
    pub price_date: String,
}

impl PointPrice {
    fn of(cost: &PointCost, kind: TokenKind) -> Option<Self> {
        Some(Self {
            usd_per_million: kind.of(cost)?.usd,
            usd_per_gpu_hour: cost.usd_per_gpu_hour,
            provider: cost.provider.clone(),
            price_date: cost.price_date.clone(),
        })
    }
}

/// Of each run and frontier the point that costs least today among those that meet the objectives, in the order of the runs.
#[must_use]
pub fn costs_then<'a>(points: &'a [RunPoint], question: &CostQuestion, costs: &CostModel) -> Vec<CostThen<'a>> {
    let mut best: BTreeMap<(FrontierKey, i64), CostThen<'a>> = BTreeMap::new();
    for found in points {
        if !question.slos.iter().all(|slo| slo.is_met(&found.point)) {
            continue;
        }
        let Some(today) = costs.of(&found.point).ok().and_then(|cost| PointPrice::of(&cost, question.kind)) else {
            continue;
        };
        let key = (FrontierKey::of(&found.point.key.curve), found.run);
        let is_cheaper = best
            .get(&key)
            .is_none_or(|known| today.usd_per_million < known.today.usd_per_million);
        if is_cheaper {
            let day = found.started.format("%Y-%m-%d").to_string();
            let then = costs.on(&found.point, &day).ok();
            let then = then.and_then(|cost| PointPrice::of(&cost, question.kind));
            best.insert(key, CostThen { found, today, then });
        }
    }
    let mut found: Vec<CostThen<'a>> = best.into_values().collect();
    found.sort_by_key(|one| (one.found.started, one.found.run));
    found
}

#[cfg(test)]
mod tests;
