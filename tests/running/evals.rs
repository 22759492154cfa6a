//! Rows that ask for an evaluation: on the engine that was measured, alone, at several concurrencies, by the recipe itself.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cancel::cancel_in;
use super::fixture::Fixture;
use super::success::ENGINE;
use crate::harness::{Finish as _, imax};

/// A task with two questions that the simulated engine answers wrongly.
const TASK: &str = "task: tiny\ndataset_path: json\ndataset_kwargs: {data_files: {test: tiny.jsonl}}\ntest_split: test\n\
    doc_to_text: \"{{q}}\"\ndoc_to_target: a\ngeneration_kwargs: {until: [\"\\n\"], max_gen_toks: 8}\n\
    filter_list: [{name: strict-match, filter: [{function: take_first}]}]\n";

fn fixture(change: impl FnOnce(&mut Value)) -> Fixture {
    let fixture = with_task(Fixture::with_recipe(ENGINE));
    fixture.row(change);
    fixture
}

/// A fixture with a task; its row decides whether it is evaluated.
pub fn with_task(fixture: Fixture) -> Fixture {
    fixture.write("tiny.yaml", TASK);
    fixture.write(
        "tiny.jsonl",
        "{\"q\": \"1+1?\", \"a\": \"two\"}\n{\"q\": \"1+2?\", \"a\": \"three\"}\n",
    );
    fixture.arguments(&["--eval-tasks", "tiny.yaml"])
}

fn phases(job: &Value, phase: &str) -> Vec<String> {
    let all = job["phases"].as_array().unwrap().iter();
    all.filter(|record| record["phase"] == phase)
        .map(|record| record["ending"].as_str().unwrap().to_owned())
        .collect()
}

fn count(fixture: &Fixture, start: &str) -> usize {
    fixture.results().iter().filter(|name| name.starts_with(start)).count()
}

#[test]
fn row_is_measured_and_evaluated_on_one_engine() {
    let fixture = fixture(|row| row["run-eval"] = json!(true));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(
        (phases(&job, "load"), phases(&job, "eval")),
        (vec!["done".to_owned()], vec!["done".to_owned()])
    );
    assert_eq!(phases(&job, "launch").len(), 1);
    let eval = &job["evals"][0];
    assert_eq!(
        (&eval["task"], &eval["asked"], &eval["answered"]),
        (&json!("tiny"), &json!(2), &json!(2))
    );
    assert_eq!((&eval["score"], &eval["verdict"]), (&json!(0.0), &json!("unjudged")));
    let meta: Value = serde_json::from_str(&fixture.read("out/meta_env.json")).unwrap();
    assert_eq!((&meta["hw"], &meta["conc"], &meta["isl"]), (&json!("h100"), &json!(2), &json!(32)));
    assert_eq!(
        (
            count(&fixture, "results_"),
            count(&fixture, "samples_tiny_"),
            count(&fixture, "answers")
        ),
        (1, 1, 0)
    );
    fixture.assert_nothing_runs();
}

#[test]
fn eval_only_row_is_not_loaded() {
    let fixture = fixture(|row| row["eval-only"] = json!(true));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(phases(&job, "load"), ["skipped"]);
    assert_eq!((job["points"].as_array().unwrap().len(), count(&fixture, "agg_")), (0, 0));
    assert_eq!(count(&fixture, "results_"), 1);
    fixture.assert_nothing_runs();
}

#[test]
fn collect_finds_results_of_each_concurrency() {
    let fixture = fixture(|row| {
        row["conc"] = json!([2, 4]);
        row["eval-only"] = json!(true);
        row["eval-all-concs"] = json!(true);
    });
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let meta: Value = serde_json::from_str(&fixture.read("out/meta_env.json")).unwrap();
    assert_eq!(meta["completed_eval_concs"], json!([2, 4]));
    let collected = imax()
        .args(["collect", "out", "--out", "run"])
        .current_dir(fixture.path(""))
        .finish();
    assert!(collected.status.success(), "{}", String::from_utf8_lossy(&collected.stderr));
    let rows: Value = serde_json::from_str(&fixture.read("run/agg_eval_all.json")).unwrap();
    let found: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["conc"], &row["task"], &row["score"], &row["n_eff"]))
        .collect();
    assert_eq!(
        found,
        [
            (&json!(2), &json!("tiny"), &json!(0.0), &json!(2)),
            (&json!(4), &json!("tiny"), &json!(0.0), &json!(2))
        ]
    );
}

#[test]
fn score_below_threshold_fails_job() {
    let fixture = fixture(|row| row["eval-only"] = json!(true));
    fixture.write("configs/eval-thresholds.yaml", "default: {tiny: 0.9}\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = fixture.job();
    let reason = job["outcome"]["reason"].as_str().unwrap();
    assert!(reason.contains("below the threshold") && reason.contains("tiny"), "{reason}");
    assert_eq!(
        (&job["evals"][0]["verdict"], &job["evals"][0]["threshold"]),
        (&json!("fail"), &json!(0.9))
    );
    fixture.assert_nothing_runs();
}

#[test]
fn invalid_task_is_refused_before_engine_starts() {
    let fixture = fixture(|row| row["run-eval"] = json!(true));
    fixture.write("tiny.yaml", &format!("{TASK}process_results: !function u.f\n"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(phases(&fixture.job(), "launch").is_empty());
}

#[test]
fn self_contained_recipe_evaluates_itself() {
    let library = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/benchmarks/benchmark_lib.sh")).unwrap();
    let recipe = "source \"$(dirname \"$0\")/benchmark_lib.sh\"\n\
        \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 5 --served-model-name \"$MODEL\" --host 127.0.0.1 --port \"$PORT\" --ground-truth truth-@MARK@ >&2 &\n\
        wait_for_server_ready --port \"$PORT\" --server-pid $!\n\
        if [ \"$EVAL_ONLY\" != true ]; then echo measured; fi\n\
        if [ \"$RUN_EVAL\" = true ]; then run_eval --framework lm-eval --port \"$PORT\" --concurrent-requests \"$CONC\" --tasks tiny.yaml; fi\n\
        append_lm_eval_summary\n";
    let fixture = fixture(|row| row["eval-only"] = json!(true));
    fixture.write("benchmarks/benchmark_lib.sh", &library);
    fixture.write("benchmarks/demo_fp8_h100_sim.sh", recipe);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    assert_eq!(count(&fixture, "results_"), 1);
    let meta: Value = serde_json::from_str(&fixture.read("out/meta_env.json")).unwrap();
    assert_eq!(meta["infmax_model_prefix"], "demo");
    fixture.assert_nothing_runs();
}

#[test]
fn signal_cancels_evaluation() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fixture = fixture(|row| row["eval-only"] = json!(true));
        // The engine gives one token, which makes it ready, and then none.
        fixture.write("benchmarks/demo_fp8_h100_sim.sh", &ENGINE.replace("--itl-ms 5", "--itl-ms 600000"));
        cancel_in("eval", &fixture, signal, code, |_| {});
        assert_eq!(phases(&fixture.job(), "eval"), ["cancelled"]);
    }
}
