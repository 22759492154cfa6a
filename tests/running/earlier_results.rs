//! A folder that has results of an earlier job: nothing of them may pass for a result of the new one.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::fixture::Fixture;
use super::success::ENGINE;
use crate::harness::{Finish as _, imax};

const RECIPE: &str = "benchmarks/demo_fp8_h100_sim.sh";

/// The files of the output folder but the samples of the host, which every job may write.
fn results(fixture: &Fixture) -> Vec<String> {
    fixture.results().into_iter().filter(|name| name != "host_metrics.csv").collect()
}

fn report(fixture: &Fixture) -> String {
    let output = imax()
        .args(["report", "out", "--format", "markdown"])
        .current_dir(fixture.path(""))
        .finish();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn failed_job_leaves_nothing_of_the_earlier_one() {
    let fixture = Fixture::with_recipe(ENGINE);
    assert_eq!(fixture.run().code, Some(0));
    let measured = fixture.results();
    fixture.write("out/notes.md", "a person's");
    fixture.write("out/package.json", "{}");
    fixture.write(RECIPE, "exit 7");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("files of an earlier job from"), "{}", ended.stderr);
    assert_eq!(
        results(&fixture),
        ["job.json", "notes.md", "package.json", "server.log"],
        "before: {measured:?}"
    );
    let report = report(&fixture);
    assert!(report.contains("1 of 1 point failed"), "{report}");
    let collected = imax()
        .args(["collect", "out", "--out", "collected", "--complete"])
        .current_dir(fixture.path(""))
        .finish();
    assert_eq!(collected.status.code(), Some(1));
}

#[test]
fn refused_row_leaves_nothing_of_the_earlier_one() {
    let fixture = Fixture::with_recipe(ENGINE);
    assert_eq!(fixture.run().code, Some(0));
    fs::remove_file(fixture.path(RECIPE)).unwrap();
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(report(&fixture).contains("failed"));
    assert!(
        fixture.results().iter().all(|name| !name.starts_with("agg_")),
        "{:?}",
        fixture.results()
    );
}

/// A killed job has no record; its raw results go by the names of the row.
#[test]
fn raw_results_of_a_killed_job_are_removed() {
    let fixture = Fixture::with_recipe("exit 7");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let name = fixture.job()["points"][0]["result_filename"].as_str().unwrap().to_owned();
    fs::remove_file(fixture.path("out/job.json")).unwrap();
    fixture.write(&format!("out/{name}.json"), "{}");
    fixture.run();
    assert_eq!(results(&fixture), ["job.json", "server.log"]);
}

/// A result that a record in the same folder contradicts, such as one that an older imax left.
#[test]
fn record_of_a_failed_point_outweighs_a_result() {
    let fixture = Fixture::with_recipe(ENGINE);
    assert_eq!(fixture.run().code, Some(0));
    let mut job = fixture.job();
    let point = &mut job["points"][0];
    point["outcome"] = serde_json::json!({ "status": "failed", "class": "server", "reason": "the engine ended" });
    point.as_object_mut().unwrap().remove("normalised");
    job["outcome"] = point_outcome(&job);
    fixture.write("out/job.json", &job.to_string());
    let report = report(&fixture);
    assert!(report.contains("1 of 1 point failed"), "{report}");
}

fn point_outcome(job: &Value) -> Value {
    job["points"][0]["outcome"].clone()
}

#[test]
fn two_runs_of_one_folder_exclude_each_other() {
    let fixture = Fixture::with_recipe("exec sleep @MARK@");
    let mut first = fixture.start();
    first.await_line("phase ready");
    let second = fixture.run();
    assert_eq!(second.code, Some(4), "{}", second.stderr);
    assert!(second.stderr.contains("another imax run writes to"), "{}", second.stderr);
    first.signal(Signal::SIGTERM);
    assert_eq!(first.finish().code, Some(143));
    // Nothing keeps the next one out.
    assert_eq!(results(&fixture), ["job.json", "server.log"]);
    fixture.assert_nothing_runs();
}
