//! What is known about one metric of one point: its values on both sides as logarithms, so that differences are relative, and
//! where its noise is known from.

use serde::{Deserialize, Serialize};

use super::Knowledge;
use crate::analysis::shifts;
use crate::analysis::statistics::{Noise, mean};
use crate::model::PointKey;
use crate::result::{Metric, Point};

/// Where the noise of a point is known from, the best source first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The point's own history.
    History {
        /// How many runs of it.
        runs: usize,
    },
    /// Repeated measurements on either side.
    Repeats {
        /// How many of them.
        measurements: usize,
    },
    /// Other points of the same comparison.
    OtherPoints,
    /// Nothing: what two runs on an idle node usually differ by, and the interval from the run's own requests.
    Assumed,
}

/// One quantity, measured on both sides.
pub(super) struct Evidence {
    /// Logarithms of its values in the base.
    pub base: Vec<f64>,
    /// Logarithms of its values in the head.
    pub head: Vec<f64>,
    /// The noise of a measurement from history and repeats.
    pub noise: Option<Noise>,
    /// The noise within a run, from its requests; zero where it is not known.
    pub within: f64,
    /// Where the noise is known from.
    pub basis: Basis,
}

impl Evidence {
    /// From all that was measured; `past` is the history, oldest first, of which `knowledge` says what it is good for. `None` where
    /// a side has no value.
    pub(super) fn new(past: &[f64], base: Vec<f64>, head: Vec<f64>, within: f64, knowledge: &Knowledge, histories: usize) -> Option<Self> {
        if base.is_empty() || head.is_empty() {
            return None;
        }
        let measurements = base.len() + head.len();
        let basis = match (past.len(), measurements) {
            (2.., _) => Basis::History { runs: past.len() },
            (_, 3..) => Basis::Repeats { measurements },
            (_, _) => Basis::Assumed,
        };
        let repeats = [&base, &head].into_iter().filter_map(|values| Noise::of_repeats(values));
        let noise = Noise::pooled(Noise::of_history(past).into_iter().chain(repeats));
        let level = if knowledge.level { shifts::level(past, histories) } else { &[] };
        Some(Self {
            base: if level.is_empty() { base } else { level.to_vec() },
            head,
            noise,
            within,
            basis,
        })
    }
}

/// A run measured on an otherwise idle node repeats within 1 to 2 % (standard deviation), a queueing time within 3 %. These are
/// assumptions; they serve until there is a history.
pub(super) fn assumed(metric: Metric) -> Noise {
    let sd = match metric {
        Metric::Ttft | Metric::TtftP99 => 0.03,
        Metric::ThroughputPerGpu
        | Metric::OutputThroughputPerGpu
        | Metric::InputThroughputPerGpu
        | Metric::Tpot
        | Metric::Interactivity
        | Metric::E2el
        | Metric::E2elP99 => 0.015,
    };
    // Worth a few measurements where there are some, see `Moderation`.
    Noise { sd, df: 4.0 }
}

/// The evidence on a metric of a point; `None` where a side has no value with a logarithm. `histories` is how many series the
/// history has.
pub(super) fn of_metric(
    (key, metric): (&PointKey, Metric),
    base: &[&Point],
    head: &[&Point],
    knowledge: &Knowledge,
    histories: usize,
) -> Option<Evidence> {
    let past: Vec<f64> = knowledge.history.series(key, metric).map(|past| past.value.ln()).collect();
    let within = within(metric, base).hypot(within(metric, head)) / std::f64::consts::SQRT_2;
    Evidence::new(&past, values(metric, base), values(metric, head), within, knowledge, histories)
}

fn values(metric: Metric, points: &[&Point]) -> Vec<f64> {
    let values = points.iter().filter_map(|point| point.get(metric));
    values.filter(|value| *value > 0.0).map(f64::ln).collect()
}

/// The relative standard deviation that the requests of a run leave its metric, from the width of the 95% interval; the mean
/// over runs.
fn within(metric: Metric, points: &[&Point]) -> f64 {
    const WIDTH: f64 = 2.0 * 1.959_964;
    let intervals = points.iter().filter_map(|point| point.interval(metric));
    let widths: Vec<f64> = intervals.map(|interval| (interval.high / interval.low).ln() / WIDTH).collect();
    mean(&widths).filter(|width| width.is_finite()).unwrap_or_default()
}
