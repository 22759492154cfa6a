//! `imax normalize`: by row, by environment, and what it refuses.

use serde_json::json;

use crate::scene::{Scene, raw, row};

/// The variables of a workflow that measured one point on one node.
const ENVIRONMENT: [(&str, &str); 13] = [
    ("RESULT_FILENAME", "result"),
    ("RUNNER_TYPE", "h100"),
    ("FRAMEWORK", "sim"),
    ("PRECISION", "fp8"),
    ("SPEC_DECODING", "none"),
    ("ISL", "1024"),
    ("OSL", "1024"),
    ("DISAGG", "false"),
    ("MODEL_PREFIX", "demo"),
    ("IMAGE", "example/engine:1"),
    ("TP", "4"),
    ("EP_SIZE", "1"),
    ("DP_ATTENTION", "false"),
];

#[test]
fn workflow_environment_replaces_the_row() {
    let scene = Scene::new();
    scene.write("result.json", &raw(&row(8), 4000.0).to_string());
    let ended = scene.imax(&["normalize"], &ENVIRONMENT);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let document = scene.json("agg_result.json");
    assert_eq!(document["tput_per_gpu"], json!(1000.0));
    assert_eq!(document["median_ttft"], json!(0.1));
    assert_eq!(document["median_intvty"], json!(250.0));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap(), document);
}

#[test]
fn row_adds_the_point_key_to_the_document() {
    let scene = Scene::new();
    scene.measured("job", &row(8), 4000.0);
    let document = scene.json("job/agg_raw.json");
    assert_eq!(document["imax"]["version"], 1);
    assert_eq!(document["imax"]["point"]["curve"]["layout"], "tp4");
    assert_eq!(document["imax"]["point"]["conc"], 8);
}

#[test]
fn unknown_hardware_is_refused_with_a_suggestion() {
    let scene = Scene::new();
    let mut misspelt = row(8);
    misspelt["runner"] = json!("h10");
    scene.write("row.json", &misspelt.to_string());
    scene.write("raw.json", &raw(&misspelt, 4000.0).to_string());
    let normalize = || scene.imax(&["normalize", "--row", "row.json", "--raw", "raw.json"], &[]);
    let ended = normalize();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    for words in [
        "hardware \"h10\" is neither in configs/hardware.yaml nor a label of configs/runners.yaml",
        "did you mean `h100`?",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(!scene.path("agg_raw.json").exists());
    scene.write("configs/runners.yaml", "labels:\n  h10: [h10_0]\n");
    assert_eq!(normalize().code, 0, "a label of the runner file is known");
}

#[test]
fn input_that_only_the_original_accepts_is_accepted_with_a_warning() {
    let scene = Scene::new();
    let mut nothing = raw(&row(8), 0.0);
    nothing["completed"] = json!(0);
    nothing["median_tpot_ms"] = json!(1.0);
    nothing["median_e2el_ms"] = json!(1.0);
    scene.write("result.json", &nothing.to_string());
    let mut environment = ENVIRONMENT;
    environment[1] = ("RUNNER_TYPE", "abacus");
    let ended = scene.imax(&["normalize"], &environment);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for words in [
        "warning[unknown-hardware]: RUNNER_TYPE: hardware \"abacus\"",
        "warning[nothing-measured]: result.json: the result has no completed request",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let report = scene.imax(&["report", "agg_result.json", "--format", "csv"], &[]);
    assert!(
        report.stdout.contains("no token was counted"),
        "a zero passes for a number: {}",
        report.stdout
    );
}

#[test]
fn refusals_name_the_file_and_have_their_exit_code() {
    let scene = Scene::new();
    scene.write("row.json", &row(8).to_string());
    let mut nothing = raw(&row(8), 4000.0);
    nothing["completed"] = json!(0);
    scene.write("nothing.json", &nothing.to_string());
    scene.write("broken.json", "{\n  \"model_id\" 1\n}");
    scene.write("other.json", &raw(&row(16), 4000.0).to_string());
    for (file, code, message) in [
        ("nothing.json", 1, "nothing.json: the result has no completed request"),
        (
            "broken.json",
            3,
            "broken.json: line 2, column 14: found '1', expected a colon after the key",
        ),
        ("other.json", 3, "other.json: the result was measured at concurrency 16, expected 8"),
        ("absent.json", 3, "cannot read absent.json"),
    ] {
        let ended = scene.imax(&["normalize", "--row", "row.json", "--raw", file], &[]);
        assert_eq!(
            (ended.code, ended.stderr.contains(message)),
            (code, true),
            "{file}: {}",
            ended.stderr
        );
        assert!(!scene.path(&format!("agg_{file}")).exists(), "{file}: wrote a result");
    }
}
