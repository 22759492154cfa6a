//! What the simulated engine does with its model, seen from outside. The log of the ground truth has the instants at which tokens
//! were due, which are the model's own: they do not depend on how busy the machine is.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{bench, imax, measure, stderr};
use crate::harness::{Finish as _, Simulator};

const TOKENS: &str = "41";

/// The milliseconds between the chunks of one request by the model, on an engine without noise.
fn gaps(arguments: &[&str]) -> Vec<f64> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("truth.jsonl");
    let common = [
        "--jitter",
        "0",
        "--served-model-name",
        "demo",
        "--ground-truth",
        log.to_str().unwrap(),
    ];
    let engine = Simulator::start(&[arguments, &common].concat());
    let load = [
        "--random-input-len",
        "16",
        "--random-output-len",
        TOKENS,
        "--num-prompts",
        "1",
        "--ignore-eos",
    ];
    let (result, output) = measure(engine.port(), &load, folder.path());
    let seen = (output.status.code(), result["total_output_tokens"].to_string());
    assert_eq!(seen, (Some(0), TOKENS.to_owned()), "{}", stderr(&output));
    engine.stop(nix::sys::signal::Signal::SIGTERM);
    let lines: Vec<Value> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // The probe is in the log too, before the request.
    let first = lines.iter().rposition(|line| line["token"] == json!(1)).unwrap();
    let dues: Vec<u64> = lines[first..].iter().map(|line| line["due_unix_ns"].as_u64().unwrap()).collect();
    let milliseconds = |pair: &[u64]| Duration::from_nanos(pair[1] - pair[0]).as_secs_f64() * 1e3;
    dues.windows(2).map(milliseconds).collect()
}

fn mean(values: &[f64]) -> f64 {
    imax::testing::mean(values)
}

#[test]
fn an_accepted_draft_brings_several_tokens_a_step() {
    let plain = gaps(&[]);
    assert_eq!(plain.len(), 40);
    // Each step brings its own token and three of the draft; a draft costs time, so a step is longer, and a token takes less of it.
    let drafted = gaps(&["--speculative-tokens", "3", "--acceptance-rate", "1"]);
    assert_eq!(drafted.len(), 10);
    let ratio = mean(&drafted) / mean(&plain);
    assert!((1.0..2.0).contains(&ratio), "{ratio}");
    // A draft that is never accepted only costs.
    let refused = gaps(&["--speculative-tokens", "3", "--acceptance-rate", "0"]);
    assert_eq!(refused.len(), 40);
    assert!(mean(&refused) > mean(&plain), "{} {}", mean(&refused), mean(&plain));
}

#[test]
fn experts_and_tensors_over_several_gpus_scale_as_stated() {
    let on = |tp: &str, ep: &str| mean(&gaps(&["--gpu", "b200", "--model", "demo-moe", "--tp", tp, "--ep", ep]));
    let (two, eight, experts) = (on("2", "1"), on("8", "1"), on("8", "8"));
    // Step overhead of the engine; what is left is memory traffic: 6% lost with each doubling of tensor parallelism, 4% of experts.
    let traffic = |gap: f64| gap - 0.8;
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.01, "{found} is not {expected}");
    close(traffic(two) / traffic(eight), 4.0 * 0.94_f64.powi(2));
    close(traffic(eight) / traffic(experts), (0.96_f64 / 0.94).powi(3));
}

#[test]
fn experts_that_cannot_be_spread_so_are_refused() {
    let output = imax().args(["sim", "--port", "0", "--tp", "8", "--ep", "3"]).finish();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("expert parallelism 3 does not divide tensor parallelism 8"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_engine_that_never_gets_ready_is_waited_for_until_the_deadline_and_not_loaded() {
    let engine = Simulator::start(&["--never-ready"]);
    // However short the deadline is, the engine is asked, and its last answer is the reason.
    for deadline in ["1ms", "2s"] {
        let waited = imax().args(["ready", "--port", engine.port(), "--deadline", deadline]).finish();
        assert_ne!(waited.status.code(), Some(0));
        assert!(stderr(&waited).contains("503"), "{}", stderr(&waited));
    }
    let loaded = bench(engine.port(), &["--num-prompts", "3"]).finish();
    assert_eq!(loaded.status.code(), Some(1));
    assert!(stderr(&loaded).contains("http_503"), "{}", stderr(&loaded));
}

#[test]
fn an_engine_that_starts_slowly_is_waited_for() {
    let engine = Simulator::start(&["--ready-ms", "700", "--ttft-ms", "1", "--itl-ms", "1"]);
    let early = bench(engine.port(), &["--num-prompts", "1"]).finish();
    let waited = imax().args(["ready", "--port", engine.port(), "--deadline", "60s"]).finish();
    assert_eq!(waited.status.code(), Some(0), "{}", stderr(&waited));
    let late = bench(engine.port(), &["--num-prompts", "1", "--random-input-len", "4"]).finish();
    assert_eq!(late.status.code(), Some(0), "{}", stderr(&late));
    // Where the machine was quick enough to come too early, the engine said why it would not answer.
    assert!(early.status.success() || stderr(&early).contains("http_503"), "{}", stderr(&early));
}
