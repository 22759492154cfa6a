//! Comparison of whole curves: the mean throughput per GPU over the range of interactivity that both sides reach. A curve here has all
//! layouts of an engine, because users choose the split over GPUs that is best at their interactivity.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::{AssumedNoise, Evidence};
use super::judge::Judged;
use super::pairing::{Kind, Pair};
use super::{Knowledge, MetricVerdict, PointComparison, Side};
use crate::analysis::Run;
use crate::analysis::pareto::{Place, common_range, frontier, mean_throughput};
use crate::analysis::statistics::mean;
use crate::model::{CurveKey, Framework, ModelPrefix, PointKey, Precision, RunnerLabel, SpecDecoding, VariantText, Workload};
use crate::result::{Metric, Statistic};

/// The fewest points of a curve that is compared as a whole.
const FEWEST_POINTS: usize = 3;
/// The history is used where all of it spans at least this share of the range.
const LEAST_SHARE: f64 = 0.5;

/// The identity of a frontier: a curve's key without the split over GPUs.
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
    /// Dimensions of results of other tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<VariantText, VariantText>,
}

/// A frontier on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveComparison {
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
    /// Whether a loss is a known regression: either all its points that got worse are excepted, or all its points are.
    pub excepted: bool,
}

/// The evidence on a frontier, whose quantity is the mean throughput.
pub(super) struct CurveEvidence {
    pub key: FrontierKey,
    pub range: (f64, f64),
    pub evidence: Evidence,
}

impl FrontierKey {
    /// The frontier that a curve belongs to.
    #[must_use]
    pub fn of(curve: &CurveKey) -> Self {
        Self {
            model_prefix: curve.model_prefix.clone(),
            precision: curve.precision.clone(),
            runner: curve.runner.clone(),
            framework: curve.framework.clone(),
            spec_decoding: curve.spec_decoding,
            disagg: curve.disagg,
            workload: curve.workload,
            variant: curve.variant.clone(),
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
        if self.disagg {
            f.write_str(" disagg")?;
        }
        self.variant.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl CurveComparison {
    /// Whether it got worse, and the regression is not a known one.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        self.verdict == MetricVerdict::Worse && !self.excepted
    }
}

/// The assumed noise of a frontier. Noise moves a point along both axes, so the mean throughput at equal interactivity is about twice
/// as noisy as throughput.
pub(super) fn assumed() -> AssumedNoise {
    AssumedNoise { quiet: 0.03 }
}

/// The evidence on all curves that both sides have.
pub(super) fn evidence(pairs: &[Pair], sides: (&Side, &Side), knowledge: &Knowledge, histories: usize) -> Vec<CurveEvidence> {
    let mut curves: BTreeMap<FrontierKey, Vec<&PointKey>> = BTreeMap::new();
    for pair in pairs {
        if let Kind::Both { .. } = &pair.kind {
            curves.entry(FrontierKey::of(&pair.key.curve)).or_default().push(pair.key);
        }
    }
    let curves = curves.into_iter().map(|(key, points)| (key, of_one_run(points, sides.0)));
    let curves = curves.filter(|(_, points)| points.len() >= FEWEST_POINTS);
    curves
        .filter_map(|(key, points)| of_curve(key, &points, sides, knowledge, histories))
        .collect()
}

/// The points of the newest run that measured any of them. A line through points of several runs would be a frontier that no run
/// had.
fn of_one_run<'a>(points: Vec<&'a PointKey>, base: &Side) -> Vec<&'a PointKey> {
    let Some(run) = base.runs.iter().find(|run| !run.origins.is_empty()) else {
        return points;
    };
    let newest = points
        .iter()
        .filter_map(|key| run.origins.get(key))
        .map(|origin| origin.index)
        .max();
    let mut points = points;
    points.retain(|key| run.origins.get(key).map(|origin| origin.index) == newest);
    points
}

/// Only points that both sides have: a failed point must not make the curve of the others look worse.
fn of_curve(
    key: FrontierKey,
    points: &[&PointKey],
    (base, head): (&Side, &Side),
    knowledge: &Knowledge,
    histories: usize,
) -> Option<CurveEvidence> {
    let statistic = statistic(points, base.runs.iter().chain(&head.runs).copied());
    let frontiers = |runs: &[&Run]| -> Vec<Vec<Place>> { runs.iter().filter_map(|run| of_run(run, points, statistic)).collect() };
    let (base, head) = (frontiers(&base.runs), frontiers(&head.runs));
    if base.is_empty() || head.is_empty() {
        return None;
    }
    let past: Vec<&Run> = knowledge.history.runs().iter().map(|run| &run.run).collect();
    let past = frontiers(&past);
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
    // A history or repeats include the noise of both axes; without them it is estimated.
    let is_known = past.len() >= 2 || base.len() + head.len() >= 3;
    let within = if is_known {
        0.0
    } else {
        from_interactivity(base.iter().chain(&head), range)?
    };
    let evidence = Evidence::new(&past, means(&base), means(&head), within, knowledge, histories)?;
    Some(CurveEvidence { key, range, evidence })
}

/// The mean if all points have one, else the median: frontiers must be compared in the same statistic.
fn statistic<'a>(points: &[&PointKey], mut runs: impl Iterator<Item = &'a Run>) -> Statistic {
    let have_means = runs.all(|run| {
        points
            .iter()
            .filter_map(|key| run.point(key))
            .all(|point| point.by(Metric::Interactivity, Statistic::Mean).is_some())
    });
    if have_means { Statistic::Mean } else { Statistic::Median }
}

/// The relative standard deviation of the mean throughput that is due to the noise of interactivity; large if a frontier is steep.
/// The mean over several frontiers; `None` if the range is narrower than that noise, so that no comparison is possible.
fn from_interactivity<'a>(frontiers: impl Iterator<Item = &'a Vec<Place>>, (low, high): (f64, f64)) -> Option<f64> {
    let assumed = super::evidence::assumed(Metric::Interactivity);
    let noise = assumed.quiet;
    // The range that all frontiers still span after they are shifted to either side.
    let range = (low * (1.0 + noise), high * (1.0 - noise));
    let effects = frontiers.map(|frontier| {
        let right = throughput_of_shifted(frontier, 1.0 + noise, range)?;
        let left = throughput_of_shifted(frontier, 1.0 - noise, range)?;
        Some(((right / left).ln() / 2.0).abs())
    });
    let effects: Vec<f64> = effects.collect::<Option<_>>()?;
    // The effect is nearly linear in the noise, so it is computed for small noise and scaled up to that of a noisy machine.
    Some(mean(&effects)? * assumed.noisy() / assumed.quiet)
}

/// Mean throughput of a frontier in a range of interactivity, after its interactivity is multiplied by `factor`.
fn throughput_of_shifted(frontier: &[Place], factor: f64, range: (f64, f64)) -> Option<f64> {
    let shifted: Vec<Place> = frontier
        .iter()
        .map(|place| Place {
            interactivity: place.interactivity * factor,
            throughput: place.throughput,
        })
        .collect();
    mean_throughput(&shifted, range)
}

/// The frontier of a run that measured all points.
fn of_run(run: &Run, points: &[&PointKey], statistic: Statistic) -> Option<Vec<Place>> {
    let places = points.iter().map(|key| {
        let point = run.point(key)?;
        Some(Place {
            interactivity: point.by(Metric::Interactivity, statistic)?,
            throughput: point.get(Metric::ThroughputPerGpu)?,
        })
    });
    let places: Vec<Place> = places.collect::<Option<_>>()?;
    Some(frontier(&places))
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

/// Whether the rules accept a lower throughput of the point today.
fn is_excepted(point: &PointKey, knowledge: &Knowledge) -> bool {
    let text = point.to_string();
    let Some(today) = knowledge.today else { return false };
    knowledge.rules.exception(&text, &[Metric::ThroughputPerGpu], today).is_some()
}

impl CurveEvidence {
    pub(super) fn compared(self, judged: &Judged, points: &[PointComparison], knowledge: &Knowledge) -> CurveComparison {
        let of_curve = points.iter().filter(|point| FrontierKey::of(&point.point.curve) == self.key);
        let mut worse = of_curve.clone().filter(|point| point.verdict.is_regression()).peekable();
        let known = worse.peek().is_some() && worse.all(|point| point.exception.is_some());
        let excepted =
            judged.verdict == MetricVerdict::Worse && (known || of_curve.clone().all(|point| is_excepted(&point.point, knowledge)));
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
