//! What a load on a healthy engine writes.

use serde_json::{Value, json};

use super::client::{bench, doubts, measure, stderr};
use crate::harness::{Finish as _, Simulator};

const SMALL: [&str; 11] = [
    "--random-input-len",
    "100",
    "--random-output-len",
    "20",
    "--num-prompts",
    "24",
    "--max-concurrency",
    "4",
    "--ignore-eos",
    "--metadata",
    "run=7",
];

#[test]
fn writes_the_keys_of_benchmark_serving() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "10", "--itl-ms", "2"]);
    let (result, output) = measure(engine.port(), &SMALL, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let keys: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    let setup = "date backend model_id tokenizer_id best_of num_prompts run request_rate burstiness max_concurrency duration \
                 benchmark_start_time_unix benchmark_end_time_unix completed total_input_tokens total_output_tokens \
                 request_throughput request_goodput: output_throughput total_token_throughput";
    let mut expected: Vec<String> = setup.split_whitespace().map(str::to_owned).collect();
    for metric in ["ttft", "tpot", "itl", "e2el"] {
        expected.extend(["mean", "median", "std", "p90", "p99", "p99.9"].map(|statistic| format!("{statistic}_{metric}_ms")));
    }
    expected.push("imax".to_owned());
    assert_eq!(keys, expected);
    for (key, value) in [
        ("completed", json!(24)),
        ("total_input_tokens", json!(2400)),
        ("total_output_tokens", json!(480)),
        ("request_rate", json!("inf")),
        ("max_concurrency", json!(4)),
        ("model_id", json!("benchmarks/demo")),
        ("run", json!("7")),
    ] {
        assert_eq!(result[key], value, "{key}");
    }
    let imax = &result["imax"];
    assert_eq!(imax["itl_source"], json!("usage"), "{imax}");
    assert_eq!(doubts(&result), Vec::<&str>::new());
    // The server counted each prompt as long as it was asked to be.
    assert_eq!(
        (&imax["wrong_input_lengths"], &imax["wrong_output_lengths"]),
        (&json!(0), &json!(0))
    );
    // Six requests a stream, one connection a stream.
    assert_eq!(imax["health"]["connections"], json!(4));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("24 of 24 requests") && table.contains("TTFT"), "{table}");
}

#[test]
fn the_time_of_a_chunk_is_shared_by_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "10", "--itl-ms", "2", "--stream-interval", "10"]);
    let mut arguments = SMALL.to_vec();
    arguments[3] = "41";
    let (result, _) = measure(engine.port(), &arguments, folder.path());
    let number = |value: &Value| value.as_f64().unwrap();
    // The share is exact however long a chunk took. Ten tokens take 20 ms; a machine that pauses makes that more, and less only
    // for the few that it held back.
    let (token, chunk) = (number(&result["mean_itl_ms"]), number(&result["imax"]["chunk_latency_ms"]["mean"]));
    assert!((chunk / token - 10.0).abs() < 0.01 && token > 1.0, "{result}");
    assert_eq!(result["imax"]["itl_source"], json!("usage"));
}

#[test]
fn chat_and_whole_answers_are_measured_too() {
    let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "1"]);
    for (arguments, has_ttft) in [(vec!["--backend", "openai-chat"], true), (vec!["--no-stream"], false)] {
        let folder = tempfile::tempdir().unwrap();
        let (result, output) = measure(engine.port(), &[&SMALL[..], &arguments].concat(), folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(result["total_output_tokens"], json!(480), "{arguments:?}");
        assert_eq!(result["median_ttft_ms"].as_f64().unwrap() > 0.0, has_ttft, "{arguments:?}");
    }
}

#[test]
fn an_open_loop_keeps_its_schedule_and_a_cap() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "100", "--itl-ms", "1"]);
    let rate = [
        "--random-output-len",
        "1",
        "--num-prompts",
        "40",
        "--random-input-len",
        "8",
        "--ignore-eos",
    ];
    let open = [&rate[..], &["--request-rate", "100", "--burstiness", "inf"]].concat();
    let (result, _) = measure(engine.port(), &open, folder.path());
    // Forty requests at 10 ms each, and the last one's 100 ms. They do not wait for each other's answers.
    let duration = result["duration"].as_f64().unwrap();
    assert!(duration >= 0.48, "{duration}");
    let together = result["imax"]["health"]["open_connections"].as_u64().unwrap();
    assert!(together > 2, "{together}");
    assert_eq!(result["request_rate"], json!(100.0));
    let capped = [&open[..], &["--max-concurrency", "2"]].concat();
    let (result, _) = measure(engine.port(), &capped, folder.path());
    // Two slots of 100 ms each serve twenty a second: the schedule cannot be kept, and the wait is reported apart.
    let wait = result["imax"]["from_schedule"]["send_lag_ms"]["median"].as_f64().unwrap();
    assert!(result["duration"].as_f64().unwrap() > 1.9, "{result}");
    assert!(wait > 300.0 && result["median_ttft_ms"].as_f64().unwrap() < wait, "{wait}");
}

#[test]
fn goodput_counts_requests_within_the_limits() {
    let engine = Simulator::start(&["--ttft-ms", "20", "--itl-ms", "1"]);
    for (limit, good) in [("ttft:10000", true), ("ttft:1", false)] {
        let folder = tempfile::tempdir().unwrap();
        let (result, _) = measure(engine.port(), &[&SMALL[..], &["--goodput", limit]].concat(), folder.path());
        assert_eq!(result["request_goodput:"].as_f64().unwrap() > 0.0, good, "{limit}");
    }
}

#[test]
fn an_api_key_reaches_neither_output_nor_result() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let output = bench(engine.port(), &SMALL)
        .args(["--save-result", "--result-filename", "r.json", "--result-dir"])
        .arg(folder.path())
        .env("OPENAI_API_KEY", "hidden-value-1")
        .finish();
    assert_eq!(output.status.code(), Some(0));
    let result = std::fs::read_to_string(folder.path().join("r.json")).unwrap();
    let all = format!("{result}{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
    assert!(!all.contains("hidden-value-1"));
}

#[test]
fn several_concurrencies_are_measured_in_one_call_with_a_file_each() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "1"]);
    let mut arguments = SMALL.to_vec();
    arguments[7] = "1,4";
    let output = bench(engine.port(), &arguments)
        .args(["--save-result", "--result-filename", "r.json", "--result-dir"])
        .arg(folder.path())
        .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let throughput = |concurrency: u32| {
        let path = folder.path().join(format!("r-infqps-concurrency{concurrency}.json"));
        let result: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(result["max_concurrency"], json!(concurrency));
        result["output_throughput"].as_f64().unwrap()
    };
    // The engine's times do not depend on the load, so four streams are close to four times as fast.
    assert!(throughput(4) > 2.0 * throughput(1));
}
