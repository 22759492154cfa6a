//! Regressions as alerts. GitHub closes an alert when a later run does not have it.

use std::collections::BTreeMap;

use super::super::sentences;
use super::super::verdicts::curve_words;
use super::super::view::View;
use super::{
    Alert, ArtifactLocation, Fingerprints, Level, Location, LogicalLocation, PhysicalLocation, Region, Rule, Suppression, log, text,
};
use crate::analysis::{CurveComparison, PointComparison, Verdict};
use crate::model::PointKey;
use crate::result::{Point, PointFailure, PointOutcome};

/// The file of alerts: GitHub requires one. A regression is placed in the changelog, at the line of the entry that selects its config,
/// or without a line if that is unknown.
pub const CHANGELOG: &str = "perf-changelog.yaml";

const RULES: [(&str, &str); 4] = [
    ("point-worse", "A measured point got worse"),
    ("point-failed", "A point could not be measured"),
    ("curve-worse", "A curve got worse at equal interactivity"),
    ("accuracy-worse", "An accuracy score got worse"),
];

/// The regressions of a comparison as indented JSON; without a comparison, the points that failed. Known regressions are
/// suppressed, with their reason.
///
/// # Errors
/// None in practice: every part has a JSON form.
pub fn sarif(view: &View, version: &str) -> Result<String, serde_json::Error> {
    let rules = RULES.into_iter().map(|(id, words)| Rule {
        id,
        short_description: Some(text(words)),
    });
    log(version, rules.collect(), alerts(view))
}

impl View<'_> {
    /// Adds the changelog lines that requested points.
    #[must_use]
    pub fn with_lines(mut self, lines: BTreeMap<PointKey, usize>) -> Self {
        self.lines = lines;
        self
    }
}

fn alerts(view: &View) -> Vec<Alert> {
    let failed = view.run.points.iter().filter_map(|point| match &point.outcome {
        PointOutcome::Measured(_) => None,
        PointOutcome::Failed(failure) => Some(failed_point(view, point, failure)),
    });
    let points = view.comparison.into_iter().flat_map(|comparison| &comparison.points);
    let worse = points.filter(|point| point.verdict == Verdict::Worse);
    let curves = view.comparison.into_iter().flat_map(|comparison| &comparison.curves);
    let scores = view.scores();
    failed
        .chain(worse.map(|point| worse_point(view, point)))
        .chain(curves.filter(|curve| curve.is_regression()).map(worse_curve))
        .chain(scores.worse().map(|(what, detail)| alert("accuracy-worse", what, &detail, None)))
        .collect()
}

fn failed_point(view: &View, point: &Point, failure: &PointFailure) -> Alert {
    let compared = view.comparison.and_then(|comparison| comparison.point(&point.key));
    let mut alert = alert(
        "point-failed",
        point.key.to_string(),
        &format!("{} failure: {}", failure.class.as_str(), failure.reason),
        view.lines.get(&point.key),
    );
    alert.suppressions = compared.and_then(sentences::exception).map(suppression).into_iter().collect();
    alert
}

fn worse_point(view: &View, point: &PointComparison) -> Alert {
    let line = view.lines.get(&point.point);
    let mut alert = alert("point-worse", point.point.to_string(), &sentences::reasons(point), line);
    alert.suppressions = sentences::exception(point).map(suppression).into_iter().collect();
    alert
}

fn worse_curve(curve: &CurveComparison) -> Alert {
    alert("curve-worse", curve.curve.to_string(), &curve_words(curve), None)
}

fn suppression(justification: String) -> Suppression {
    Suppression {
        kind: "external",
        justification,
    }
}

/// `what` is the point, curve or task, and also the identity of the alert over runs.
fn alert(rule: &'static str, what: String, words: &str, line: Option<&usize>) -> Alert {
    Alert {
        rule_id: rule,
        level: Level::Error,
        message: text(format!("{what}: {words}")),
        partial_fingerprints: Some(Fingerprints {
            point: format!("{rule} {what}"),
        }),
        locations: vec![changelog_location(what, line)],
        related_locations: Vec::new(),
        suppressions: Vec::new(),
    }
}

fn changelog_location(what: String, line: Option<&usize>) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: CHANGELOG.to_owned() },
            region: line.map(|line| Region {
                start_line: *line,
                ..Region::default()
            }),
        },
        logical_locations: vec![LogicalLocation {
            fully_qualified_name: what,
            kind: "resource",
        }],
        message: None,
    }
}
