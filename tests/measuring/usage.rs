//! Wrong command lines and missing files: each named, nothing ignored.

use super::client::{imax, stderr};
use crate::harness::Finish as _;

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for (arguments, code, message) in [
        (vec!["--dataset-name", "custom_audio"], 2, "custom_audio"),
        (vec!["--dataset-name", "sonnet"], 2, "--dataset-path is missing"),
        (
            vec!["--backend", "openai-chat", "--prompt-token-ids"],
            2,
            "--prompt-token-ids is not supported",
        ),
        (
            vec!["--backend", "openai-chat", "--use-chat-template"],
            2,
            "the server applies the template itself",
        ),
        (vec!["--duration", "5"], 2, "--duration without a rate needs --max-concurrency"),
        (vec!["--ramp-up-strategy", "linear"], 2, "--ramp-up-start-rps"),
        (vec!["--sessions", "3", "--num-prompts", "4"], 2, "--num-prompts"),
        (vec!["--backend", "tgi"], 2, "backend \"tgi\" is not supported"),
        (vec!["--use-beam-search"], 2, "--use-beam-search"),
        (vec!["--percentile-metrics", "ttft,speed"], 2, "metric \"speed\" is unknown"),
        (vec!["--metric-percentiles", "101"], 2, "--metric-percentiles is 101"),
        (vec!["--random-range-ratio", "1.5"], 2, "--random-range-ratio is 1.5"),
        (vec!["--request-rate", "0"], 2, "--request-rate is 0"),
        (
            vec!["--backend", "sglang-native", "--max-tokens-field", "max_completion_tokens"],
            2,
            "--max-tokens-field is not supported",
        ),
        (vec!["--max-tokens-field", "a b"], 2, "expected letters, digits and underscores"),
        (vec!["--oversample"], 2, "--oversample needs --num-prompts or --sessions"),
        (vec!["--base-url", "unix:engine.sock"], 2, "the absolute path of a socket"),
        (vec!["--base-url", "ftp://host"], 2, "https://host:port"),
        (vec!["--base-url", "https://host", "--ca-cert", "/nowhere.pem"], 3, "/nowhere.pem"),
        (vec!["--goodput", "speed:3"], 2, "metric \"speed\" is unknown"),
        (vec!["--tokenizer", "/nowhere"], 3, "no tokenizer at /nowhere"),
        (vec!["--tokenizer", "Cargo.toml"], 3, "not a tokenizer.json"),
        (
            vec!["--host", "no-such-host.invalid", "--connect-timeout", "3"],
            4,
            "cannot resolve no-such-host.invalid:8000",
        ),
    ] {
        let output = imax().args(["bench", "--model", "benchmarks/demo"]).args(&arguments).finish();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
    }
}
