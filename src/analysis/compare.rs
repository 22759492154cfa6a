//! Two runs side by side. Points are paired by their exact keys; what may differ between the two of a pair is the image and
//! with it the engine's version, because that is what a comparison is about.

use serde::{Deserialize, Serialize};

use super::Run;
use super::threshold::{self, MetricVerdict};
use crate::model::PointKey;
use crate::result::{Better, Metric, Point};

/// The metrics that decide: what a GPU gives, and what a user feels.
pub const COMPARED: [Metric; 5] = [
    Metric::ThroughputPerGpu,
    Metric::Interactivity,
    Metric::Ttft,
    Metric::Tpot,
    Metric::E2el,
];

/// Two runs, point by point, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What the base was, for people.
    pub base: String,
    /// What was compared with it.
    pub head: String,
    /// Every point of either run.
    pub points: Vec<PointComparison>,
}

/// One point in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointComparison {
    /// The point.
    pub point: PointKey,
    /// What became of it.
    pub verdict: Verdict,
    /// The metrics that both runs have.
    pub changes: Vec<Change>,
    /// The image in the base, where it differs from the one in the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// The image in the head, where it differs from the one in the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_image: Option<String>,
}

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Measured in the base, failed in the head.
    Failed,
    /// A metric got worse by more than noise explains.
    Worse,
    /// A metric got better, and none got worse.
    Better,
    /// A metric moved by more than is usual, and by less than is certain.
    Unsure,
    /// Nothing moved by more than is usual.
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

/// A metric in both runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The metric.
    pub metric: Metric,
    /// Its value in the base, in the metric's unit.
    pub base: f64,
    /// Its value in the head.
    pub head: f64,
    /// `head / base - 1`.
    pub relative: f64,
    /// What that means.
    pub verdict: MetricVerdict,
}

impl Change {
    /// The change with the sign of its meaning: positive is better, whatever the metric's direction.
    #[must_use]
    pub fn gain(&self) -> f64 {
        match self.metric.better() {
            Better::Higher => self.relative,
            Better::Lower => -self.relative,
        }
    }
}

impl Comparison {
    /// How many points have a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.points.iter().filter(|point| point.verdict == verdict).count()
    }

    /// The points that `--fail-on regression` counts.
    pub fn regressions(&self) -> impl Iterator<Item = &PointComparison> {
        self.points.iter().filter(|point| point.verdict.is_regression())
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
        #[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^52 points")]
        let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
        mean.is_finite().then(|| mean.exp() - 1.0)
    }
}

impl PointComparison {
    /// The change of one metric.
    #[must_use]
    pub fn change(&self, metric: Metric) -> Option<&Change> {
        self.changes.iter().find(|change| change.metric == metric)
    }

    /// The change that weighs most for the verdict: the largest loss of a point that got worse, else the largest gain.
    #[must_use]
    pub fn decisive(&self) -> Option<&Change> {
        let by_gain = |left: &&Change, right: &&Change| left.gain().total_cmp(&right.gain());
        match self.verdict {
            Verdict::Worse => self.changes.iter().min_by(by_gain),
            Verdict::Better => self.changes.iter().max_by(by_gain),
            Verdict::Unsure | Verdict::Same => {
                let by_size = |left: &&Change, right: &&Change| left.relative.abs().total_cmp(&right.relative.abs());
                self.changes.iter().max_by(by_size)
            }
            Verdict::Failed | Verdict::New | Verdict::Missing => None,
        }
    }
}

/// Compares two runs. `base_name` and `head_name` are what people call them.
#[must_use]
pub fn compare((base_name, base): (&str, &Run), (head_name, head): (&str, &Run)) -> Comparison {
    let mut points: Vec<_> = head.points.iter().map(|point| pair(base.point(&point.key), point)).collect();
    let gone = base.points.iter().filter(|point| head.point(&point.key).is_none());
    points.extend(gone.map(|point| PointComparison::without_changes(&point.key, Verdict::Missing)));
    points.sort_by(|left, right| left.point.cmp(&right.point));
    Comparison {
        base: base_name.to_owned(),
        head: head_name.to_owned(),
        points,
    }
}

impl PointComparison {
    fn without_changes(key: &PointKey, verdict: Verdict) -> Self {
        Self {
            point: key.clone(),
            verdict,
            changes: Vec::new(),
            base_image: None,
            head_image: None,
        }
    }
}

fn pair(base: Option<&Point>, head: &Point) -> PointComparison {
    let base_measured = base.and_then(|point| Some((point, point.measurement()?)));
    match (base_measured, head.measurement()) {
        (Some((base, before)), Some(after)) => {
            let changes = COMPARED
                .iter()
                .filter_map(|metric| change(*metric, before.get(*metric)?, after.get(*metric)?));
            let changes: Vec<Change> = changes.collect();
            let other_image = base.image != head.image;
            PointComparison {
                point: head.key.clone(),
                verdict: verdict(&changes),
                changes,
                base_image: base.image.clone().filter(|_| other_image),
                head_image: head.image.clone().filter(|_| other_image),
            }
        }
        (None, Some(_)) => PointComparison::without_changes(&head.key, Verdict::New),
        (None, None) => PointComparison::without_changes(&head.key, Verdict::Missing),
        (Some(_), None) => PointComparison::without_changes(&head.key, Verdict::Failed),
    }
}

/// A relative change needs a base above zero; a metric without one is left out.
fn change(metric: Metric, base: f64, head: f64) -> Option<Change> {
    let relative = head / base - 1.0;
    let comparable = base > 0.0 && relative.is_finite();
    comparable.then(|| Change {
        metric,
        base,
        head,
        relative,
        verdict: threshold::judge(metric, relative),
    })
}

/// A loss is never made good by a gain elsewhere.
fn verdict(changes: &[Change]) -> Verdict {
    let any = |verdict| changes.iter().any(|change| change.verdict == verdict);
    if any(MetricVerdict::Worse) {
        Verdict::Worse
    } else if any(MetricVerdict::Better) {
        Verdict::Better
    } else if any(MetricVerdict::Unsure) || changes.is_empty() {
        Verdict::Unsure
    } else {
        Verdict::Same
    }
}
