//! Loads in the dialects of other servers, and prompts as token ids.

use serde_json::{Value, json};

use super::client::{doubts, measure, stderr};
use crate::harness::Simulator;

const SMALL: [&str; 9] = [
    "--random-input-len",
    "100",
    "--random-output-len",
    "20",
    "--num-prompts",
    "24",
    "--max-concurrency",
    "4",
    "--ignore-eos",
];

fn load(engine: &Simulator, extra: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (result, output) = measure(engine.port(), &[&SMALL[..], extra].concat(), folder.path());
    assert_eq!(output.status.code(), Some(0), "{extra:?}: {}", stderr(&output));
    assert_eq!(result["completed"], json!(24), "{extra:?}");
    result
}

#[test]
fn sglangs_generate_with_and_without_a_stream() {
    let engine = Simulator::start(&["--ttft-ms", "10", "--itl-ms", "2", "--stream-interval", "4"]);
    let streamed = load(&engine, &["--backend", "sglang-native"]);
    assert_eq!((&streamed["imax"]["itl_source"], doubts(&streamed)), (&json!("usage"), vec![]));
    assert_eq!(
        (&streamed["total_output_tokens"], &streamed["imax"]["wrong_input_lengths"]),
        (&json!(480), &json!(0))
    );
    // Four tokens a chunk share its time, whatever that was.
    let (token, chunk) = (&streamed["mean_itl_ms"], &streamed["imax"]["chunk_latency_ms"]["mean"]);
    let share = chunk.as_f64().unwrap() / token.as_f64().unwrap();
    assert!((3.5..4.5).contains(&share), "{streamed}");
    let whole = load(&engine, &["--backend", "sglang-native", "--no-stream"]);
    assert_eq!(
        (&whole["total_output_tokens"], &whole["median_ttft_ms"]),
        (&json!(480), &json!(0.0))
    );
    let ids = load(&engine, &["--backend", "sglang-native", "--prompt-token-ids"]);
    assert_eq!((&ids["total_input_tokens"], doubts(&ids)), (&json!(2400), vec![]));
}

#[test]
fn tritons_generate_stream_counts_tokens_itself() {
    let engine = Simulator::start(&["--ttft-ms", "10", "--itl-ms", "2"]);
    for extra in [&["--backend", "tensorrt-llm"][..], &["--backend", "tensorrt-llm", "--no-stream"]] {
        let result = load(&engine, extra);
        // The server counts nothing; the tokenizer of the demo has its own view of the engine's words.
        assert_eq!(
            result["imax"]["itl_source"],
            json!(if extra.len() == 2 { "tokenizer" } else { "usage" }),
            "{extra:?}"
        );
        assert!(result["total_output_tokens"].as_u64().unwrap() >= 480, "{extra:?}: {result}");
    }
}

#[test]
fn completions_take_token_ids() {
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1"]);
    let result = load(&engine, &["--prompt-token-ids", "--random-range-ratio", "0.5"]);
    assert_eq!(
        (&result["imax"]["wrong_input_lengths"], &result["imax"]["inexact_prompts"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn adapters_are_requested_by_name() {
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1", "--served-model-name", "one", "two"]);
    let folder = tempfile::tempdir().unwrap();
    let adapters = ["--lora-modules", "one", "two"];
    let (result, _) = measure(engine.port(), &[&SMALL[..], &adapters].concat(), folder.path());
    assert_eq!(result["completed"], json!(24));
    let (result, output) = measure(
        engine.port(),
        &[&SMALL[..], &["--lora-modules", "one", "three"], &["--max-error-share", "0.9"]].concat(),
        folder.path(),
    );
    // About half of them name an adapter that is not there; the probe has luck or not.
    if output.status.code() == Some(0) {
        assert!(result["imax"]["errors"]["http_404"]["count"].as_u64().unwrap() > 0);
    }
}
