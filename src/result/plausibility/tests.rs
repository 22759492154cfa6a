//! Refused, marked and accepted figures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use super::*;
use crate::result::Json;

/// A plausible result: 16 requests of 16 tokens, four at a time.
const PLAUSIBLE: &str = r#"{"request_rate": "inf", "max_concurrency": 4, "num_prompts": 16, "completed": 16, "duration": 0.5,
    "total_input_tokens": 1024, "total_output_tokens": 256, "request_throughput": 32.0, "output_throughput": 512.0,
    "total_token_throughput": 2560.0,
    "mean_ttft_ms": 45.0, "median_ttft_ms": 44.1, "std_ttft_ms": 4.5, "p99_ttft_ms": 54.0,
    "mean_tpot_ms": 3.125, "median_tpot_ms": 3.06, "std_tpot_ms": 0.31, "p99_tpot_ms": 3.75,
    "mean_itl_ms": 3.2, "median_itl_ms": 3.1, "std_itl_ms": 0.32, "p99_itl_ms": 3.84,
    "mean_e2el_ms": 92.0, "median_e2el_ms": 90.2, "std_e2el_ms": 9.2, "p99_e2el_ms": 110.4}"#;

/// The doubts about the plausible result with other values, null for none.
fn doubts_with(changes: &str) -> Vec<(&'static str, bool)> {
    let Json::Object(mut raw) = Json::parse(PLAUSIBLE).unwrap() else {
        panic!("an object")
    };
    let Json::Object(changes) = Json::parse(changes).unwrap() else {
        panic!("an object")
    };
    for (key, value) in changes {
        match value {
            Json::Null => drop(raw.shift_remove(&key)),
            value @ (Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::List(_) | Json::Object(_)) => {
                raw.insert(key, value);
            }
        }
    }
    let found = doubts(&Figures::of_raw(&raw));
    found.iter().map(|doubt| (doubt.code(), doubt.is_fatal())).collect()
}

#[test]
fn impossible_figures_are_fatal() {
    for (changes, code) in [
        (
            r#"{"mean_ttft_ms": -1715507074412.1, "median_ttft_ms": -1750878354510.5}"#,
            "negative",
        ),
        (r#"{"p99_itl_ms": -0.1}"#, "negative"),
        (r#"{"std_tpot_ms": -0.1}"#, "negative"),
        (r#"{"output_throughput": -512.0}"#, "negative"),
        (r#"{"duration": -0.5}"#, "negative"),
        (r#"{"total_token_throughput": 0}"#, "zero-rate"),
        (r#"{"duration": 0}"#, "zero-rate"),
        (r#"{"p99_ttft_ms": 40.0}"#, "out-of-order"),
        (r#"{"p90_e2el_ms": 120.0}"#, "out-of-order"),
        (r#"{"total_token_throughput": 400.0}"#, "out-of-order"),
        (r#"{"mean_e2el_ms": 44.0, "median_e2el_ms": 43.0}"#, "out-of-order"),
        (r#"{"num_prompts": 10240}"#, "requests-failed"),
        (r#"{"failed": 17}"#, "requests-failed"),
        (r#"{"cancelled": true}"#, "cancelled"),
        // All times in seconds under names of milliseconds.
        (
            r#"{"mean_ttft_ms": 0.045, "median_ttft_ms": 0.0441, "std_ttft_ms": 0.0045, "p99_ttft_ms": 0.054,
                "mean_tpot_ms": 0.003125, "median_tpot_ms": 0.00306, "std_tpot_ms": 0.00031, "p99_tpot_ms": 0.00375,
                "mean_e2el_ms": 0.092, "median_e2el_ms": 0.0902, "std_e2el_ms": 0.0092, "p99_e2el_ms": 0.1104}"#,
            "unit",
        ),
        // Without the whole latency, as vLLM's benchmark writes it by default.
        (
            r#"{"mean_e2el_ms": null, "median_e2el_ms": null, "std_e2el_ms": null, "p99_e2el_ms": null,
                "mean_ttft_ms": 0.045, "median_ttft_ms": 0.0441, "std_ttft_ms": 0.0045, "p99_ttft_ms": 0.054,
                "mean_tpot_ms": 0.003125, "median_tpot_ms": 0.00306, "std_tpot_ms": 0.00031, "p99_tpot_ms": 0.00375}"#,
            "unit",
        ),
        // Microseconds under names of milliseconds.
        (
            r#"{"mean_e2el_ms": 92000, "median_e2el_ms": 90200, "std_e2el_ms": 9200, "p99_e2el_ms": 110400}"#,
            "unit",
        ),
    ] {
        let found = doubts_with(changes);
        assert!(found.contains(&(code, true)), "{changes}: {found:?}");
        assert!(found[0].1, "what is fatal comes first: {found:?}");
    }
}

#[test]
fn doubtful_figures_are_marked() {
    for (changes, code) in [
        (
            r#"{"mean_ttft_ms": 0.0, "median_ttft_ms": 0.0, "std_ttft_ms": 0.0, "p99_ttft_ms": 0.0}"#,
            "placeholder-zero",
        ),
        (
            r#"{"mean_itl_ms": 0.0, "median_itl_ms": 0.0, "std_itl_ms": 0.0, "p99_itl_ms": 0.0}"#,
            "placeholder-zero",
        ),
        (
            r#"{"mean_tpot_ms": 0, "median_tpot_ms": 0, "std_tpot_ms": 0, "p99_tpot_ms": 0}"#,
            "placeholder-zero",
        ),
        (r#"{"median_ttft_ms": 0.0}"#, "placeholder-zero"),
        (r#"{"p99_e2el_ms": 0}"#, "placeholder-zero"),
        (r#"{"p99_ttft_ms": 54000.0, "p99_e2el_ms": 54200.0}"#, "far-apart"),
        (r#"{"std_ttft_ms": 450.0}"#, "impossible-deviation"),
        (r#"{"std_ttft_ms": 0.0}"#, "impossible-deviation"),
        (r#"{"std_e2el_ms": 0.0092}"#, "impossible-deviation"),
        (r#"{"num_prompts": 18}"#, "requests-failed"),
        (r#"{"failed": 2, "num_prompts": 18}"#, "requests-failed"),
        (r#"{"failed": 0, "num_prompts": 10240}"#, "requests-missing"),
        (r#"{"request_throughput": 0.032}"#, "rate-contradicts-count"),
        // The rate of one of four data-parallel ranks, and of twice the prompts.
        (r#"{"output_throughput": 128.0}"#, "rate-contradicts-count"),
        (r#"{"total_token_throughput": 7680.0}"#, "rate-contradicts-count"),
        // ITL alone in seconds.
        (
            r#"{"mean_itl_ms": 0.0032, "median_itl_ms": 0.0031, "std_itl_ms": 0.00032, "p99_itl_ms": 0.00384}"#,
            "unit",
        ),
        // TPOT alone in seconds.
        (
            r#"{"mean_tpot_ms": 0.003125, "median_tpot_ms": 0.00306, "std_tpot_ms": 0.00031, "p99_tpot_ms": 0.00375}"#,
            "unit",
        ),
    ] {
        let found = doubts_with(changes);
        assert!(found.contains(&(code, false)), "{changes}: {found:?}");
        assert!(!found[0].1, "{changes}: {found:?}");
    }
}

#[test]
fn plausible_figures_have_no_doubt() {
    for changes in [
        "{}",
        // Chunks that arrive together.
        r#"{"median_itl_ms": 0.0, "p99_itl_ms": 40.0, "std_itl_ms": 9.5}"#,
        // One token in each answer: no TPOT, no ITL.
        r#"{"total_output_tokens": 16, "output_throughput": 32.0, "total_token_throughput": 2080.0, "mean_tpot_ms": 0, "median_tpot_ms": 0,
            "std_tpot_ms": 0, "p99_tpot_ms": 0, "mean_itl_ms": 0, "median_itl_ms": 0, "std_itl_ms": 0, "p99_itl_ms": 0}"#,
        // A load that was limited by time, so that the number of requested requests is unknown.
        r#"{"num_prompts": null, "failed": 0}"#,
        // An open loop whose requests are rare.
        r#"{"request_rate": 0.5, "max_concurrency": 64, "duration": 320.0, "request_throughput": 0.05, "output_throughput": 0.8,
            "total_token_throughput": 4.0}"#,
        // One request that hung while all others were answered.
        r#"{"max_concurrency": 1024, "num_prompts": 1024, "completed": 1024, "duration": 10.0, "request_throughput": 102.4, "total_input_tokens": 65536,
            "total_output_tokens": 16384, "output_throughput": 1638.4, "total_token_throughput": 8192.0, "mean_e2el_ms": 300.0,
            "std_e2el_ms": 310.0}"#,
        // A heavy tail.
        r#"{"mean_ttft_ms": 60.0, "std_ttft_ms": 90.0, "p99_ttft_ms": 400.0, "p99_e2el_ms": 450.0, "std_e2el_ms": 90.0}"#,
        // No statistic but the median.
        r#"{"mean_ttft_ms": null, "std_ttft_ms": null, "p99_ttft_ms": null}"#,
    ] {
        assert_eq!(doubts_with(changes), [], "{changes}");
    }
}

#[test]
fn lengths_of_another_load_are_marked() {
    let Json::Object(raw) = Json::parse(PLAUSIBLE).unwrap() else {
        panic!("an object")
    };
    let figures = Figures::of_raw(&raw);
    for (isl, osl, expected) in [
        (64, 16, 0),
        // Half of the row's length on average, and a chat template.
        (128, 32, 0),
        (10, 16, 0),
        (8192, 1024, 2),
        (64, 200, 1),
    ] {
        let found = lengths(&figures, isl, osl);
        assert_eq!(found.len(), expected, "{isl} {osl}: {found:?}");
        assert!(found.iter().all(|doubt| doubt.code() == "other-lengths" && !doubt.is_fatal()));
    }
}

#[test]
fn normalised_documents_are_held_against_the_same_rules() {
    for (numbers, code) in [
        (&[("tput_per_gpu", -5.0)][..], Some("negative")),
        (&[("median_ttft", -1.7e9)], Some("negative")),
        (&[("median_ttft", 0.0)], Some("placeholder-zero")),
        (&[("median_ttft", 0.1), ("p99_ttft", 0.05)], Some("out-of-order")),
        (&[("ttft_p50", 0.1), ("ttft_p99", 0.05)], Some("out-of-order")),
        (&[("median_ttft", 0.1), ("median_e2el", 0.05)], Some("out-of-order")),
        // Percentiles of interactivity fall, since it is the inverse of a time.
        (&[("median_intvty", 100.0), ("p99_intvty", 50.0), ("std_intvty", 1.0)], None),
    ] {
        let found = doubts(&Figures::of_normalised(numbers.iter().copied()));
        assert_eq!(found.first().map(Doubt::code), code, "{numbers:?}: {found:?}");
    }
}
