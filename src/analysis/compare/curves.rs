//! Whole curves on both sides: the mean throughput per GPU over the interactivity that both can give. A curve here has all
//! layouts of an engine: which split over GPUs is best at which interactivity is for the engine's users to choose.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::judge::Judged;
use super::pairing::{Kind, Pair};
use super::{Knowledge, MetricVerdict, PointComparison};
use crate::analysis::pareto::{Place, common_range, frontier, mean_throughput};
use crate::analysis::statistics::{Noise, mean};
use crate::model::{CurveKey, Framework, ModelPrefix, PointKey, Precision, RunnerLabel, SpecDecoding, Workload};
use crate::result::{Metric, Point};

/// Points that a curve needs to be compared as a whole.
const FEWEST_POINTS: usize = 3;
/// The history is used where all of it spans at least this share of the range.
const LEAST_SHARE: f64 = 0.5;

/// What a frontier belongs to: a curve's key without the split over GPUs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FrontierKey {
    /// The model's short name.
    pub model_prefix: ModelPrefix,
    /// Numeric format of the weights.
    pub precision: Precision,
    /// The runner label, which stands for the hardware.
    pub runner: RunnerLabel,
    pub framework: Framework,
    /// How tokens are drafted.
    pub spec_decoding: SpecDecoding,
    /// Prefill and decode on separate workers.
    pub disagg: bool,
    /// What the requests look like.
    pub workload: Workload,
}

/// A frontier on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveComparison {
    /// What it belongs to.
    pub curve: FrontierKey,
    /// The range of interactivity in which both were measured, tokens a second and user.
    pub from: f64,
    pub to: f64,
    /// Mean throughput over the range in the base, tokens a second and GPU.
    pub base: f64,
    pub head: f64,
    /// `head / base - 1`.
    pub relative: f64,
    /// The lower end of its 95% confidence interval.
    pub low: f64,
    pub high: f64,
    /// The smallest false-discovery rate at which the change is reported.
    pub q: f64,
    pub verdict: MetricVerdict,
    /// Whether its getting worse is known: all its points that got worse are known to, or all its points are allowed to.
    pub excepted: bool,
}

/// The evidence on a frontier, whose quantity is the mean throughput.
pub(super) struct CurveEvidence {
    pub key: FrontierKey,
    pub range: (f64, f64),
    pub evidence: Evidence,
}

impl FrontierKey {
    fn of(curve: &CurveKey) -> Self {
        Self {
            model_prefix: curve.model_prefix.clone(),
            precision: curve.precision.clone(),
            runner: curve.runner.clone(),
            framework: curve.framework.clone(),
            spec_decoding: curve.spec_decoding,
            disagg: curve.disagg,
            workload: curve.workload,
        }
    }
}

/// The key as one line for people: `dsr1 fp8 h200 trt 8k1k mtp`.
impl fmt::Display for FrontierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            self.model_prefix, self.precision, self.runner, self.framework, self.workload
        )?;
        match self.spec_decoding {
            SpecDecoding::None => {}
            drafting @ (SpecDecoding::Mtp | SpecDecoding::DraftModel) => write!(f, " {drafting}")?,
        }
        if self.disagg { f.write_str(" disagg") } else { Ok(()) }
    }
}

impl CurveComparison {
    /// Whether it got worse, and is not known to.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        self.verdict == MetricVerdict::Worse && !self.excepted
    }
}

/// Where a frontier depends on both of its axes, noise moves a point along the diagonal: the mean throughput at equal
/// interactivity is about twice as noisy as throughput.
pub(super) fn assumed() -> Noise {
    Noise { sd: 0.03, df: 4.0 }
}

/// The evidence on all curves that both sides have.
pub(super) fn evidence(pairs: &[Pair], knowledge: &Knowledge, histories: usize) -> Vec<CurveEvidence> {
    let mut curves: BTreeMap<FrontierKey, Vec<Both>> = BTreeMap::new();
    for pair in pairs {
        if let Kind::Both { base, head } = &pair.kind {
            let both = Both { key: pair.key, base, head };
            curves.entry(FrontierKey::of(&pair.key.curve)).or_default().push(both);
        }
    }
    let curves = curves.into_iter().filter(|(_, points)| points.len() >= FEWEST_POINTS);
    curves
        .filter_map(|(key, points)| of_curve(key, &points, knowledge, histories))
        .collect()
}

struct Both<'a> {
    key: &'a PointKey,
    base: &'a [&'a Point],
    head: &'a [&'a Point],
}

/// Only points that both sides have: where one failed, the curve of the rest has not got worse.
fn of_curve(key: FrontierKey, points: &[Both], knowledge: &Knowledge, histories: usize) -> Option<CurveEvidence> {
    let base = repeats(points, |point| point.base)?;
    let head = repeats(points, |point| point.head)?;
    let past = past(points, knowledge);
    let range = spanned(base.iter().chain(&head))?;
    let (range, past) = match spanned(base.iter().chain(&head).chain(&past)) {
        Some(narrower) if narrower.1 - narrower.0 >= LEAST_SHARE * (range.1 - range.0) => (narrower, past),
        Some(_) | None => (range, Vec::new()),
    };
    let means = |frontiers: &[Vec<Place>]| -> Vec<f64> {
        let means = frontiers.iter().filter_map(|frontier| mean_throughput(frontier, range));
        means.map(f64::ln).filter(|mean| mean.is_finite()).collect()
    };
    let past = means(&past);
    // A history and repeats know what both axes do to the mean; without them it is worked out.
    let is_known = past.len() >= 2 || base.len() + head.len() >= 3;
    let within = if is_known {
        0.0
    } else {
        from_interactivity(base.iter().chain(&head), range)?
    };
    let evidence = Evidence::new(&past, means(&base), means(&head), within, knowledge, histories)?;
    Some(CurveEvidence { key, range, evidence })
}

/// What the noise of interactivity alone does to the mean throughput (standard deviation, relative): where a frontier is steep, a
/// step aside is a long way down. The mean over some frontiers; `None` for a range that is narrower than that noise, over which
/// nothing can be said.
fn from_interactivity<'a>(frontiers: impl Iterator<Item = &'a Vec<Place>>, (low, high): (f64, f64)) -> Option<f64> {
    let noise = super::evidence::assumed(Metric::Interactivity).sd;
    // All frontiers, moved to either side, span this.
    let range = (low * (1.0 + noise), high * (1.0 - noise));
    let moved = |frontier: &[Place], factor: f64| {
        let moved: Vec<Place> = frontier
            .iter()
            .map(|place| Place {
                interactivity: place.interactivity * factor,
                throughput: place.throughput,
            })
            .collect();
        mean_throughput(&moved, range)
    };
    let effects = frontiers.map(|frontier| {
        let (right, left) = (moved(frontier, 1.0 + noise)?, moved(frontier, 1.0 - noise)?);
        Some(((right / left).ln() / 2.0).abs())
    });
    let effects: Vec<f64> = effects.collect::<Option<_>>()?;
    mean(&effects)
}

/// The frontier of each repeat in which all points were measured.
fn repeats<'a>(points: &[Both<'a>], side: impl Fn(&Both<'a>) -> &'a [&'a Point]) -> Option<Vec<Vec<Place>>> {
    let repeats = points.iter().map(|point| side(point).len()).min()?;
    let frontier_of = |repeat: usize| places(points.iter().filter_map(|point| side(point).get(repeat).copied()), points.len());
    let frontiers: Vec<_> = (0..repeats).filter_map(frontier_of).collect();
    (!frontiers.is_empty()).then_some(frontiers)
}

/// The frontiers of the runs of the history that measured all points, oldest first.
fn past(points: &[Both], knowledge: &Knowledge) -> Vec<Vec<Place>> {
    let runs = knowledge.history.runs().iter();
    let frontiers = runs.filter_map(|run| places(points.iter().filter_map(|point| run.run.point(point.key)), points.len()));
    frontiers.collect()
}

fn places<'a>(points: impl Iterator<Item = &'a Point>, expected: usize) -> Option<Vec<Place>> {
    let places = points.filter_map(|point| {
        Some(Place {
            interactivity: point.get(Metric::Interactivity)?,
            throughput: point.get(Metric::ThroughputPerGpu)?,
        })
    });
    let places: Vec<Place> = places.collect();
    (places.len() == expected).then(|| frontier(&places))
}

/// The range that all of several frontiers span.
fn spanned<'a>(frontiers: impl Iterator<Item = &'a Vec<Place>>) -> Option<(f64, f64)> {
    let mut range = (0.0_f64, f64::INFINITY);
    for frontier in frontiers {
        let (low, high) = common_range(frontier, frontier)?;
        range = (range.0.max(low), range.1.min(high));
    }
    (range.1 > range.0 && range.1.is_finite()).then_some(range)
}

impl CurveEvidence {
    pub(super) fn compared(self, judged: &Judged, points: &[PointComparison], knowledge: &Knowledge) -> CurveComparison {
        let of_curve = points.iter().filter(|point| FrontierKey::of(&point.point.curve) == self.key);
        let mut worse = of_curve.clone().filter(|point| point.verdict.is_regression()).peekable();
        let known = worse.peek().is_some() && worse.all(|point| point.exception.is_some());
        let allowed = |point: &PointComparison| {
            let text = point.point.to_string();
            let exception = |today| knowledge.rules.exception(&text, &[Metric::ThroughputPerGpu], today);
            knowledge.today.and_then(exception).is_some()
        };
        let excepted = judged.verdict == MetricVerdict::Worse && (known || of_curve.clone().all(allowed));
        CurveComparison {
            curve: self.key,
            from: self.range.0,
            to: self.range.1,
            base: judged.base,
            head: judged.head,
            relative: judged.relative,
            low: judged.low,
            high: judged.high,
            q: judged.q,
            verdict: judged.verdict,
            excepted,
        }
    }
}
