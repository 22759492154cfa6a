//! Runs side by side. Points are paired by their exact keys; what may differ between the two of a pair is the image and
//! with it the engine's version, because that is what a comparison is about. `evidence` gathers what is known of each
//! metric's noise, `judge` tests all of them together, `curves` compares whole curves; `docs/reference/statistics.md` says why.

mod curves;
mod evidence;
mod judge;
mod pairing;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::history::History;
use super::shifts::{self, Shift};
use super::{EvalChange, EvalScore, Origin, Run, eval_changes};
use crate::model::PointKey;
use crate::model::count;
use crate::result::{Metric, Statistic};
use crate::settings::{Exception, Regressions};

pub use curves::{CurveComparison, FrontierKey};
pub use evidence::Basis;

/// A side of a comparison: one run, or several runs of the same commit.
#[derive(Debug, Clone)]
pub struct Side<'a> {
    /// The name, for people.
    pub name: &'a str,
    /// The runs: the first defines the points, the others repeat them.
    pub runs: Vec<&'a Run>,
}

impl<'a> Side<'a> {
    /// A side of one run.
    #[cfg(test)]
    pub fn one(name: &'a str, run: &'a Run) -> Self {
        Self { name, runs: vec![run] }
    }
}

/// Inputs of a comparison other than its runs.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Earlier runs, from which the noise of each point is estimated.
    pub history: History,
    /// Whether the history is also the base: then the base of each point is its level since it last changed, not one run.
    pub level: bool,
    /// The repository's settings for verdicts.
    pub rules: Regressions,
    /// Today's date, by which exceptions expire; without it none are in force.
    pub today: Option<NaiveDate>,
}

/// Two runs, point by point, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The name of the base.
    pub base: String,
    /// The name of the head.
    pub head: String,
    /// Every point of either run.
    pub points: Vec<PointComparison>,
    /// The curves that both sides have.
    #[serde(default)]
    pub curves: Vec<CurveComparison>,
    /// The points whose level changed within the history.
    #[serde(default)]
    pub shifts: Vec<Shift>,
    /// How many earlier runs were known.
    #[serde(default)]
    pub history_runs: usize,
    /// Expired exceptions, one sentence each.
    #[serde(default)]
    pub expired: Vec<String>,
    /// By which rules the verdicts differ from the usual ones, and where these come from; a sentence each. Text from outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Scores that fail by the thresholds of the base of a pull request, a sentence each; part of `rules`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub low_scores: Vec<String>,
    /// The scores of evaluations that both runs have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evals: Vec<EvalChange>,
}

/// One point in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointComparison {
    pub point: PointKey,
    pub verdict: Verdict,
    /// The metrics that both runs have.
    pub changes: Vec<Change>,
    /// The exception that accepts a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Excepted>,
    /// The run that the base's value comes from, if the newest run of its curve did not measure the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borrowed: Option<Origin>,
    /// The image in the base, where it differs from the one in the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// The image in the head, where it differs from the one in the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_image: Option<String>,
}

/// A regression that is accepted for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excepted {
    /// Why the regression is accepted.
    pub reason: String,
    /// The last day on which it is accepted.
    pub until: NaiveDate,
}

/// The verdict on a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Measured in the base, failed in the head.
    Failed,
    /// A metric got worse: significantly, and by enough to matter.
    Worse,
    /// A metric got better, and none got worse.
    Better,
    /// A metric changed by enough to matter, and would be significant on its own, but not among all tests.
    Unsure,
    /// No metric changed by more than noise explains and by enough to matter.
    Same,
    /// The base has no such point, or has it without numbers.
    New,
    /// The head has no such point, or neither run has numbers for it.
    Missing,
}

impl Verdict {
    /// All, the most urgent first.
    pub const ALL: [Self; 7] = [
        Self::Failed,
        Self::Worse,
        Self::Better,
        Self::Unsure,
        Self::Same,
        Self::New,
        Self::Missing,
    ];

    /// As JSON and tables write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Unsure => "unsure",
            Self::Same => "same",
            Self::New => "new",
            Self::Missing => "missing",
        }
    }

    /// Whether `--fail-on regression` counts it.
    #[must_use]
    pub fn is_regression(self) -> bool {
        match self {
            Self::Failed | Self::Worse => true,
            Self::Better | Self::Unsure | Self::Same | Self::New | Self::Missing => false,
        }
    }
}

/// The verdict on the change of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricVerdict {
    /// Significantly better, and by enough to matter.
    Better,
    /// Significantly worse, and by enough to matter.
    Worse,
    /// Noise explains it, or it is too small to matter.
    Same,
    /// Significant on its own, but not among all tests.
    Unsure,
}

/// A metric in both runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub metric: Metric,
    /// The statistic of the requests that is compared.
    #[serde(default)]
    pub statistic: Statistic,
    /// Its value in the base, in the metric's unit; of several, their geometric mean.
    pub base: f64,
    /// Its value in the head.
    pub head: f64,
    /// `head / base - 1`.
    pub relative: f64,
    /// The lower end of its 95% confidence interval.
    pub low: f64,
    pub high: f64,
    /// The relative standard deviation of one measurement.
    pub noise: f64,
    /// The source of that noise.
    pub basis: Basis,
    /// The smallest false-discovery rate at which the change is reported.
    pub q: f64,
    pub verdict: MetricVerdict,
}

impl Change {
    /// The change with the sign of its meaning: positive is better, whatever the metric's direction.
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.metric.gain(self.relative)
    }
}

impl Comparison {
    /// Whether an accuracy got worse.
    #[must_use]
    pub fn is_less_accurate(&self) -> bool {
        self.evals.iter().any(|change| change.verdict == MetricVerdict::Worse)
    }

    /// How many points have a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.points.iter().filter(|point| point.verdict == verdict).count()
    }

    /// The points that `--fail-on regression` counts: those that got worse or failed and are not excepted.
    pub fn regressions(&self) -> impl Iterator<Item = &PointComparison> {
        self.points.iter().filter(|point| point.is_regression())
    }

    /// The curves that `--fail-on regression` counts.
    pub fn curve_regressions(&self) -> impl Iterator<Item = &CurveComparison> {
        self.curves.iter().filter(|curve| curve.is_regression())
    }

    /// Whether there is a regression that is not excepted.
    #[must_use]
    pub fn has_regression(&self) -> bool {
        self.regressions().next().is_some()
            || self.curve_regressions().next().is_some()
            || self.is_less_accurate()
            || !self.low_scores.is_empty()
    }

    /// The number of known regressions: points that got worse or failed and are excepted.
    #[must_use]
    pub fn excepted(&self) -> usize {
        self.points.iter().filter(|point| point.exception.is_some()).count()
    }

    /// The comparison of a point.
    #[must_use]
    pub fn point(&self, key: &PointKey) -> Option<&PointComparison> {
        let at = self.points.binary_search_by(|point| point.point.cmp(key)).ok()?;
        self.points.get(at)
    }

    /// The change of a metric over all pairs: the geometric mean of `head / base`, minus one. `None` without a pair.
    #[must_use]
    pub fn overall(&self, metric: Metric) -> Option<f64> {
        let ratios = self
            .points
            .iter()
            .filter_map(|point| point.change(metric))
            .map(|change| change.head / change.base);
        let logarithms: Vec<f64> = ratios.map(f64::ln).filter(|logarithm| logarithm.is_finite()).collect();
        let mean = logarithms.iter().sum::<f64>() / count(logarithms.len());
        mean.is_finite().then(|| mean.exp() - 1.0)
    }
}

impl PointComparison {
    /// Whether it got worse or failed, and is not excepted.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        self.verdict.is_regression() && self.exception.is_none()
    }

    /// The change of one metric.
    #[must_use]
    pub fn change(&self, metric: Metric) -> Option<&Change> {
        self.changes.iter().find(|change| change.metric == metric)
    }

    /// The most important change: the largest loss of a point that got worse, else the largest gain.
    #[must_use]
    pub fn decisive(&self) -> Option<&Change> {
        match self.verdict {
            Verdict::Worse => self.changes.iter().min_by(|left, right| left.gain().total_cmp(&right.gain())),
            Verdict::Better => self.changes.iter().max_by(|left, right| left.gain().total_cmp(&right.gain())),
            Verdict::Unsure | Verdict::Same => self
                .changes
                .iter()
                .max_by(|left, right| left.relative.abs().total_cmp(&right.relative.abs())),
            Verdict::Failed | Verdict::New | Verdict::Missing => None,
        }
    }
}

/// The scores of a side: those of its first run.
fn scores_of<'a>(side: &Side<'a>) -> &'a [EvalScore] {
    side.runs.first().map_or(&[], |run| &run.evals)
}

#[must_use]
pub fn compare(base: &Side, head: &Side, knowledge: &Knowledge) -> Comparison {
    let pairs = pairing::pairs(base, head);
    let (mut points, curves) = judge::judge(&pairs, (base, head), knowledge);
    points.sort_by(|left, right| left.point.cmp(&right.point));
    let expired = knowledge
        .today
        .map(|today| knowledge.rules.expired(today).map(expired_words).collect());
    Comparison {
        base: base.name.to_owned(),
        head: head.name.to_owned(),
        points,
        curves,
        shifts: shifts::shifts(&knowledge.history, &knowledge.rules),
        history_runs: knowledge.history.runs().len(),
        expired: expired.unwrap_or_default(),
        rules: knowledge.rules.in_words(),
        low_scores: Vec::new(),
        evals: eval_changes(scores_of(base), scores_of(head)),
    }
}

fn expired_words(exception: &Exception) -> String {
    let (points, until) = (exception.points.as_str(), exception.until);
    format!(
        "the exception for {points:?} ended on {until} and no longer applies; its reason was: {}",
        exception.reason
    )
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
