//! From evidence to verdicts: the noise of every quantity in the light of all, a test of each change, and the control of false
//! discoveries over all of them together, points and curves.

use std::collections::BTreeMap;

use super::curves;
use super::evidence::{self, AssumedNoise, Basis, Evidence};
use super::pairing::{Kind, Pair};
use super::{Change, CurveComparison, Excepted, Knowledge, MetricVerdict, PointComparison, Side, Verdict};
use crate::analysis::shifts;
use crate::analysis::statistics::{
    Moderation, Noise, Tails, location, location_df, location_variance, mann_whitney, q_values, smallest_rank_p, student_quantile,
    student_two_sided,
};
use crate::model::PointKey;
use crate::model::count;
use crate::result::{Better, Metric, Statistic};
use crate::settings::Regressions;

/// The level of a single test: a change is reported as unsure if it would be significant at this level as the only test. Also one
/// minus the confidence of intervals.
const ALPHA: f64 = 0.05;
/// The fewest repeats on either side for a rank test: with fewer, no ranks are significant.
const FEWEST_FOR_RANKS: usize = 4;
/// The most residuals from which the tails of an ensemble are fitted: they determine its degrees of freedom to a tenth, and more would
/// only take time.
const MOST_RESIDUALS: usize = 5_000;

/// A tested change; all numbers but probabilities and `df` are on the scale of logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tested {
    base: f64,
    head: f64,
    error: f64,
    /// Degrees of freedom of the test.
    df: f64,
    /// The standard deviation of one measurement.
    sd: f64,
    basis: Basis,
    p: f64,
    /// The probability if the noise were that of a quiet machine; differs from `p` where noise is assumed.
    p_quiet: f64,
    q: f64,
}

/// A change with its statistics, on the scale of the quantity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub base: f64,
    pub head: f64,
    pub relative: f64,
    pub low: f64,
    pub high: f64,
    pub q: f64,
    pub verdict: MetricVerdict,
}

/// Quantities that share a distribution of noise: one metric of all points, or all curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ensemble {
    Metric(Metric),
    Curves,
}

impl Ensemble {
    fn assumed(self) -> AssumedNoise {
        match self {
            Self::Metric(metric) => evidence::assumed(metric),
            Self::Curves => curves::assumed(),
        }
    }
}

/// Judges all pairs and their curves; `sides` are the base and the head.
pub(super) fn judge(pairs: &[Pair], sides: (&Side, &Side), knowledge: &Knowledge) -> (Vec<PointComparison>, Vec<CurveComparison>) {
    let histories = shifts::histories(&knowledge.history);
    let of_points = evidence_of_points(pairs, knowledge, histories);
    let of_curves = curves::evidence(pairs, sides, knowledge, histories);
    let metrics = of_points
        .iter()
        .map(|of_point| (Ensemble::Metric(of_point.metric), &of_point.evidence));
    let curves = of_curves.iter().map(|curve| (Ensemble::Curves, &curve.evidence));
    let evidence: Vec<(Ensemble, &Evidence)> = metrics.chain(curves).collect();
    let tested = test_all(&evidence, knowledge.rules.false_discovery_rate);
    let (tested_points, tested_curves) = tested.split_at(of_points.len());

    let mut changes: Vec<Vec<Change>> = pairs.iter().map(|_| Vec::new()).collect();
    for (of_point, tested) in of_points.iter().zip(tested_points) {
        let key = pairs[of_point.pair].key;
        changes[of_point.pair].push(change(key, (of_point.metric, of_point.statistic), tested, &knowledge.rules));
    }
    let points: Vec<PointComparison> = pairs
        .iter()
        .zip(changes)
        .map(|(pair, changes)| point(pair, changes, sides.0, knowledge))
        .collect();
    let curves = of_curves.into_iter().zip(tested_curves).map(|(curve, tested)| {
        let smallest = knowledge.rules.smallest_change(&curve.key.to_string(), Metric::ThroughputPerGpu);
        let judged = tested.judged(smallest, Better::Higher, knowledge.rules.false_discovery_rate);
        curve.compared(&judged, &points, knowledge)
    });
    let curves = curves.collect();
    (points, curves)
}

/// The evidence on a metric of a pair.
struct PointEvidence {
    /// The index of the pair.
    pair: usize,
    metric: Metric,
    statistic: Statistic,
    evidence: Evidence,
}

fn evidence_of_points(pairs: &[Pair], knowledge: &Knowledge, histories: usize) -> Vec<PointEvidence> {
    let mut all = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let Kind::Both { base, head } = &pair.kind else { continue };
        let found = Metric::JUDGED.iter().filter_map(|metric| {
            let (statistic, evidence) = evidence::of_metric((pair.key, *metric), base, head, knowledge, histories)?;
            Some(PointEvidence {
                pair: index,
                metric: *metric,
                statistic,
                evidence,
            })
        });
        all.extend(found);
    }
    all
}

/// Tests everything at once, in the order of the evidence.
pub(super) fn test_all(evidence: &[(Ensemble, &Evidence)], false_discovery_rate: f64) -> Vec<Tested> {
    let mut ensembles: BTreeMap<Ensemble, Vec<&Evidence>> = BTreeMap::new();
    for (ensemble, evidence) in evidence {
        ensembles.entry(*ensemble).or_default().push(evidence);
    }
    let shared: BTreeMap<Ensemble, Shared> = ensembles
        .into_iter()
        .map(|(ensemble, members)| (ensemble, Shared::of(ensemble, &members)))
        .collect();
    let limit = false_discovery_rate / count(evidence.len().max(1));
    let tested = evidence.iter().filter_map(|(ensemble, evidence)| {
        let shared = shared.get(ensemble)?;
        Some(test(evidence, shared, limit))
    });
    let mut tested: Vec<Tested> = tested.collect();
    let q = q_values(&tested.iter().map(|tested| tested.p).collect::<Vec<_>>());
    for (tested, q) in tested.iter_mut().zip(q) {
        tested.q = q;
    }
    tested
}

/// The common properties of an ensemble's members.
struct Shared {
    assumed: AssumedNoise,
    /// The distribution of their noise; `None` for too few members.
    moderation: Option<Moderation>,
    tails: Tails,
}

impl Shared {
    fn of(ensemble: Ensemble, members: &[&Evidence]) -> Self {
        let noises: Vec<Noise> = members.iter().filter_map(|evidence| evidence.noise).collect();
        let moderation = Moderation::of(&noises);
        let assumed = ensemble.assumed();
        let moderating = moderation.unwrap_or_else(|| assumed.moderation());
        // Every n-th member, so that the sample covers all of them.
        let values: usize = members.iter().map(|evidence| evidence.base.len() + evidence.head.len()).sum();
        let step = values.div_ceil(MOST_RESIDUALS).max(1);
        let residuals: Vec<f64> = members
            .iter()
            .step_by(step)
            .flat_map(|evidence| evidence.residuals(&moderating))
            .collect();
        Self {
            assumed,
            moderation,
            tails: Tails::of(&residuals),
        }
    }
}

fn test(evidence: &Evidence, shared: &Shared, limit: f64) -> Tested {
    let (noise, basis) = match (evidence.noise, shared.moderation) {
        (Some(own), Some(moderation)) => (moderation.moderate(own), evidence.basis),
        (Some(own), None) => (shared.assumed.moderation().moderate(own), evidence.basis),
        (None, Some(moderation)) => (moderation.typical(), Basis::OtherPoints),
        (None, None) => return test_on_assumption(evidence, shared.assumed),
    };
    let noise = evidence.floored(noise);
    let Tails { df, scale } = shared.tails;
    // The lower bounds apply whatever the shape of the noise.
    let scale = evidence
        .floored(Noise {
            sd: scale * noise.sd,
            df: noise.df,
        })
        .sd;
    let base = location(&evidence.base, scale, df);
    let head = location(&evidence.head, scale, df);
    let error = scale * (location_variance(evidence.base.len(), df) + location_variance(evidence.head.len(), df)).sqrt();
    // The side with fewer measurements has the heavier tails, and the degrees of freedom are at most those of the noise estimate.
    let df = location_df(evidence.base.len().min(evidence.head.len()), df).min(noise.df);
    let p = ranks(evidence, basis, limit).unwrap_or_else(|| student_two_sided((head - base) / error, df));
    Tested {
        base,
        head,
        error,
        df,
        sd: noise.sd,
        basis,
        p,
        p_quiet: p,
        q: 1.0,
    }
}

/// Degrees of freedom of the assumed noise, those of the prior of [`Tails`]: nothing says that an unknown machine has no stalls. With a
/// normal distribution noise of five degrees of freedom raised an alarm in 9 % of comparisons of 12 points and in 24 % of 60.
const TAILS_OF_ASSUMPTION: f64 = 6.0;

/// The test for one measurement on each side without history: only a change beyond the noise of a noisy machine is certain.
fn test_on_assumption(evidence: &Evidence, assumed: AssumedNoise) -> Tested {
    let base = location(&evidence.base, assumed.quiet, f64::INFINITY);
    let head = location(&evidence.head, assumed.quiet, f64::INFINITY);
    let measurements = 1.0 / count(evidence.base.len()) + 1.0 / count(evidence.head.len());
    // From a standard deviation to the scale of the t distribution that has it.
    let scale = ((TAILS_OF_ASSUMPTION - 2.0) / TAILS_OF_ASSUMPTION).sqrt();
    let [quiet, noisy] = [assumed.quiet, assumed.noisy()].map(|sd| scale * sd.hypot(evidence.within) * measurements.sqrt());
    Tested {
        base,
        head,
        error: noisy,
        df: TAILS_OF_ASSUMPTION,
        sd: assumed.noisy().hypot(evidence.within),
        basis: Basis::Assumed,
        p: student_two_sided((head - base) / noisy, TAILS_OF_ASSUMPTION),
        p_quiet: student_two_sided((head - base) / quiet, TAILS_OF_ASSUMPTION),
        q: 1.0,
    }
}

/// The exact test. It is used if the noise is known from repeats alone, and there are enough of them for ranks to be significant
/// among all tests.
fn ranks(evidence: &Evidence, basis: Basis, limit: f64) -> Option<f64> {
    let (base, head) = (&evidence.base, &evidence.head);
    let enough = base.len().min(head.len()) >= FEWEST_FOR_RANKS && smallest_rank_p(base.len(), head.len()) <= limit;
    (matches!(basis, Basis::Repeats { .. }) && enough).then(|| mann_whitney(base, head))
}

impl Tested {
    /// The verdict on a change. `smallest` is the smallest change that matters, `better` the direction of the quantity.
    pub(super) fn verdict(&self, smallest: f64, better: Better, false_discovery_rate: f64) -> MetricVerdict {
        let relative = (self.head - self.base).exp_m1();
        let gained = better.gain(relative) > 0.0;
        match (relative.abs() >= smallest, self.q <= false_discovery_rate, self.p_quiet <= ALPHA) {
            (true, true, _) if gained => MetricVerdict::Better,
            (true, true, _) => MetricVerdict::Worse,
            (true, false, true) => MetricVerdict::Unsure,
            (true, false, false) | (false, _, _) => MetricVerdict::Same,
        }
    }

    fn judged(&self, smallest: f64, better: Better, false_discovery_rate: f64) -> Judged {
        let difference = self.head - self.base;
        let reach = self.error * student_quantile(ALPHA, self.df);
        Judged {
            base: rounded(self.base.exp(), 12),
            head: rounded(self.head.exp(), 12),
            relative: rounded(difference.exp_m1(), 9),
            low: rounded((difference - reach).exp_m1(), 6),
            high: rounded((difference + reach).exp_m1(), 6),
            q: rounded(self.q, 6),
            verdict: self.verdict(smallest, better, false_discovery_rate),
        }
    }
}

/// Rounds to significant digits: the conversion to the logarithm and back leaves rounding errors in the last ones, and six digits are
/// more than the precision of an interval's bounds.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.0$e}", digits - 1).parse().unwrap_or(value)
}

fn change(point: &PointKey, (metric, statistic): (Metric, Statistic), tested: &Tested, rules: &Regressions) -> Change {
    let smallest = rules.smallest_change(&point.to_string(), metric);
    let judged = tested.judged(smallest, metric.better(), rules.false_discovery_rate);
    Change {
        metric,
        statistic,
        base: judged.base,
        head: judged.head,
        relative: judged.relative,
        low: judged.low,
        high: judged.high,
        noise: rounded(tested.sd, 6),
        basis: tested.basis,
        q: judged.q,
        verdict: judged.verdict,
    }
}

fn point(pair: &Pair, changes: Vec<Change>, base: &Side, knowledge: &Knowledge) -> PointComparison {
    let (verdict, images) = match &pair.kind {
        Kind::Both { base, head } => {
            let [base, head] = [base, head].map(|points| points.first().and_then(|point| point.image.clone()));
            (verdict(&changes), Some((base, head)))
        }
        Kind::Failed => (Verdict::Failed, None),
        Kind::New => (Verdict::New, None),
        Kind::Missing => (Verdict::Missing, None),
    };
    let (base_image, head_image) = images.filter(|(base, head)| base != head).unwrap_or_default();
    PointComparison {
        point: pair.key.clone(),
        verdict,
        exception: exception(pair.key, verdict, &changes, knowledge),
        borrowed: base.runs.first().and_then(|run| run.borrowed_from(pair.key)).cloned(),
        changes,
        base_image,
        head_image,
    }
}

/// The verdict on a point from those on its metrics. A gain in one metric never offsets a loss in another.
fn verdict(changes: &[Change]) -> Verdict {
    let [worse, better, unsure] = [MetricVerdict::Worse, MetricVerdict::Better, MetricVerdict::Unsure]
        .map(|verdict| changes.iter().any(|change| change.verdict == verdict));
    if worse {
        Verdict::Worse
    } else if better {
        Verdict::Better
    } else if unsure || changes.is_empty() {
        Verdict::Unsure
    } else {
        Verdict::Same
    }
}

fn exception(key: &PointKey, verdict: Verdict, changes: &[Change], knowledge: &Knowledge) -> Option<Excepted> {
    if !verdict.is_regression() {
        return None;
    }
    let worse = changes.iter().filter(|change| change.verdict == MetricVerdict::Worse);
    let worse: Vec<Metric> = worse.map(|change| change.metric).collect();
    let found = knowledge.rules.exception(&key.to_string(), &worse, knowledge.today?)?;
    Some(Excepted {
        reason: found.reason.clone(),
        until: found.until,
    })
}
