//! `imax collect` and `imax compare`: what is found, what is missing, and what that means to a workflow.

use serde_json::json;

use crate::fixture::{Fixture, failed_job, raw, row};

#[test]
fn plan_is_the_manifest_of_collect() {
    let fixture = Fixture::new();
    fixture.measured("artifacts/bmk_a/job", &row(4), 4000.0);
    fixture.measured("artifacts/bmk_b", &row(8), 5000.0);
    fixture.measured("artifacts/again/deep/er", &row(8), 5100.0);
    fixture.measured("artifacts/extra", &row(64), 9000.0);
    fixture.write(
        "artifacts/bmk_c/job.json",
        &failed_job(&row(16), "server", "the engine died: out of memory").to_string(),
    );
    fixture.write("artifacts/bmk_d/agg_torn.json", "{\"hw\": ");
    let planned: Vec<_> = [4, 8, 16, 32].map(row).into();
    let mut evaluated = row(128);
    evaluated["eval-only"] = json!(true);
    let plan = json!({ "single_node": { "1k1k": planned, "agentic": [evaluated] }, "multi_node": {}, "evals": [row(256)] });
    fixture.write("plan.json", &plan.to_string());

    let ended = fixture.imax(&["collect", "artifacts", "--plan", "plan.json", "--out", "results"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for words in [
        "conc32: planned, but there is neither a result nor a job record",
        "conc8: measured 2 times",
        "conc64: measured (artifacts/extra/agg_raw.json), but not planned",
        "artifacts/bmk_d/agg_torn.json: line 1, column 8",
        "conc16: server failure: the engine died: out of memory",
        "3 of 5 points measured",
    ] {
        assert!(ended.stderr.contains(words), "{words:?} not in {}", ended.stderr);
    }
    assert_eq!(
        fixture.json("results/run_stats.json"),
        json!({ "h100": { "n_success": 3, "total": 5 } })
    );
    let results = fixture.json("results/agg_bmk.json");
    let concurrencies: Vec<_> = results.as_array().unwrap().iter().map(|result| result["conc"].clone()).collect();
    assert_eq!(concurrencies, [4, 8, 64]);

    let strict = fixture.imax(
        &["collect", "artifacts", "--plan", "plan.json", "--out", "results", "--complete"],
        &[],
    );
    assert_eq!(strict.code, 1, "an incomplete run passes for a complete one");
}

#[test]
fn collected_run_equals_its_artifacts() {
    let fixture = Fixture::new();
    fixture.measured("artifacts/a", &row(4), 4000.0);
    fixture.write(
        "artifacts/b/job.json",
        &failed_job(&row(16), "timeout", "not ready after 600 s").to_string(),
    );
    assert_eq!(fixture.imax(&["collect", "artifacts", "--out", "results"], &[]).code, 0);
    let report = |run: &str| fixture.imax(&["report", run, "--format", "csv"], &[]).stdout;
    assert_eq!(report("results"), report("artifacts"));
    assert!(report("results").contains("timeout failure: not ready after 600 s"));
}

#[test]
fn fail_on_regression_exits_with_its_own_code() {
    let fixture = Fixture::new();
    for (folder, throughput) in [("base", 4000.0), ("slower", 3000.0), ("unsure", 3600.0), ("near", 3950.0)] {
        fixture.measured(&format!("{folder}/a"), &row(4), throughput);
    }
    fixture.write("broken/job.json", &failed_job(&row(4), "server", "it died").to_string());
    for (head, code, words) in [
        ("slower", 5, "1 worse"),
        // More than a quiet machine shows, and less than a noisy one may: no reason to fail without a history.
        ("unsure", 0, "1 unsure"),
        ("near", 0, "No change: 1 unchanged (1 point)"),
        ("broken", 5, "1 failed"),
    ] {
        let ended = fixture.imax(&["compare", "base", head, "--fail-on", "regression"], &[]);
        assert_eq!((ended.code, ended.stdout.contains(words)), (code, true), "{head}: {}", ended.stdout);
        assert_eq!(fixture.imax(&["compare", "base", head], &[]).code, 0, "{head}: nobody asked");
    }
}

#[test]
fn results_of_other_tools_are_paired_by_their_fields() {
    let fixture = Fixture::new();
    fixture.measured("ours", &row(4), 4000.0);
    let environment = [
        ("RESULT_FILENAME", "theirs"),
        ("RUNNER_TYPE", "h100"),
        ("FRAMEWORK", "sim"),
        ("PRECISION", "fp8"),
        ("SPEC_DECODING", "none"),
        ("ISL", "1024"),
        ("OSL", "1024"),
        ("DISAGG", "false"),
        ("MODEL_PREFIX", "demo"),
        ("IMAGE", "example/engine:2"),
        ("TP", "4"),
        ("EP_SIZE", "1"),
        ("DP_ATTENTION", "false"),
    ];
    fixture.write("theirs.json", &raw(&row(4), 5000.0).to_string());
    assert_eq!(fixture.imax(&["normalize"], &environment).code, 0);
    let ended = fixture.imax(&["compare", "agg_theirs.json", "ours", "--format", "json"], &[]);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let point = &report["comparison"]["points"][0];
    assert_eq!(
        (&point["verdict"], &point["base_image"]),
        (&json!("worse"), &json!("example/engine:2"))
    );
}

#[test]
fn folder_without_results_is_refused() {
    let fixture = Fixture::new();
    fixture.write("empty/readme.txt", "nothing");
    let ended = fixture.imax(&["report", "empty"], &[]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("empty: no results found"), "{}", ended.stderr);
}
