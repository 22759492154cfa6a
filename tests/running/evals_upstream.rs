//! Evaluations with a library that works as InferenceX's does: it leaves the files of lm-eval in the workspace, and the workflow judges
//! them by `utils/evals/thresholds.yaml`.

use serde_json::{Value, json};

use super::fixture::Fixture;

const THRESHOLDS: &str = "default:\n  gsm8k: 0.90\nmodels:\n  demo:\n    gsm8k: 0.93\n";

/// Results as lm-eval writes them.
fn results(score: f64) -> String {
    json!({
        "lm_eval_version": "0.4.9", "model_name": "org/demo",
        "results": { "gsm8k": {
            "alias": "gsm8k", "exact_match,strict-match": score, "exact_match_stderr,strict-match": 0.006,
            "exact_match,flexible-extract": 0.97, "exact_match_stderr,flexible-extract": "N/A"
        } },
        "configs": { "gsm8k": { "metric_list": [{ "metric": "exact_match" }], "filter_list": [{ "name": "strict-match" }, { "name": "flexible-extract" }] } },
        "n-samples": { "gsm8k": { "original": 1319, "effective": 1319 } }
    })
    .to_string()
}

fn meta(more: &Value) -> String {
    let mut meta = json!({ "is_multinode": false, "framework": "sim", "precision": "fp8", "tp": 1, "conc": 2, "infmax_model_prefix": "demo", "hw": "h100" });
    meta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    meta.to_string()
}

/// A row that is only evaluated, and a recipe that does it.
fn fixture(recipe: &str) -> Fixture {
    let fixture = Fixture::with_recipe(&format!("source benchmarks/benchmark_lib.sh\n{recipe}"));
    fixture.write("benchmarks/benchmark_lib.sh", "");
    fixture.row(|row| {
        row["run-eval"] = json!(true);
        row["eval-only"] = json!(true);
    });
    fixture.write("utils/evals/thresholds.yaml", THRESHOLDS);
    fixture.write("evaluated.json", &results(0.95));
    fixture.write("meta.json", &meta(&json!({})));
    fixture
}

const RECIPE: &str = "cp evaluated.json results_2026-08-21.json; cp meta.json meta_env.json; echo '{}' > samples_gsm8k_2026.jsonl";

#[test]
fn scores_in_the_workspace_are_collected_and_judged() {
    let fixture = fixture(RECIPE);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("exact_match,strict-match 0.9500, threshold 0.93: pass"),
        "the threshold of the model: {}",
        ended.stderr
    );
    for name in ["results_2026-08-21.json", "meta_env.json", "samples_gsm8k_2026.jsonl"] {
        assert!(
            fixture.results().iter().any(|found| found == name),
            "{name}: {:?}",
            fixture.results()
        );
    }
    let evals = fixture.job()["evals"].clone();
    let scores: Vec<_> = evals
        .as_array()
        .unwrap()
        .iter()
        .map(|eval| (&eval["score"], &eval["verdict"], &eval["conc"]))
        .collect();
    assert_eq!(
        scores,
        [(&json!(0.95), &json!("pass"), &json!(2)), (&json!(0.97), &json!("pass"), &json!(2))]
    );
    // The same files are what a run of several jobs is collected from.
    let collected = fixture.imax(&["collect", "out", "--out", "collected"]);
    assert_eq!(collected.code, Some(0), "{}", collected.stderr);
    let rows: Value = serde_json::from_str(&fixture.read("collected/agg_eval_all.json")).unwrap();
    assert_eq!((&rows[0]["task"], &rows[0]["em_strict"]), (&json!("gsm8k"), &json!(0.95)));
}

#[test]
fn score_below_its_threshold_fails_the_row() {
    let fixture = fixture(RECIPE);
    // Above the default of the task, below that of the model.
    fixture.write("evaluated.json", &results(0.92));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let said = "gsm8k exact_match,strict-match is 0.9200, threshold 0.93";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert_eq!(fixture.job()["evals"][0]["verdict"], json!("fail"));
    assert!(fixture.results().iter().any(|name| name == "results_2026-08-21.json"));
}

#[test]
fn without_thresholds_nothing_is_judged() {
    let fixture = fixture(RECIPE);
    std::fs::remove_file(fixture.path("utils/evals/thresholds.yaml")).unwrap();
    fixture.write("evaluated.json", &results(0.1));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(fixture.job()["evals"][0]["verdict"], json!("unjudged"));
}

#[test]
fn invalid_thresholds_are_refused_before_the_engine_starts() {
    let fixture = fixture(&format!("touch ran; {RECIPE}"));
    fixture.write("utils/evals/thresholds.yaml", "default:\n  gsm8k: 90\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("utils/evals/thresholds.yaml:2:10"), "{}", ended.stderr);
    assert!(!fixture.path("ran").exists());
}

#[test]
fn batch_without_one_of_its_concurrencies_fails() {
    let batch = "cp evaluated.json results_a_conc2.json; cp meta.json meta_env.json";
    let fixture = fixture(batch);
    fixture.write(
        "meta.json",
        &meta(&json!({ "eval_concs": [2, 8], "completed_eval_concs": [2], "failed_eval_concs": [8] })),
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for said in ["the evaluation failed at concurrency 8", "no result file at concurrency 8"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    assert_eq!(fixture.job()["evals"][0]["conc"], json!(2));
}

#[test]
fn results_of_an_earlier_job_are_no_results() {
    let fixture = fixture("true");
    fixture.write("results_2026-08-20.json", &results(0.95));
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    let file = std::fs::File::options()
        .write(true)
        .open(fixture.path("results_2026-08-20.json"))
        .unwrap();
    file.set_modified(yesterday).unwrap();
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("ended without the results of the evaluation"),
        "{}",
        ended.stderr
    );
}
