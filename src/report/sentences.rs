//! Sentences that several formats share.

use super::columns::{metric_name, metric_text, metric_title};
use super::number;
use super::throughput_unit::ThroughputUnit;
use crate::analysis::{Basis, Change, Comparison, MetricVerdict, Origin, PointComparison, Run, Verdict};
use crate::result::{Metric, Statistic};

/// The verdict in one line: numbers of points that got worse, got better or failed.
pub(super) fn headline(run: &Run, comparison: Option<&Comparison>) -> String {
    let total = run.points.len();
    let failed = total - run.measured();
    let Some(comparison) = comparison else {
        return match failed {
            0 => format!("{} measured", points(total)),
            failed => format!("{failed} of {} failed", points(total)),
        };
    };
    let changed = counted(&[
        (unexcepted(comparison, Verdict::Failed), "failed"),
        (unexcepted(comparison, Verdict::Worse), "worse"),
        (comparison.count(Verdict::Better), "better"),
        (comparison.count(Verdict::Unsure), "unsure"),
    ]);
    let regressions = match comparison.excepted() {
        1 => "known regression",
        _ => "known regressions",
    };
    let others = counted(&[
        (comparison.excepted(), regressions),
        (comparison.count(Verdict::Same), "unchanged"),
        (comparison.count(Verdict::New), "new"),
        (comparison.count(Verdict::Missing), "missing"),
    ]);
    let also = curves_and_scores(comparison);
    let nothing = if changed.is_empty() && also.is_empty() { "No change: " } else { "" };
    let counts = [changed, others].concat().join(", ");
    format!("{nothing}{counts} ({}){also}", points(comparison.points.len()))
}

/// Points of a verdict that no exception covers.
fn unexcepted(comparison: &Comparison, verdict: Verdict) -> usize {
    let of_verdict = comparison.points.iter().filter(|point| point.verdict == verdict);
    of_verdict.filter(|point| point.exception.is_none()).count()
}

/// `2 worse`; counts of zero are omitted.
fn counted(counts: &[(usize, &str)]) -> Vec<String> {
    let some = counts.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}")).collect()
}

/// Regressions besides points: `; 2 curves worse; accuracy worse in 1 task`.
fn curves_and_scores(comparison: &Comparison) -> String {
    let curves = match comparison.curve_regressions().count() {
        0 => String::new(),
        1 => "; 1 curve worse".to_owned(),
        several => format!("; {several} curves worse"),
    };
    let scores = comparison.evals.iter().filter(|change| change.verdict == MetricVerdict::Worse);
    match scores.count() {
        0 => curves,
        1 => format!("{curves}; accuracy worse in 1 task"),
        several => format!("{curves}; accuracy worse in {several} tasks"),
    }
}

/// The basis of the verdicts: the source of the noise.
pub(super) fn basis(comparison: &Comparison) -> String {
    let changes: Vec<&Change> = comparison.points.iter().flat_map(|point| &point.changes).collect();
    if changes.is_empty() {
        return String::new();
    }
    let assumed = changes.iter().filter(|change| change.basis == Basis::Assumed).count();
    let from_history = changes.iter().any(|change| matches!(change.basis, Basis::History { .. }));
    let source = match (from_history, comparison.history_runs) {
        (true, 1) => "noise from 1 earlier run".to_owned(),
        (true, runs) => format!("noise from {runs} earlier runs"),
        (false, _) if assumed == changes.len() => "noise assumed: no history yet".to_owned(),
        (false, _) => "noise from repeated measurements".to_owned(),
    };
    let source = match assumed {
        0 => source,
        some if some < changes.len() => format!("{source} (assumed for some points)"),
        _ => source,
    };
    match comparison.points.iter().filter(|point| point.borrowed.is_some()).count() {
        0 => source,
        1 => format!("{source}; 1 base value borrowed from an earlier run"),
        borrowed => format!("{source}; {borrowed} base values borrowed from earlier runs"),
    }
}

/// What throughput of a comparison is divided by.
pub(super) fn throughput_unit_of(comparison: &Comparison) -> ThroughputUnit {
    ThroughputUnit::of_all(comparison.points.iter().map(|point| &point.point.curve.runner))
}

/// `95 %: −13 to −7 %`.
pub(super) fn interval(low: f64, high: f64) -> String {
    let low = number::signed_percent(low);
    format!("95 %: {} to {}", low.trim_end_matches(" %"), number::signed_percent(high))
}

/// A verdict on a metric or a curve in one word.
pub(super) fn metric_verdict(verdict: MetricVerdict) -> &'static str {
    match verdict {
        MetricVerdict::Better => Verdict::Better.as_str(),
        MetricVerdict::Worse => Verdict::Worse.as_str(),
        MetricVerdict::Unsure => Verdict::Unsure.as_str(),
        MetricVerdict::Same => Verdict::Same.as_str(),
    }
}

/// Why a regression is accepted, and until when. The reason is text from outside.
pub(super) fn exception(point: &PointComparison) -> Option<String> {
    let exception = point.exception.as_ref()?;
    Some(format!("known until {}: {}", exception.until, exception.reason))
}

/// Notes on a verdict: its exception, and the earlier run that the base is borrowed from. Untrusted text.
pub(super) fn note(point: &PointComparison) -> Option<String> {
    let notes: Vec<String> = exception(point).into_iter().chain(point.borrowed.as_ref().map(borrowed)).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// `base borrowed from 0123456789ab (2026-11-22), which measured this point last`.
fn borrowed(origin: &Origin) -> String {
    let commit: String = origin.commit.chars().take(12).collect();
    let day = origin.date.split('T').next().unwrap_or(&origin.date);
    format!("base borrowed from {commit} ({day}), which measured this point last")
}

fn points(count: usize) -> String {
    match count {
        1 => "1 point".to_owned(),
        count => format!("{count} points"),
    }
}

/// The metrics behind the verdict of a point: the first with its values, the others in short:
/// `throughput per GPU −12 % (1,234 → 1,086 tok/s/GPU, 95 %: −14 to −10 %), TTFT +14 %`.
pub(super) fn reasons(point: &PointComparison) -> String {
    let mut meant = point
        .changes
        .iter()
        .filter(|change| Some(change.verdict) == deciding(point.verdict));
    let Some(first) = meant.next() else {
        return point.verdict.as_str().to_owned();
    };
    let divisor = ThroughputUnit::of(&point.point.curve.runner);
    let before = metric_text(first.metric, first.base);
    let after = metric_text(first.metric, first.head);
    let sure = interval(first.low, first.high);
    let mut text = format!(
        "{} ({before} → {after} {}, {sure})",
        in_short(first, divisor),
        unit(first.metric, divisor)
    );
    for change in meant {
        text.push_str(&format!(", {}", in_short(change, divisor)));
    }
    text
}

fn in_short(change: &Change, unit: ThroughputUnit) -> String {
    let name = metric_name(change.metric, unit);
    let percent = number::signed_percent(change.relative);
    match (change.statistic, change.metric) {
        // For latencies, tables show medians.
        (Statistic::Mean, Metric::Ttft | Metric::Tpot | Metric::Interactivity | Metric::E2el) => format!("mean {name} {percent}"),
        (Statistic::Mean | Statistic::Median, _) => format!("{name} {percent}"),
    }
}

/// The verdict on metrics that leads to this verdict on a point.
fn deciding(verdict: Verdict) -> Option<MetricVerdict> {
    match verdict {
        Verdict::Worse => Some(MetricVerdict::Worse),
        Verdict::Better => Some(MetricVerdict::Better),
        Verdict::Unsure => Some(MetricVerdict::Unsure),
        Verdict::Failed | Verdict::Same | Verdict::New | Verdict::Missing => None,
    }
}

/// The unit, as in the column heading.
fn unit(metric: Metric, divisor: ThroughputUnit) -> &'static str {
    let title = metric_title(metric, divisor);
    match title.split_once('(') {
        Some((_, unit)) => unit.trim_end_matches(')'),
        None => title.rsplit(' ').next().unwrap_or(title),
    }
}

/// The change of a metric over all points: `throughput per GPU +1.2 %`.
pub(super) fn overall(metric: Metric, change: f64, unit: ThroughputUnit) -> String {
    format!("{} {}", metric_name(metric, unit), number::signed_percent(change))
}
