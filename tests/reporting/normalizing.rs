//! `imax normalize`: by row, by environment, and what it refuses.

use serde_json::json;

use crate::fixture::{Fixture, raw, row};

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
    let fixture = Fixture::new();
    fixture.write("result.json", &raw(&row(8), 4000.0).to_string());
    let ended = fixture.imax(&["normalize"], &ENVIRONMENT);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let document = fixture.json("agg_result.json");
    assert_eq!(document["tput_per_gpu"], json!(1000.0));
    assert_eq!(document["median_ttft"], json!(0.1));
    assert_eq!(document["median_intvty"], json!(250.0));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap(), document);
}

#[test]
fn row_adds_the_point_key_to_the_document() {
    let fixture = Fixture::new();
    fixture.measured("job", &row(8), 4000.0);
    let document = fixture.json("job/agg_raw.json");
    assert_eq!(document["imax"]["version"], 1);
    assert_eq!(document["imax"]["point"]["curve"]["layout"], "tp4");
    assert_eq!(document["imax"]["point"]["conc"], 8);
}

#[test]
fn unknown_hardware_is_refused_with_a_suggestion() {
    let fixture = Fixture::new();
    let mut misspelt = row(8);
    misspelt["runner"] = json!("h10");
    fixture.write("row.json", &misspelt.to_string());
    fixture.write("raw.json", &raw(&misspelt, 4000.0).to_string());
    let normalize = || fixture.imax(&["normalize", "--row", "row.json", "--raw", "raw.json"], &[]);
    let ended = normalize();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    for words in [
        "hardware \"h10\" is neither in configs/hardware.yaml nor a label of configs/runners.yaml",
        "did you mean `h100`?",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(!fixture.path("agg_raw.json").exists());
    fixture.write("configs/runners.yaml", "labels:\n  h10: [h10_0]\n");
    assert_eq!(normalize().code, 0, "a label of the runner file is known");
}

#[test]
fn input_that_only_the_original_accepts_is_accepted_with_a_warning() {
    let fixture = Fixture::new();
    let mut nothing = raw(&row(8), 0.0);
    nothing["completed"] = json!(0);
    nothing["median_tpot_ms"] = json!(1.0);
    nothing["median_e2el_ms"] = json!(1.0);
    fixture.write("result.json", &nothing.to_string());
    let mut environment = ENVIRONMENT;
    environment[1] = ("RUNNER_TYPE", "abacus");
    let ended = fixture.imax(&["normalize"], &environment);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for words in [
        "warning[unknown-hardware]: RUNNER_TYPE: hardware \"abacus\"",
        "warning[nothing-measured]: result.json: the result has no completed request",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let report = fixture.imax(&["report", "agg_result.json", "--format", "csv"], &[]);
    assert!(
        report.stdout.contains("no token was counted"),
        "a zero passes for a number: {}",
        report.stdout
    );
}

#[test]
fn refusals_name_the_file_and_have_their_exit_code() {
    let fixture = Fixture::new();
    fixture.write("row.json", &row(8).to_string());
    let mut nothing = raw(&row(8), 4000.0);
    nothing["completed"] = json!(0);
    fixture.write("nothing.json", &nothing.to_string());
    fixture.write("broken.json", "{\n  \"model_id\" 1\n}");
    fixture.write("other.json", &raw(&row(16), 4000.0).to_string());
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
        let ended = fixture.imax(&["normalize", "--row", "row.json", "--raw", file], &[]);
        assert_eq!(
            (ended.code, ended.stderr.contains(message)),
            (code, true),
            "{file}: {}",
            ended.stderr
        );
        assert!(!fixture.path(&format!("agg_{file}")).exists(), "{file}: wrote a result");
    }
}

/// A file of nvidia-smi with samples of four GPUs of 600 W, each second from before the load to after it.
fn nvidia_smi(start: i64, seconds: i64) -> String {
    let mut text = "timestamp, index, power.draw [W], temperature.gpu\n".to_owned();
    for second in -2..=seconds + 2 {
        for gpu in 0..4 {
            text.push_str(&format!("{}, {gpu}, 600.00 W, 55\n", start + second));
        }
    }
    text
}

/// A raw result whose load lasted twenty seconds from this instant.
fn timed(row: &serde_json::Value) -> serde_json::Value {
    let mut timed = raw(row, 4000.0);
    timed["benchmark_start_time_unix"] = json!(1_790_000_000.0);
    timed["benchmark_end_time_unix"] = json!(1_790_000_020.0);
    timed
}

#[test]
fn samples_of_the_recipes_monitor_give_power_and_energy() {
    let fixture = Fixture::new();
    fixture.write("result.json", &timed(&row(8)).to_string());
    fixture.write("gpu_metrics.csv", &nvidia_smi(1_790_000_000, 20));
    let mut environment = ENVIRONMENT.to_vec();
    environment.push(("REQUIRE_POWER", "1"));
    let ended = fixture.imax(&["normalize"], &environment);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let document = fixture.json("agg_result.json");
    assert_eq!(document["power_valid"], 1);
    for (key, expected) in [
        ("avg_power_w", 600.0),
        ("avg_total_gpu_power_w", 2400.0),
        ("total_gpu_energy_j", 48_000.0),
    ] {
        assert_eq!(document[key], json!(expected), "{key}");
    }
    assert_eq!(fixture.json("power_validation_result.json")["power_valid"], true);
    fixture.write("row.json", &row(8).to_string());
    let ended = fixture.imax(&["normalize", "--row", "row.json", "--raw", "result.json"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(fixture.json("agg_result.json")["total_gpu_energy_j"], json!(48_000.0));
}

#[test]
fn result_without_power_fails_where_power_is_required() {
    let fixture = Fixture::new();
    fixture.write("result.json", &timed(&row(8)).to_string());
    fixture.write("row.json", &row(8).to_string());
    for (table, code) in [
        (None, "telemetry_file_missing"),
        (Some("timestamp,gpu,power\n"), "no_usable_power_samples"),
        (Some("timestamp,gpu,power\n1790000005,0,600\n"), "expected_gpu_count_mismatch"),
        (Some("a,b\n"), "timestamp_column_missing"),
    ] {
        if let Some(table) = table {
            fixture.write("gpu_metrics.csv", table);
        }
        for arguments in [&["normalize"][..], &["normalize", "--row", "row.json", "--raw", "result.json"]] {
            let mut environment = ENVIRONMENT.to_vec();
            let ended = fixture.imax(arguments, &environment);
            assert_eq!(
                (ended.code, fixture.json("agg_result.json")["power_valid"].as_i64()),
                (0, Some(0)),
                "{}",
                ended.stderr
            );
            environment.push(("REQUIRE_POWER", "true"));
            let ended = fixture.imax(arguments, &environment);
            assert_eq!(ended.code, 1, "{code}: {}", ended.stderr);
            assert!(
                ended.stderr.contains("REQUIRE_POWER") && ended.stderr.contains(code),
                "{code}: {}",
                ended.stderr
            );
        }
        assert_eq!(fixture.json("power_validation_result.json")["reasons"], json!([code]));
    }
}

#[test]
fn doubtful_figures_are_marked_in_the_document_and_in_every_report() {
    let fixture = Fixture::new();
    let mut failed = raw(&row(8), 4000.0);
    failed["num_prompts"] = json!(90);
    fixture.write("row.txt", &row(8).to_string());
    fixture.write("raw.json", &failed.to_string());
    let ended = fixture.imax(&["normalize", "--row", "row.txt", "--raw", "raw.json"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("warning[requests-failed]: raw.json: only 80 of 90 requests completed"),
        "{}",
        ended.stderr
    );
    assert_eq!(fixture.json("agg_raw.json")["imax"]["doubts"], json!(["requests-failed"]));
    for format in ["table", "markdown", "html"] {
        let report = fixture.imax(&["report", "agg_raw.json", "--format", format], &[]);
        assert!(report.stdout.contains("doubtful (requests-failed)"), "{format}: {}", report.stdout);
    }
    failed["num_prompts"] = json!(10_240);
    fixture.write("raw.json", &failed.to_string());
    let ended = fixture.imax(&["normalize", "--row", "row.txt", "--raw", "raw.json", "--out", "none.json"], &[]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(!fixture.path("none.json").exists());
}

#[test]
fn figures_that_cannot_be_true_are_refused_with_their_key() {
    let fixture = Fixture::new();
    fixture.write("row.txt", &row(8).to_string());
    for (key, value, code) in [
        ("median_ttft_ms", -1.75e12, 3),
        ("p99_ttft_ms", 50.0, 3),
        ("output_throughput", -1.0, 3),
        ("output_throughput", 9000.0, 3),
    ] {
        let mut broken = raw(&row(8), 4000.0);
        broken[key] = json!(value);
        fixture.write("raw.json", &broken.to_string());
        let ended = fixture.imax(&["normalize", "--row", "row.txt", "--raw", "raw.json"], &[]);
        assert_eq!(ended.code, code, "{key}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("`{key}`")), "{key}: {}", ended.stderr);
        assert!(!fixture.path("agg_raw.json").exists(), "{key}");
    }
    // A document that another tool made of such a result is no number either.
    fixture.measured("job", &row(8), 4000.0);
    let mut document = fixture.json("job/agg_raw.json");
    document["median_ttft"] = json!(-1.75e9);
    fixture.write("agg_bmk.json", &json!([document]).to_string());
    let report = fixture.imax(&["report", "agg_bmk.json", "--format", "csv"], &[]);
    assert!(report.stdout.contains("`median_ttft` is -1750000000"), "{}", report.stdout);
}
