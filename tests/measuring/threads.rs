//! Several client threads: what they measure is what one would.

use std::path::Path;

use serde_json::{Value, json};

use super::engine::{Engine, measure, words};

/// A load on an engine, with its requests one by one, in the order of the plan.
fn load(engine: &Engine, arguments: &[&str]) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let all = [arguments, &["--ignore-eos", "--save-detailed"]].concat();
    let (result, output) = measure(engine.port(), &all, folder.path());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", words(&output));
    (result, requests(&folder.path().join("result.requests.jsonl")))
}

fn requests(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn instant(request: &Value, key: &str) -> u64 {
    request[key].as_u64().unwrap()
}

#[test]
fn two_threads_send_what_one_sends() {
    let engine = Engine::start(&["--ttft-ms", "5", "--itl-ms", "2"]);
    let lengths = [
        "--random-input-len",
        "30",
        "--random-output-len",
        "12",
        "--random-range-ratio",
        "0.3",
    ];
    for arrival in [
        vec!["--num-prompts", "40", "--max-concurrency", "7"],
        vec!["--num-prompts", "40", "--request-rate", "400"],
        vec!["--sessions", "6", "--turns", "3", "--max-concurrency", "4"],
    ] {
        let of = |threads: &str| {
            let (result, requests) = load(&engine, &[&lengths[..], &arrival, &["--client-threads", threads]].concat());
            assert_eq!(result["imax"]["health"]["client_threads"].to_string(), threads);
            let sent: Vec<Value> = requests
                .iter()
                .map(|request| {
                    json!([
                        request["request"],
                        request["input_tokens"],
                        request["reported_output_tokens"],
                        request["chunks"]
                    ])
                })
                .collect();
            let totals = ["completed", "total_input_tokens", "total_output_tokens"].map(|key| result[key].clone());
            (sent, totals)
        };
        assert_eq!(of("2"), of("1"), "{arrival:?}");
    }
}

#[test]
fn a_thread_whose_slots_are_full_leaves_requests_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts.jsonl");
    // The first request keeps one of the two slots for a second; the forty others want a few milliseconds each.
    let lengths = std::iter::once(100).chain(std::iter::repeat_n(1, 40));
    let lines: String = lengths
        .map(|output| json!({ "prompt": "a b c", "output_tokens": output }).to_string() + "\n")
        .collect();
    std::fs::write(&prompts, lines).unwrap();
    let engine = Engine::start(&["--ttft-ms", "3", "--itl-ms", "10"]);
    let path = prompts.to_str().unwrap();
    let (_, requests) = load(
        &engine,
        &[
            "--dataset-name",
            "custom",
            "--dataset-path",
            path,
            "--request-rate",
            "1000",
            "--max-concurrency",
            "2",
            "--client-threads",
            "2",
        ],
    );
    assert_eq!(requests.len(), 41);
    let long = instant(&requests[0], "ended_unix_ns");
    for short in &requests[1..] {
        assert!(
            instant(short, "ended_unix_ns") < long,
            "{short} waited for a slot of the other thread"
        );
    }
}
