//! Accuracy in every report: a lower score is a regression in each format.

use serde_json::{Value, json};

use crate::fixture::{Ended, Fixture, imax_in, row};
use crate::harness::Repository;

fn run(fixture: &Fixture, folder: &str, score: f64) {
    fixture.measured(&format!("{folder}/artifacts"), &row(4), 4000.0);
    let out = format!("{folder}/results");
    assert_eq!(
        fixture.imax(&["collect", &format!("{folder}/artifacts"), "--out", &out], &[]).code,
        0
    );
    let file = format!("{out}/run.json");
    let mut document = fixture.json(&file);
    document["run"]["evals"] = json!([{
        "key": { "model_prefix": "demo", "hardware": "h100", "framework": "sim", "precision": "fp8", "spec_decoding": "none", "layout": "tp4-ep1",
            "conc": 4, "task": "gsm8k", "score_name": "em_strict" },
        "score": score, "stderr": 0.006, "questions": 1319,
    }]);
    fixture.write(&file, &document.to_string());
}

fn dumber() -> Fixture {
    let fixture = Fixture::new();
    run(&fixture, "base", 0.95);
    run(&fixture, "head", 0.85);
    fixture
}

#[test]
fn every_format_has_the_score_and_its_base() {
    let fixture = dumber();
    let show = |format: &str| {
        let arguments = [
            "report",
            "head/results",
            "--baseline",
            "base/results",
            "--format",
            format,
            "--fail-on",
            "regression",
        ];
        let ended = fixture.imax(&arguments, &[]);
        assert_eq!(ended.code, 5, "{format}: {}", ended.stderr);
        ended.stdout
    };
    for format in ["table", "markdown", "html", "junit", "sarif"] {
        let text = show(format);
        assert!(
            text.contains("gsm8k on demo fp8 h100 sim tp4") && text.contains("was 0.9500"),
            "{format}: {text}"
        );
    }
    assert!(
        show("table").starts_with("1 unchanged (1 point); accuracy worse in 1 task")
            || show("table").starts_with("1 unchanged (1 point); accuracy worse in 1 task")
    );
    assert!(show("junit").contains("<testsuite name=\"accuracy\" tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"1\""));
    let sarif: Value = serde_json::from_str(&show("sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "accuracy-worse");
    let json: Value = serde_json::from_str(&show("json")).unwrap();
    assert_eq!(
        (&json["run"]["evals"][0]["score"], &json["comparison"]["evals"][0]["verdict"]),
        (&json!(0.85), &json!("worse"))
    );
    let csv = show("csv");
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let cell = |line: usize, name: &str| lines[line][lines[0].iter().position(|heading| *heading == name).unwrap()];
    assert_eq!((cell(1, "task"), cell(1, "verdict")), ("", "same"));
    assert_eq!(
        (cell(2, "task"), cell(2, "score"), cell(2, "verdict"), cell(2, "conc")),
        ("gsm8k", "0.85", "worse", "4")
    );
}

#[test]
fn filters_apply_to_scores() {
    let fixture = dumber();
    let ended = fixture.imax(
        &[
            "compare",
            "base/results",
            "head/results",
            "--filter",
            "hardware=b200",
            "--fail-on",
            "regression",
        ],
        &[],
    );
    assert_eq!((ended.code, ended.stdout.contains("gsm8k")), (0, false), "{}", ended.stdout);
}

#[test]
fn history_is_a_baseline_for_scores() {
    let fixture = dumber();
    let add = [
        "collect",
        "base/artifacts",
        "--out",
        "ignored",
        "--history",
        "history",
        "--commit",
        "abc",
        "--date",
        "2026-11-01T00:00:00Z",
    ];
    assert_eq!(fixture.imax(&add, &[]).code, 0);
    let file = "history/20261101T000000Z-abc.json";
    let mut past = fixture.json(file);
    past["run"] = fixture.json("base/results/run.json")["run"].clone();
    fixture.write(file, &past.to_string());
    let ended = fixture.imax(&["report", "head/results", "--baseline", "history:history"], &[]);
    assert!(ended.stdout.contains("was 0.9500"), "{} {}", ended.stdout, ended.stderr);
}

#[test]
fn check_run_and_notification_name_the_task() {
    let fixture = dumber();
    let arguments = ["notify", "head/results", "--baseline", "base/results", "--dry-run"];
    let ended = fixture.imax(&arguments, &[]);
    let event: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(event["less_accurate"][0]["task"], "gsm8k on demo fp8 h100 sim tp4-ep1 conc4");
    assert!(ended.stdout.lines().next().unwrap().contains("gsm8k"), "{}", ended.stdout);
}

/// The report of a pull request whose base has these thresholds, and which has its own; its score did not change.
fn judged_by(base: &str, own: &str) -> Ended {
    judged_with("report", base, own)
}

fn judged_with(command: &str, base: &str, own: &str) -> Ended {
    let repository = Repository::new();
    repository.write("configs/eval-thresholds.yaml", base);
    let commit = repository.commit("base");
    repository.write("configs/eval-thresholds.yaml", own);
    repository.commit("head");
    let event = json!({ "pull_request": { "number": 7, "base": { "sha": commit } } });
    repository.write(".git/event.json", &event.to_string());
    let fixture = Fixture::new();
    run(&fixture, "base", 0.85);
    run(&fixture, "head", 0.85);
    let (base, head) = (fixture.path("base/results"), fixture.path("head/results"));
    let (base, head) = (base.to_str().unwrap(), head.to_str().unwrap());
    let arguments = match command {
        "compare" => vec!["compare", base, head],
        report => vec![report, head, "--baseline", base],
    };
    let arguments: Vec<&str> = arguments
        .into_iter()
        .chain(["--format", "markdown", "--fail-on", "regression"])
        .collect();
    imax_in(repository.folder(), &arguments, &[("GITHUB_EVENT_PATH", ".git/event.json")])
}

#[test]
fn thresholds_of_a_pull_request_are_those_of_its_base() {
    let lowered = judged_by("default: { gsm8k: 0.9 }\n", "default: { gsm8k: 0.5 }\n");
    assert_eq!(lowered.code, 5, "{}", lowered.stdout);
    for part in ["gsm8k on demo", "is below the threshold of the base, 0.9", "counts after the merge"] {
        assert!(lowered.stdout.contains(part), "{part}: {}", lowered.stdout);
    }
    let compared = judged_with("compare", "default: { gsm8k: 0.9 }\n", "default: { gsm8k: 0.5 }\n");
    assert_eq!(compared.code, 5, "{}", compared.stdout);
    assert!(
        compared.stdout.contains("is below the threshold of the base, 0.9"),
        "{}",
        compared.stdout
    );
    // By its jobs a raised threshold has been judged already; by the base the score is good.
    let raised = judged_by("default: { gsm8k: 0.5 }\n", "default: { gsm8k: 0.6 }\n");
    assert_eq!(raised.code, 0, "{}", raised.stdout);
    let untouched = judged_by("models: { demo: { gsm8k: 0.9 } }\n", "models: { demo: { gsm8k: 0.9 } }\n");
    assert_eq!(untouched.code, 0, "{}", untouched.stdout);
    assert!(!untouched.stdout.contains("eval-thresholds"), "{}", untouched.stdout);
    let by_model = judged_by("models: { demo: { gsm8k: 0.9 } }\n", "default: { gsm8k: 0.1 }\n");
    assert_eq!(by_model.code, 5, "{}", by_model.stdout);
}
