//! The report as JUnit XML, which CI systems show as tests: a point is a test case; one that failed or got worse is a
//! failed one.

use super::evals::ScoreRow;
use super::view::{TableRow, View};
use super::{verdicts, words};
use crate::analysis::Verdict;

/// The report as JUnit XML: a suite for each model and hardware, one for whole curves and one for accuracy. A point that is planned and has no
/// numbers is an error, one that got worse a failure; one that is known to, or is only in the base, is skipped.
#[must_use]
pub fn junit(view: &View) -> String {
    let mut suites = String::new();
    for group in &view.groups {
        let cases: Vec<Case> = group.rows.iter().map(case).collect();
        suites.push_str(&suite(&group.name, &cases));
    }
    let gone: Vec<Case> = gone(view).collect();
    if !gone.is_empty() {
        suites.push_str(&suite("not measured any more", &gone));
    }
    let curves: Vec<Case> = curves(view).collect();
    if !curves.is_empty() {
        suites.push_str(&suite("whole curves", &curves));
    }
    let scores: Vec<Case> = view.scores().rows().iter().map(score).collect();
    if !scores.is_empty() {
        suites.push_str(&suite("accuracy", &scores));
    }
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"imax\">\n{suites}</testsuites>\n")
}

struct Case {
    class: String,
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    /// It got worse.
    Failure(String),
    /// There are no numbers.
    Error(String),
    Skipped(String),
}

fn case(row: &TableRow) -> Case {
    let worse = row.compared.filter(|compared| compared.verdict == Verdict::Worse);
    let known = row.compared.and_then(words::exception);
    let outcome = match (row.failure(), worse, known) {
        (Some(failure), _, Some(known)) => Outcome::Skipped(format!("{failure}; {known}")),
        (Some(failure), _, None) => Outcome::Error(failure),
        (None, Some(compared), Some(known)) => Outcome::Skipped(format!("{}; {known}", words::reasons(compared))),
        (None, Some(compared), None) => Outcome::Failure(words::reasons(compared)),
        (None, None, _) => Outcome::Passed,
    };
    Case {
        class: row.point.key.curve.to_string(),
        name: format!("conc{}", row.point.key.conc),
        outcome,
    }
}

/// Points of the base that the run does not have.
fn gone(view: &View) -> impl Iterator<Item = Case> {
    let compared = view.comparison.into_iter().flat_map(|comparison| comparison.points.iter());
    let gone = compared.filter(|compared| compared.verdict == Verdict::Missing && view.run.point(&compared.point).is_none());
    gone.map(|compared| Case {
        class: compared.point.curve.to_string(),
        name: format!("conc{}", compared.point.conc),
        outcome: Outcome::Skipped("measured in the base, not in this run".to_owned()),
    })
}

fn curves(view: &View) -> impl Iterator<Item = Case> {
    let curves = view.comparison.into_iter().flat_map(|comparison| &comparison.curves);
    curves.map(|curve| Case {
        class: curve.curve.to_string(),
        name: "throughput per GPU at equal interactivity".to_owned(),
        outcome: match (curve.is_regression(), curve.excepted) {
            (true, _) => Outcome::Failure(verdicts::curve_words(curve)),
            (false, true) => Outcome::Skipped(format!("{}; its points are known to", verdicts::curve_words(curve))),
            (false, false) => Outcome::Passed,
        },
    })
}

fn score(row: &ScoreRow) -> Case {
    let worse = row.detail().filter(|_| row.is_worse());
    Case {
        class: "accuracy".to_owned(),
        name: row.what(),
        outcome: worse.map_or(Outcome::Passed, |detail| Outcome::Failure(format!("{}, {detail}", row.number()))),
    }
}

fn suite(name: &str, cases: &[Case]) -> String {
    let count = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.outcome)).count();
    let failures = count(|outcome| matches!(outcome, Outcome::Failure(_)));
    let errors = count(|outcome| matches!(outcome, Outcome::Error(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let cases_text: String = cases.iter().map(element).collect();
    format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n{cases_text}  </testsuite>\n",
        escaped(name),
        cases.len()
    )
}

fn element(case: &Case) -> String {
    let (tag, message) = match &case.outcome {
        Outcome::Passed => {
            return format!(
                "    <testcase classname=\"{}\" name=\"{}\"/>\n",
                escaped(&case.class),
                escaped(&case.name)
            );
        }
        Outcome::Failure(message) => ("failure", message),
        Outcome::Error(message) => ("error", message),
        Outcome::Skipped(message) => ("skipped", message),
    };
    format!(
        "    <testcase classname=\"{}\" name=\"{}\">\n      <{tag} message=\"{}\"/>\n    </testcase>\n",
        escaped(&case.class),
        escaped(&case.name),
        escaped(message)
    )
}

/// Text for an XML attribute; XML 1.0 has no way to write most control characters, so they go.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push(' '),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
            other => escaped.push(other),
        }
    }
    escaped
}
