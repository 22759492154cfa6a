//! Raw results of load generators without a matrix row: compared, and shown as a report.

use std::path::Path;

use serde_json::{Value, json};

use crate::fixture::{Fixture, imax_in};

/// What vLLM's benchmark writes for a load.
fn raw(conc: u32, throughput: f64) -> Value {
    let tpot_ms = f64::from(conc) * 2000.0 / throughput;
    json!({
        "backend": "openai", "model_id": "org/Model-7B", "request_rate": "inf", "max_concurrency": conc, "num_prompts": conc * 10,
        "completed": conc * 10, "failed": 0, "duration": f64::from(conc) * 20_480.0 / throughput,
        "total_input_tokens": conc * 10_240, "total_output_tokens": conc * 10_240, "total_token_throughput": throughput,
        "output_throughput": throughput / 2.0, "median_ttft_ms": 100.0, "mean_ttft_ms": 101.0, "median_tpot_ms": tpot_ms
    })
}

#[test]
fn two_raw_results_are_compared() {
    let fixture = Fixture::new();
    fixture.write("before.json", &raw(8, 4000.0).to_string());
    // Another engine, and prompts that came out a little longer.
    let mut after = raw(8, 8000.0);
    after["backend"] = json!("vllm");
    after["total_input_tokens"] = json!(8 * 10_240 + 400);
    fixture.write("after.json", &after.to_string());
    let ended = fixture.imax(&["compare", "before.json", "after.json", "--fail-on", "regression"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("1 better") || ended.stdout.contains("better"),
        "{}",
        ended.stdout
    );
    let ended = fixture.imax(&["compare", "after.json", "before.json", "--fail-on", "regression"], &[]);
    assert_eq!(ended.code, 5, "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn several_raw_results_are_one_report() {
    let fixture = Fixture::new();
    let files = [4, 8, 16].map(|conc| {
        let name = format!("{conc}.json");
        fixture.write(&name, &raw(conc, 1000.0 * f64::from(conc)).to_string());
        name
    });
    let csv = fixture.imax(&["report", &files[0], &files[1], &files[2], "--format", "csv"], &[]);
    assert_eq!(csv.code, 0, "{}", csv.stderr);
    assert_eq!(csv.stdout.lines().count(), 4, "a heading and three points: {}", csv.stdout);
    fixture.write("folder/4.json", "{}");
    let ended = fixture.imax(&["report", &files[0], "folder"], &[]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("folder: not a file of results"), "{}", ended.stderr);
}

#[test]
fn folder_of_raw_results_is_one_report() {
    let fixture = Fixture::new();
    for conc in [4, 8, 16] {
        fixture.write(&format!("sweep/{conc}.json"), &raw(conc, 1000.0 * f64::from(conc)).to_string());
    }
    fixture.write("sweep/notes.json", "{\"by\": \"somebody\"}");
    let mut broken = raw(32, 9000.0);
    broken["median_ttft_ms"] = json!(-5.0);
    fixture.write("sweep/32.json", &broken.to_string());
    let csv = fixture.imax(&["report", "sweep", "--format", "csv"], &[]);
    assert_eq!(csv.code, 0, "{}", csv.stderr);
    assert_eq!(csv.stdout.lines().count(), 4, "a heading and three points: {}", csv.stdout);
    let table = fixture.imax(&["report", "sweep"], &[]);
    assert!(table.stdout.contains("32.json: `median_ttft_ms` is -5"), "{}", table.stdout);
    assert!(!table.stdout.contains("notes.json"), "{}", table.stdout);
    let ended = fixture.imax(&["report", "sweep/32.json"], &[]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
}

#[test]
fn raw_results_of_every_producer_are_points() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/producers");
    for (file, points) in [
        ("aiperf/raw.json", 1),
        ("genai-perf/raw.json", 1),
        ("guidellm/raw.json", 1),
        ("sample-guidellm-0.5/raw.json", 2),
        ("sglang/raw.jsonl", 2),
        ("vllm-bench-serve-0.33/raw.json", 1),
        ("sample-llm-d-0.2.1-inference-perf/raw.yaml", 1),
        ("sample-inference-perf-0.7/raw.json", 1),
    ] {
        let report = imax_in(&root, &["report", file, "--format", "csv"], &[]);
        assert_eq!(report.code, 0, "{file}: {}", report.stderr);
        assert_eq!(report.stdout.lines().count(), points + 1, "{file}: {}", report.stdout);
    }
}

#[test]
fn run_is_known_by_its_content() {
    let fixture = Fixture::new();
    fixture.measured("artifacts/job", &crate::fixture::row(8), 4000.0);
    let collected = fixture.imax(&["collect", "artifacts", "--out", "collected"], &[]);
    assert_eq!(collected.code, 0, "{}", collected.stderr);
    fixture.write("monday.json", &fixture.read("collected/run.json"));
    let report = fixture.imax(&["report", "monday.json", "--format", "csv"], &[]);
    assert_eq!(
        (report.code, report.stdout.lines().count()),
        (0, 2),
        "{}{}",
        report.stdout,
        report.stderr
    );
}

#[test]
fn file_of_no_load_generator_is_refused() {
    let fixture = Fixture::new();
    fixture.write("other.json", "{\"tokens\": 5}");
    fixture.write("folder/other.json", "{\"tokens\": 5}");
    for (path, message) in [("other.json", "is absent"), ("folder", "no results found")] {
        let ended = fixture.imax(&["report", path], &[]);
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        assert!(ended.stderr.contains(message), "{path}: {}", ended.stderr);
    }
}
