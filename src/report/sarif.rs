//! Regressions as SARIF 2.1.0, which GitHub's code scanning shows and remembers: a regression is an alert until a run no longer has
//! it. Specification: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::verdicts::curve_words;
use super::view::View;
use super::words;
use crate::analysis::{CurveComparison, PointComparison, Verdict};
use crate::model::PointKey;
use crate::result::PointOutcome;

/// GitHub shows no alert without a file: a regression stands at the changelog, at the line of the entry that had it measured where
/// that is known, else without a line.
pub const CHANGELOG: &str = "perf-changelog.yaml";

/// The regressions of a comparison as indented JSON; without a comparison, the points that failed. Those that are excepted are
/// suppressed, with their reason (section 3.35).
///
/// # Errors
/// None in practice: every part has a JSON form.
pub fn sarif(view: &View, version: &str) -> Result<String, serde_json::Error> {
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "imax", "version": version,
                "rules": [rule("point-worse", "A measured point got worse"), rule("point-failed", "A point could not be measured"),
                    rule("curve-worse", "A whole curve got worse at equal interactivity"), rule("accuracy-worse", "An evaluation scored less")],
            } },
            "columnKind": "unicodeCodePoints",
            "results": results(view),
        }],
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

impl View<'_> {
    /// Adds the lines of the changelog that asked for points.
    #[must_use]
    pub fn with_lines(mut self, lines: BTreeMap<PointKey, usize>) -> Self {
        self.lines = lines;
        self
    }
}

fn rule(id: &str, words: &str) -> Value {
    json!({ "id": id, "shortDescription": { "text": words } })
}

fn results(view: &View) -> Vec<Value> {
    let failed = view.run.points.iter().filter_map(|point| match &point.outcome {
        PointOutcome::Measured(_) => None,
        PointOutcome::Failed(failure) => {
            let compared = view.comparison.and_then(|comparison| comparison.point(&point.key));
            let text = format!("{} failure: {}", failure.class.as_str(), failure.reason);
            let known = compared.and_then(words::exception);
            let result = result("point-failed", &point.key.to_string(), &text, known);
            Some(at(result, view.lines.get(&point.key)))
        }
    });
    let compared = view.comparison.into_iter();
    let worse = compared
        .clone()
        .flat_map(|comparison| &comparison.points)
        .filter(|point| point.verdict == Verdict::Worse);
    let curves = compared
        .flat_map(|comparison| &comparison.curves)
        .filter(|curve| curve.is_regression());
    let scores = view
        .scores()
        .worse()
        .map(|(what, detail)| result("accuracy-worse", &what, &detail, None));
    failed
        .chain(worse.map(|point| at(of_point(point), view.lines.get(&point.point))))
        .chain(curves.map(of_curve))
        .chain(scores)
        .collect()
}

fn of_point(point: &PointComparison) -> Value {
    result(
        "point-worse",
        &point.point.to_string(),
        &words::reasons(point),
        words::exception(point),
    )
}

fn of_curve(curve: &CurveComparison) -> Value {
    result("curve-worse", &curve.curve.to_string(), &curve_words(curve), None)
}

/// A result at a line, where that is known.
fn at(mut result: Value, line: Option<&usize>) -> Value {
    if let Some(line) = line {
        result["locations"][0]["physicalLocation"]["region"] = json!({ "startLine": line });
    }
    result
}

/// `what` is also the alert's identity, so that the next run's alert is the same one.
fn result(rule: &str, what: &str, text: &str, known: Option<String>) -> Value {
    let mut value = json!({
        "ruleId": rule,
        "level": "error",
        "message": { "text": format!("{what}: {text}") },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": CHANGELOG } },
            "logicalLocations": [{ "fullyQualifiedName": what, "kind": "resource" }],
        }],
        "partialFingerprints": { "imaxPoint/v1": format!("{rule} {what}") },
    });
    if let Some(reason) = known {
        value["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
    }
    value
}
