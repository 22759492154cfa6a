//! The whole pipeline as a user sees it: `imax demo`, from the changelog's commits to the report, and its end by Ctrl-C.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "harness/mod.rs"]
mod harness;

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Finish as _, Running, imax, wait_until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

/// The demo in a folder, with a state folder of its own: other jobs of this machine are not touched.
fn demo_in(folder: &Path) -> Command {
    let mut command = imax();
    command
        .args(["demo", "--dir"])
        .arg(folder)
        .env("IMAX_STATE_DIR", folder.with_extension("state"));
    command
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn demo_plans_measures_compares_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let demo = folder.path().join("demo");
    let output = demo_in(&demo).args(["--rounds", "2"]).finish();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    for step in ["first", "second"] {
        let points = json(&demo.join(step).join("agg_bmk.json"));
        let points = points.as_array().unwrap();
        assert_eq!(points.len(), 12);
        for name in ["hw", "framework", "conc"] {
            let values: std::collections::BTreeSet<String> = points.iter().map(|point| point[name].to_string()).collect();
            let expected = if name == "conc" { 3 } else { 2 };
            assert_eq!(values.len(), expected, "{name}: {values:?}");
        }
    }
    // The image comes from the commit, and the two commits differ in it.
    let images = |step: &str| -> Vec<String> {
        let points = json(&demo.join(step).join("agg_bmk.json"));
        points
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["image"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(images("first").contains(&"imax-sim:1.0".to_owned()));
    assert!(images("second").contains(&"imax-sim:1.1".to_owned()));
    let evals = json(&demo.join("second/agg_eval_all.json"));
    assert_eq!(evals.as_array().map(Vec::len), Some(1), "{evals}");
    assert_eq!((&evals[0]["task"], &evals[0]["score"]), (&json!("sums"), &json!(0.95)), "{evals}");
    let comparison = json(&demo.join("comparison.json"));
    let compared = comparison["points"].as_array().unwrap();
    assert_eq!(compared.len(), 12);
    // Two rounds of both commits: the noise is measured, not assumed.
    assert_eq!(
        compared[0]["changes"][0]["basis"],
        json!({"repeats": {"measurements": 4}}),
        "{comparison}"
    );
    assert_eq!(json(&demo.join("rounds/second-2/agg_bmk.json")).as_array().map(Vec::len), Some(12));
    let commit = |run: &str| -> String {
        let job = demo.join(run).join("jobs/demo-fp8-h100-sim-256_64-tp1-conc-1/job.json");
        json(&job)["provenance"]["commit"].as_str().unwrap_or_default().to_owned()
    };
    assert!(
        commit("first") != commit("second") && commit("first") == commit("rounds/first-2"),
        "{}",
        commit("first")
    );
    assert!(fs::read_to_string(demo.join("summary.md")).unwrap().contains("| Framework |"));
    let page = fs::read_to_string(demo.join("report.html")).unwrap();
    assert!(
        page.contains("<script type=\"module\">") && !page.contains(" src="),
        "the page must open offline"
    );
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("demo on h100") && table.contains("demo on mi300x"), "{table}");
}

#[test]
fn non_empty_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "precious").unwrap();
    let output = imax().args(["demo", "--dir"]).arg(folder.path()).finish();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Whether a process that is not a zombie has the folder in its command line or is below it.
fn processes_of(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let process = entry.path();
        let working = fs::read_link(process.join("cwd"));
        if working.is_ok_and(|working| working.starts_with(folder)) {
            found.push(fs::read_to_string(process.join("comm")).unwrap_or_default());
        }
    }
    found
}

#[test]
fn ctrl_c_stops_engines_and_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let demo = folder.path().canonicalize().unwrap().join("demo");
    let running = Running::start(&mut demo_in(&demo));
    // The first job's engine is up when its server log has something in it.
    let jobs = demo.join("first/jobs");
    wait_until("the first engine", || {
        let logs = fs::read_dir(&jobs)
            .into_iter()
            .flatten()
            .flatten()
            .map(|job| job.path().join("server.log"));
        logs.into_iter().any(|log| fs::metadata(log).is_ok_and(|log| log.len() > 0))
    });
    running.signal(Signal::SIGINT);
    assert_eq!(running.finish().code, Some(130));
    assert_eq!(processes_of(&demo), Vec::<String>::new());
}
