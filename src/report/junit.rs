//! The report as JUnit XML, which CI systems show as tests. A point is a test case; the test fails if the point failed or got worse.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::evals::ScoreRow;
use super::view::{TableRow, View};
use super::{sentences, verdicts};
use crate::analysis::{CurveComparison, Verdict};

/// The report as JUnit XML: a suite for each model and hardware, one for whole curves and one for accuracy. A planned point without
/// numbers is an error, and one that got worse a failure. Known regressions and points of the base alone are skipped.
///
/// # Errors
/// None in practice: every part has an XML form.
pub fn junit(view: &View) -> Result<String, SerializeError> {
    let mut report = Report::new("imax");
    for group in &view.groups {
        report.add_test_suite(suite(&group.name, group.rows.iter().map(point).collect()));
    }
    let curves = view.comparison.into_iter().flat_map(|comparison| &comparison.curves);
    let further = [
        ("no longer measured", missing_points(view)),
        ("whole curves", curves.map(curve).collect()),
        ("accuracy", view.scores().rows().iter().map(score).collect()),
    ];
    for (name, cases) in further {
        if !cases.is_empty() {
            report.add_test_suite(suite(name, cases));
        }
    }
    report.to_string()
}

fn suite(name: &str, cases: Vec<TestCase>) -> TestSuite {
    let mut suite = TestSuite::new(valid(name));
    suite.add_test_cases(cases);
    suite
}

fn case(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(valid(name), status);
    case.set_classname(valid(class));
    case
}

fn failure(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(valid(message));
    status
}

fn error(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(valid(message));
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(valid(message));
    status
}

/// Removes two characters that XML 1.0 forbids and quick-junit does not remove: a log line with one of them would make the whole
/// report invalid.
fn valid(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "")
}

fn point(row: &TableRow) -> TestCase {
    let worse = row.compared.filter(|compared| compared.verdict == Verdict::Worse);
    let known = row.compared.and_then(sentences::exception);
    let status = match (row.failure(), worse, known) {
        (Some(failed), _, Some(known)) => skipped(&format!("{failed}; {known}")),
        (Some(failed), _, None) => error(&failed),
        (None, Some(compared), Some(known)) => skipped(&format!("{}; {known}", sentences::reasons(compared))),
        (None, Some(compared), None) => failure(&sentences::reasons(compared)),
        (None, None, _) => TestCaseStatus::success(),
    };
    let key = &row.point.key;
    case(&key.curve.to_string(), &format!("conc{}", key.conc), status)
}

/// Points of the base that the run does not have.
fn missing_points(view: &View) -> Vec<TestCase> {
    let compared = view.comparison.into_iter().flat_map(|comparison| &comparison.points);
    compared
        .filter(|compared| compared.verdict == Verdict::Missing && view.run.point(&compared.point).is_none())
        .map(|compared| {
            let key = &compared.point;
            let status = skipped("measured in the base, not in this run");
            case(&key.curve.to_string(), &format!("conc{}", key.conc), status)
        })
        .collect()
}

fn curve(curve: &CurveComparison) -> TestCase {
    let status = match (curve.is_regression(), curve.excepted) {
        (true, _) => failure(&verdicts::curve_words(curve)),
        (false, true) => skipped(&format!("{}; known regression of its points", verdicts::curve_words(curve))),
        (false, false) => TestCaseStatus::success(),
    };
    case(&curve.curve.to_string(), "throughput per GPU at equal interactivity", status)
}

fn score(row: &ScoreRow) -> TestCase {
    let worse = row.detail().filter(|_| row.is_worse());
    let status = worse.map_or_else(TestCaseStatus::success, |detail| failure(&format!("{}, {detail}", row.number())));
    case("accuracy", &row.what(), status)
}
