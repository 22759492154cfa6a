//! The cheapest configurations that meet objectives, with the interval of their costs.

use serde::Serialize;

use super::cost::CostModel;
use super::slo::Slo;
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
}

/// What a configuration costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cheapest {
    /// US dollars for a million tokens of the kind.
    pub usd_per_million: f64,
    /// The ends of its 95 % confidence interval, from that of the throughput; absent where the throughput has none.
    pub usd_per_million_low: Option<f64>,
    pub usd_per_million_high: Option<f64>,
    /// For the tokens that were asked for, a month.
    pub usd_per_month: Option<f64>,
    /// GPUs that serve the tokens that were asked for when they come evenly over a month of 730 hours; whole deployments.
    pub gpus_for_month: Option<f64>,
    pub usd_per_gpu_hour: f64,
    pub provider: String,
    pub price_date: String,
}

const SECONDS_A_MONTH: f64 = 730.0 * 3600.0;

/// The points that meet all objectives and have a cost, the cheapest first.
#[must_use]
pub fn cheapest<'a>(
    points: impl IntoIterator<Item = &'a Point>,
    slos: &[Slo],
    kind: TokenKind,
    tokens_per_month: Option<f64>,
    costs: &CostModel,
) -> Vec<(&'a Point, Cheapest)> {
    let meeting = points.into_iter().filter(|point| slos.iter().all(|slo| slo.is_met(point)));
    let mut valued: Vec<(&Point, Cheapest)> = meeting
        .filter_map(|point| Some((point, cost_of(point, kind, tokens_per_month, costs)?)))
        .collect();
    valued.sort_by(|left, right| left.1.usd_per_million.total_cmp(&right.1.usd_per_million));
    valued
}

fn cost_of(point: &Point, kind: TokenKind, tokens_per_month: Option<f64>, costs: &CostModel) -> Option<Cheapest> {
    let cost = costs.of(point).ok()?;
    let per_million = match kind {
        TokenKind::Total => Some(cost.total),
        TokenKind::Input => cost.input,
        TokenKind::Output => cost.output,
    };
    let usd = per_million?.usd;
    // Cost is the reciprocal of throughput, whatever the kind: the shares of input and output are those of the workload.
    let throughput = point.get(Metric::ThroughputPerGpu)?;
    let interval = point.interval(Metric::ThroughputPerGpu).filter(|ends| ends.low > 0.0);
    let usd_per_month = tokens_per_month.map(|tokens| tokens / 1e6 * usd);
    #[expect(clippy::cast_precision_loss, reason = "numbers of GPUs are far below 2^52")]
    let gpus = point.gpus as f64;
    // Dollars a million tokens and dollars a GPU-second give tokens a GPU-second.
    let tokens_per_gpu_s = cost.usd_per_gpu_hour / 3600.0 * 1e6 / usd;
    let deployments = tokens_per_month.map(|tokens| (tokens / SECONDS_A_MONTH / (tokens_per_gpu_s * gpus)).ceil());
    Some(Cheapest {
        usd_per_million: usd,
        usd_per_million_low: interval.map(|ends| usd * throughput / ends.high),
        usd_per_million_high: interval.map(|ends| usd * throughput / ends.low),
        usd_per_month,
        gpus_for_month: deployments.map(|deployments| deployments * gpus).filter(|gpus| gpus.is_finite()),
        usd_per_gpu_hour: cost.usd_per_gpu_hour,
        provider: cost.provider,
        price_date: cost.price_date,
    })
}
