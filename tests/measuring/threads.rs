//! Several client threads: what they measure is what one would.

use serde_json::{Value, json};

use super::client::{detailed, measure, stderr};
use super::limits::{long_last_server, long_prompt};
use crate::harness::Simulator;

/// A load on an engine, with its requests one by one, in the order of the plan.
fn load(engine: &Simulator, arguments: &[&str]) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let all = [arguments, &["--ignore-eos", "--save-detailed"]].concat();
    let (result, output) = measure(engine.port(), &all, folder.path());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    (result, detailed(folder.path()))
}

#[test]
fn two_threads_send_what_one_sends() {
    let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "2"]);
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

/// One thread has the long request in its only slot. Were a short one left to it, the server would never answer the long one.
#[test]
fn a_thread_whose_slots_are_full_leaves_requests_to_the_others() {
    const SHORT_REQUESTS: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts.jsonl");
    let lines: String = std::iter::once(long_prompt())
        .chain(std::iter::repeat_n("a b c".to_owned(), SHORT_REQUESTS))
        .map(|prompt| json!({ "prompt": prompt, "output_tokens": 1 }).to_string() + "\n")
        .collect();
    std::fs::write(&prompts, lines).unwrap();
    // The probe is answered too.
    let port = long_last_server(SHORT_REQUESTS + 1);
    let load = [
        "--dataset-name",
        "custom",
        "--dataset-path",
        prompts.to_str().unwrap(),
        "--request-rate",
        "1000",
        "--max-concurrency",
        "2",
        "--client-threads",
        "2",
        "--no-progress-timeout",
        "90",
    ];
    let (result, output) = measure(&port, &load, folder.path());
    assert_eq!(result["completed"], json!(SHORT_REQUESTS + 1), "{}", stderr(&output));
    assert_eq!(result["imax"]["health"]["client_threads"], json!(2));
}
