//! The evidence on one metric of one point: its values on both sides as logarithms, so that differences are relative, and its noise
//! with the source of that noise.

use serde::{Deserialize, Serialize};

use super::Knowledge;
use crate::analysis::shifts::{self, LEAST_NOISE};
use crate::analysis::statistics::{Moderation, Noise, location, mean};
use crate::model::PointKey;
use crate::model::count;
use crate::result::{Metric, Point, Statistic};

/// The source of a point's noise, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The point's own history.
    History {
        /// The number of runs in it.
        runs: usize,
    },
    /// Repeated measurements on either side.
    Repeats {
        /// The number of measurements.
        measurements: usize,
    },
    /// Other points of the same comparison.
    OtherPoints,
    /// An assumption: the difference of two runs on a noisy node, and the interval from the run's own requests.
    Assumed,
}

/// The assumed noise of a quantity without history and repeats: standard deviations of one measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AssumedNoise {
    /// On an otherwise idle node.
    pub quiet: f64,
}

/// A/A runs (two runs of the same commit) on a noisy machine differ up to this many times as much as on a quiet one. A change is
/// certain only beyond it.
const NOISY: f64 = 4.0;
/// The assumption for a few measurements: the geometric mean of quiet and noisy, with two degrees of freedom, so that a few
/// measurements outweigh it.
const GUESS: (f64, f64) = (2.0, 2.0);
/// Degrees of freedom that are assumed for the tails while residuals are computed: each measurement is predicted by the location of
/// the others.
const TAILS_OF_RESIDUALS: f64 = 6.0;

impl AssumedNoise {
    /// On a noisy machine.
    pub(super) fn noisy(self) -> f64 {
        NOISY * self.quiet
    }

    /// Its weight against a few measurements, degrees of freedom.
    pub(super) fn moderation(self) -> Moderation {
        Moderation::assumed(Noise {
            sd: GUESS.0 * self.quiet,
            df: GUESS.1,
        })
    }
}

/// One quantity, measured on both sides.
pub(super) struct Evidence {
    /// Logarithms of its values in the base.
    pub base: Vec<f64>,
    /// Logarithms of its values in the head.
    pub head: Vec<f64>,
    /// The noise of a measurement from history and repeats.
    pub noise: Option<Noise>,
    /// The noise within a run, from its requests; zero if unknown.
    pub within: f64,
    /// Where the noise is known from.
    pub basis: Basis,
    /// Series of measurements of the same quantity; each measurement can be predicted from the others of its series.
    series: Vec<Series>,
}

/// Measurements of one quantity.
enum Series {
    /// The newest level of a history, oldest first.
    Level(Vec<f64>),
    /// Repeats on one side, in no order.
    Repeats(Vec<f64>),
}

impl Series {
    fn values(&self) -> &[f64] {
        match self {
            Self::Level(values) | Self::Repeats(values) => values,
        }
    }

    fn noise(&self, values: &[f64]) -> Option<Noise> {
        match self {
            Self::Level(_) => Noise::of_history(values),
            Self::Repeats(_) => Noise::of_repeats(values),
        }
    }
}

impl Evidence {
    /// The evidence from the values of both sides and the history. `past` is the history, oldest first; `knowledge` states what it is
    /// used for. `None` if a side has no value.
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
        let level = shifts::level(past, histories).to_vec();
        let mut series = vec![Series::Repeats(head.clone()), Series::Level(level.clone())];
        let base = if knowledge.level && !level.is_empty() {
            level
        } else {
            series.push(Series::Repeats(base.clone()));
            base
        };
        Some(Self {
            base,
            head,
            noise,
            within,
            basis,
            series,
        })
    }

    /// The noise of one measurement, moderated by that of all points. Lower bounds: a minimum below which an estimate is chance, and the
    /// uncertainty that a run's own requests leave.
    pub(super) fn floored(&self, noise: Noise) -> Noise {
        noise.at_least(LEAST_NOISE.max(self.within))
    }

    /// The residuals: the distance of each measurement from the prediction of the others of its series, in units of the noise of all
    /// others. Each is an A/A test; together they show how heavy the tails of the noise are.
    pub(super) fn residuals(&self, moderation: &Moderation) -> Vec<f64> {
        let mut residuals = Vec::new();
        for (index, series) in self.series.iter().enumerate() {
            let elsewhere = self.series.iter().enumerate().filter(|(other, _)| *other != index);
            let elsewhere: Vec<Noise> = elsewhere.filter_map(|(_, other)| other.noise(other.values())).collect();
            for (at, value) in series.values().iter().enumerate() {
                let mut rest = series.values().to_vec();
                rest.remove(at);
                let Some(noise) = Noise::pooled(series.noise(&rest).into_iter().chain(elsewhere.iter().copied())) else {
                    continue;
                };
                if rest.is_empty() {
                    continue;
                }
                let sd = self.floored(moderation.moderate(noise)).sd;
                let predicted = location(&rest, sd, TAILS_OF_RESIDUALS);
                residuals.push((value - predicted) / (sd * (1.0 + 1.0 / count(rest.len())).sqrt()));
            }
        }
        residuals
    }
}

/// A run measured on an otherwise idle node repeats within 1 to 2 % (standard deviation), a queueing time within 3 %, and so do the
/// rate and the cache hits of replayed sessions, in which users wait and whose order is not the same. These are assumptions; they serve until there is a history.
pub(super) fn assumed(metric: Metric) -> AssumedNoise {
    let quiet = match metric {
        Metric::Ttft | Metric::TtftP99 | Metric::Qps | Metric::CacheHitRate => 0.03,
        Metric::ThroughputPerGpu
        | Metric::OutputThroughputPerGpu
        | Metric::InputThroughputPerGpu
        | Metric::Tpot
        | Metric::Interactivity
        | Metric::E2el
        | Metric::E2elP99 => 0.015,
    };
    AssumedNoise { quiet }
}

/// The evidence on a metric of a point, and the compared statistic; `None` if a side has no positive value. `histories` is the number
/// of series in the history.
pub(super) fn of_metric(
    (key, metric): (&PointKey, Metric),
    base: &[&Point],
    head: &[&Point],
    knowledge: &Knowledge,
    histories: usize,
) -> Option<(Statistic, Evidence)> {
    let statistic = statistic(metric, base.iter().chain(head).copied());
    let past = knowledge.history.series(key, metric, statistic);
    let past: Vec<f64> = past.map(|past| past.value.ln()).collect();
    let within = within(metric, base).hypot(within(metric, head)) / std::f64::consts::SQRT_2;
    let (base, head) = (values(metric, statistic, base), values(metric, statistic, head));
    let evidence = Evidence::new(&past, base, head, within, knowledge, histories)?;
    Some((statistic, evidence))
}

/// The mean if all points have one, else the median: both sides must be compared in the same statistic.
fn statistic<'a>(metric: Metric, mut points: impl Iterator<Item = &'a Point>) -> Statistic {
    let have_means = points.all(|point| point.by(metric, Statistic::Mean).is_some() || point.by(metric, Statistic::Median).is_none());
    if have_means { Statistic::Mean } else { Statistic::Median }
}

fn values(metric: Metric, statistic: Statistic, points: &[&Point]) -> Vec<f64> {
    let values = points.iter().filter_map(|point| point.by(metric, statistic));
    values.filter(|value| *value > 0.0).map(f64::ln).collect()
}

/// The relative standard deviation of a metric within a run, from the width of the 95% interval of its requests; the mean over runs.
fn within(metric: Metric, points: &[&Point]) -> f64 {
    const WIDTH: f64 = 2.0 * 1.959_964;
    let intervals = points.iter().filter_map(|point| point.interval(metric));
    let widths: Vec<f64> = intervals.map(|interval| (interval.high / interval.low).ln() / WIDTH).collect();
    mean(&widths).filter(|width| width.is_finite()).unwrap_or_default()
}
