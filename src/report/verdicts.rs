//! Verdicts as lines for every format: points that got worse, points that got better, curves, and level changes within the history.
//! imax's own words and untrusted text are separate fields, because formats escape only the latter.

use super::columns::metric_name;
use super::number::{plain, signed_percent};
use super::sentences;
use super::throughput_unit::ThroughputUnit;
use super::view::{Mark, View};
use crate::analysis::{CurveComparison, MetricVerdict, PointComparison, Shift, Step, Verdict};
use crate::result::Metric;

/// The verdict on a known regression.
const KNOWN: &str = "known";

/// A list of lines under a heading.
#[derive(Debug)]
pub struct VerdictList {
    pub title: &'static str,
    pub subject: &'static str,
    /// The lines, the most important first.
    pub lines: Vec<VerdictLine>,
}

#[derive(Debug, PartialEq)]
pub struct VerdictLine {
    pub mark: Mark,
    /// The verdict in one word.
    pub verdict: &'static str,
    /// The point or curve; untrusted text.
    pub what: String,
    pub detail: String,
    /// Why a regression is accepted, the origin of a borrowed base, or the commits of a level change; untrusted text.
    pub note: Option<String>,
}

impl View<'_> {
    /// The lists that are not empty, the most urgent first.
    #[must_use]
    pub fn verdicts(&self) -> Vec<VerdictList> {
        let curves = self.comparison.map_or_else(Vec::new, |comparison| curves(&comparison.curves));
        let shifts = self
            .comparison
            .map_or_else(Vec::new, |comparison| comparison.shifts.iter().map(shift).collect());
        let lists = [
            ("Worse", "Point", self.losses().into_iter().map(point).collect()),
            ("Better", "Point", self.gains().into_iter().map(point).collect()),
            ("Whole curves, at equal interactivity", "Curve", curves),
            ("Level changes within the history", "Point", shifts),
        ];
        let lists = lists.map(|(title, subject, lines)| VerdictList { title, subject, lines });
        lists.into_iter().filter(|list| !list.lines.is_empty()).collect()
    }
}

fn point(point: &PointComparison) -> VerdictLine {
    VerdictLine {
        mark: if point.exception.is_some() {
            Mark::Neutral
        } else {
            point.verdict.into()
        },
        verdict: if point.exception.is_some() { KNOWN } else { point.verdict.as_str() },
        what: point.point.to_string(),
        detail: sentences::reasons(point),
        note: sentences::note(point),
    }
}

/// The curves that changed, the worst first.
fn curves(curves: &[CurveComparison]) -> Vec<VerdictLine> {
    let mut moved: Vec<&CurveComparison> = curves.iter().filter(|curve| curve.verdict != MetricVerdict::Same).collect();
    moved.sort_by(|left, right| left.relative.total_cmp(&right.relative));
    moved.into_iter().map(curve).collect()
}

fn curve(curve: &CurveComparison) -> VerdictLine {
    VerdictLine {
        mark: if curve.excepted { Mark::Neutral } else { curve.verdict.into() },
        verdict: if curve.excepted {
            KNOWN
        } else {
            sentences::metric_verdict(curve.verdict)
        },
        what: curve.curve.to_string(),
        detail: curve_words(curve),
        note: None,
    }
}

/// `throughput per GPU −12 % (1,234 → 1,086 tok/s/GPU, 95 %: −14 to −10 %) from 20 to 100 tok/s/user`.
pub(super) fn curve_words(curve: &CurveComparison) -> String {
    let unit = ThroughputUnit::of(&curve.curve.runner);
    format!(
        "{} {} ({} → {} {}, {}) from {} to {} tok/s/user",
        metric_name(Metric::ThroughputPerGpu, unit),
        signed_percent(curve.relative),
        plain(curve.base),
        plain(curve.head),
        unit.text(),
        sentences::interval(curve.low, curve.high),
        plain(curve.from),
        plain(curve.to),
    )
}

fn shift(shift: &Shift) -> VerdictLine {
    let steps = match shift.steps.len() {
        1 => "in one step".to_owned(),
        steps => format!("in {steps} steps"),
    };
    VerdictLine {
        mark: if shift.gain() < 0.0 { Mark::Bad } else { Mark::Good },
        verdict: if shift.gain() < 0.0 { Verdict::Worse } else { Verdict::Better }.as_str(),
        what: shift.point.to_string(),
        detail: format!(
            "{} {} over {} runs {steps}",
            metric_name(shift.metric, ThroughputUnit::of(&shift.point.curve.runner)),
            signed_percent(shift.relative),
            shift.runs
        ),
        note: Some(shift.steps.iter().map(step).collect::<Vec<_>>().join(", ")),
    }
}

/// `−4.2 % at 0123456789ab (2026-11-22)`.
fn step(step: &Step) -> String {
    let commit: String = step.commit.chars().take(12).collect();
    let day = step.date.split('T').next().unwrap_or(&step.date);
    format!("{} at {commit} ({day})", signed_percent(step.relative))
}
