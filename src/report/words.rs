//! Sentences that several formats share.

use super::columns::{metric_name, metric_text, metric_title};
use super::number;
use crate::analysis::{Change, Comparison, MetricVerdict, PointComparison, Run, Verdict};
use crate::result::Metric;

/// The verdict in one line: what got worse, what better, what failed.
pub(super) fn headline(run: &Run, comparison: Option<&Comparison>) -> String {
    let total = run.points.len();
    let failed = total - run.measured();
    let Some(comparison) = comparison else {
        return match failed {
            0 => format!("{} measured", points(total)),
            failed => format!("{failed} of {} failed", points(total)),
        };
    };
    let counted = [
        (comparison.count(Verdict::Failed), "failed"),
        (comparison.count(Verdict::Worse), "got worse"),
        (comparison.count(Verdict::Better), "got better"),
        (comparison.count(Verdict::Unsure), "unsure"),
    ];
    let parts: Vec<String> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let others = [
        (comparison.count(Verdict::Same), "unchanged"),
        (comparison.count(Verdict::New), "new"),
        (comparison.count(Verdict::Missing), "missing"),
    ];
    let others: Vec<String> = others
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match (parts.is_empty(), others.is_empty()) {
        (true, _) => format!("No change in {}: {}", points(comparison.points.len()), others.join(", ")),
        (false, true) => format!("Of {}: {}", points(comparison.points.len()), parts.join(", ")),
        (false, false) => format!(
            "Of {}: {}; {}",
            points(comparison.points.len()),
            parts.join(", "),
            others.join(", ")
        ),
    }
}

fn points(count: usize) -> String {
    match count {
        1 => "1 point".to_owned(),
        count => format!("{count} points"),
    }
}

/// What moved the verdict of a point: the first metric with its values, the others in short:
/// `throughput per GPU −12 % (1,234 → 1,086 tok/s/GPU), TTFT +14 %`.
pub(super) fn reasons(point: &PointComparison) -> String {
    let mut meant = point
        .changes
        .iter()
        .filter(|change| Some(change.verdict) == deciding(point.verdict));
    let Some(first) = meant.next() else {
        return point.verdict.as_str().to_owned();
    };
    let before = metric_text(first.metric, first.base);
    let after = metric_text(first.metric, first.head);
    let mut text = format!("{} ({before} → {after} {})", in_short(first), unit(first.metric));
    for change in meant {
        text.push_str(&format!(", {}", in_short(change)));
    }
    text
}

fn in_short(change: &Change) -> String {
    format!("{} {}", metric_name(change.metric), number::signed_percent(change.relative))
}

/// The verdict on metrics that makes this verdict on a point.
fn deciding(verdict: Verdict) -> Option<MetricVerdict> {
    match verdict {
        Verdict::Worse => Some(MetricVerdict::Worse),
        Verdict::Better => Some(MetricVerdict::Better),
        Verdict::Unsure => Some(MetricVerdict::Unsure),
        Verdict::Failed | Verdict::Same | Verdict::New | Verdict::Missing => None,
    }
}

/// The unit as the heading has it, without the heading's other words.
fn unit(metric: Metric) -> &'static str {
    let title = metric_title(metric);
    match title.split_once('(') {
        Some((_, unit)) => unit.trim_end_matches(')'),
        None => title.rsplit(' ').next().unwrap_or(title),
    }
}

/// The change of a metric over all points: `throughput per GPU +1.2 %`.
pub(super) fn overall(metric: Metric, change: f64) -> String {
    format!("{} {}", metric_name(metric), number::signed_percent(change))
}
