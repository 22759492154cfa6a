//! The artifacts of a report that InferenceX's tools read, as `imax action` names them for the upload.

use serde_json::{Value, json};

use crate::fixture::{Fixture, imax_in, row};

/// The last value of each output of the step, which is the one that counts.
fn report(fixture: &Fixture) -> Vec<(String, String)> {
    let plan = json!({ "single_node": { "1k1k": [row(4)] }, "multi_node": {}, "evals": [] });
    fixture.write("imax-artifacts/imax-plan/plan.json", &plan.to_string());
    let (folder, temporary) = (fixture.path(""), fixture.path("").to_string_lossy().into_owned());
    let environment = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_OUTPUT", "output.txt"),
        ("RUNNER_TEMP", temporary.as_str()),
        ("IMAX_ACTION_COMMAND", "report"),
        ("IMAX_ACTION_BASELINE", "none"),
    ];
    let ended = imax_in(&folder, &["action"], &environment);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let written = fixture.read("output.txt");
    let mut outputs: Vec<(String, String)> = Vec::new();
    let mut lines = written.lines();
    while let Some(line) = lines.next() {
        let (name, value) = match line.split_once("<<") {
            Some((name, delimiter)) => (
                name,
                lines.by_ref().take_while(|line| *line != delimiter).collect::<Vec<_>>().join("\n"),
            ),
            None => line.split_once('=').map(|(name, value)| (name, value.to_owned())).unwrap(),
        };
        outputs.retain(|(known, _)| known != name);
        outputs.push((name.to_owned(), value));
    }
    outputs
}

fn names(outputs: &[(String, String)]) -> Vec<&str> {
    let is_name = |output: &&(String, String)| output.0.starts_with("artifact-") && output.0.ends_with("-name");
    outputs.iter().filter(is_name).map(|(_, value)| value.as_str()).collect()
}

/// The text of the file that an artifact has.
fn content(outputs: &[(String, String)], artifact: &str) -> String {
    let (name, _) = outputs.iter().find(|(_, value)| value == artifact).unwrap();
    let path = name.replace("-name", "-path");
    let (_, path) = outputs.iter().find(|(known, _)| *known == path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

/// InferenceX's check of reused artifacts refuses an empty `eval_results_all`, and its reader of statistics looks labels up without `cluster:`.
#[test]
fn run_without_scores_has_no_artifact_of_scores() {
    let fixture = Fixture::new();
    let mut of_cluster = row(8);
    of_cluster["runner"] = json!("cluster:h100");
    fixture.measured("imax-artifacts/bmk_a", &row(4), 4000.0);
    fixture.measured("imax-artifacts/bmk_b", &of_cluster, 5000.0);
    let outputs = report(&fixture);
    let names = names(&outputs);
    for name in ["results_bmk", "run-stats", "changelog-metadata"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"eval_results_all") && names.contains(&""), "{names:?}");
    let statistics: Value = serde_json::from_str(&content(&outputs, "run-stats")).unwrap();
    assert_eq!(statistics, json!({ "h100": { "n_success": 2, "total": 2 } }));
}

#[test]
fn run_with_scores_has_the_artifact_of_scores() {
    let fixture = Fixture::new();
    let mut evaluated = row(4);
    evaluated["eval-only"] = json!(true);
    let folder = "imax-artifacts/eval_a";
    fixture.measured("imax-artifacts/bmk_a", &row(4), 4000.0);
    fixture.write(
        &format!("{folder}/meta_env.json"),
        &json!({
            "is_multinode": false, "model_prefix": "demo", "model": "org/model", "hw": "h100", "framework": "sim", "precision": "fp8", "tp": 4, "ep": 1,
            "dp_attention": "false", "spec_decoding": "none", "conc": 4, "isl": 1024, "osl": 1024
        })
        .to_string(),
    );
    fixture.write(
        &format!("{folder}/results_2026-12-01.json"),
        &json!({
            "results": { "gsm8k": { "alias": "gsm8k", "exact_match,strict-match": 0.95, "exact_match_stderr,strict-match": 0.006 } },
            "n-samples": { "gsm8k": { "original": 1319, "effective": 1319 } }, "configs": { "gsm8k": { "task": "gsm8k" } },
            "lm_eval_version": "0.4.9", "date": 1_790_000_000.0
        })
        .to_string(),
    );
    let outputs = report(&fixture);
    assert!(names(&outputs).contains(&"eval_results_all"), "{outputs:?}");
    let scores: Value = serde_json::from_str(&content(&outputs, "eval_results_all")).unwrap();
    assert_eq!(scores.as_array().unwrap().len(), 1);
}
