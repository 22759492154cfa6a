//! Recorded samples are golden files (`tests/golden/producers`); here is what is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use super::*;

fn conc(number: u32) -> Concurrency {
    Concurrency::new(number).unwrap()
}

#[test]
fn producer_is_detected_from_its_output() {
    for (text, producer) in [
        (
            r#"{"imax": {}, "total_token_throughput": 1, "output_throughput": 1}"#,
            Producer::Imax,
        ),
        (
            r#"{"total_token_throughput": 1, "output_throughput": 1}"#,
            Producer::BenchmarkServing,
        ),
        (
            r#"{"total_output_tokens_retokenized": 1, "median_e2e_latency_ms": 1}"#,
            Producer::Sglang,
        ),
        (
            r#"{"input_config": {}, "request_throughput": {"unit": "requests/sec", "avg": 1}}"#,
            Producer::Aiperf,
        ),
        (r#"{"benchmarks": [{"metrics": {}}]}"#, Producer::Guidellm),
    ] {
        let document = Json::parse(text).unwrap();
        let object = document.as_object().unwrap();
        let found = Producer::ALL.into_iter().find(|producer| producer.wrote(object));
        assert_eq!(found, Some(producer), "{text}");
    }
}

#[test]
fn unknown_format_lists_known_producers() {
    for text in ["{}", "[]", "1", r#"{"throughput": 5}"#] {
        let error = read_results(text).unwrap_err().to_string();
        assert!(error.starts_with("unknown raw format; known producers are imax"), "{text}: {error}");
        for producer in Producer::ALL {
            assert!(error.contains(producer.as_str()), "{error}");
        }
    }
    assert_eq!(read_results(" \n").unwrap_err(), ProducerError::Empty);
    assert!(matches!(read_results("{\n\"a\" 1}"), Err(ProducerError::Json(_))));
}

const LINE: &str = r#"{"total_token_throughput": 1, "output_throughput": 1, "max_concurrency": CONC}"#;

fn lines(concurrencies: &[u32]) -> String {
    let lines = concurrencies.iter().map(|conc| LINE.replace("CONC", &conc.to_string()) + "\n");
    lines.collect()
}

#[test]
fn result_at_the_requested_concurrency_is_selected() {
    let found = read_result(&lines(&[1, 4, 16]), conc(4)).unwrap();
    assert_eq!(found.document.get("max_concurrency"), Some(&Json::Integer(4)));
    let error = read_result(&lines(&[1, 4, 4]), conc(4)).unwrap_err().to_string();
    assert_eq!(error, "the file has results at concurrency 1, 4, 4, expected exactly one at 4");
    let error = read_results(&(lines(&[1]) + "{\"cut")).unwrap_err().to_string();
    assert!(error.starts_with("line 2: "), "{error}");
}

#[test]
fn unexpected_unit_is_refused() {
    let text = r#"{"input_config": {}, "request_count": {"unit": "requests", "avg": 4}, "request_throughput": {"unit": "requests/sec", "avg": 1},
        "total_isl": {"unit": "tokens", "avg": 4}, "total_osl": {"unit": "tokens", "avg": 4}, "time_to_first_token": {"unit": "ns", "avg": 4}}"#;
    let error = read_results(text).unwrap_err().to_string();
    assert!(
        error.starts_with("`time_to_first_token.unit` of the aiperf result is \"ns\", expected"),
        "{error}"
    );
}

#[test]
fn missing_field_is_named() {
    for (text, key) in [
        (
            r#"{"total_output_tokens_retokenized": 1, "median_e2e_latency_ms": 1, "duration": 2}"#,
            "completed",
        ),
        (
            r#"{"total_output_tokens_retokenized": 1, "median_e2e_latency_ms": 1, "duration": 0}"#,
            "duration",
        ),
        (r#"{"benchmarks": [{"metrics": {}, "start_time": 1}]}"#, "end_time"),
        (
            r#"{"benchmarks": [{"metrics": {}, "start_time": 1, "end_time": 2}]}"#,
            "metrics.request_totals.successful",
        ),
    ] {
        let error = read_results(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{key}` of the ")), "{key}: {error}");
    }
}

#[test]
fn srt_slurm_file_names_are_parsed() {
    let name = ResultName::parse("sa-bench_isl_8192_osl_1024", "results_concurrency_64_gpus_48_ctx_8_gen_40.json");
    let expected = ResultName {
        conc: conc(64),
        lens: Some((8192, 1024)),
        gpus: Some(48),
        apart: Some((8, 40)),
    };
    assert_eq!(name, Some(expected));
    let name = ResultName::parse("logs", "results_concurrency_4_gpus_8.json").unwrap();
    assert_eq!((name.lens, name.gpus, name.apart), (None, Some(8), None));
    assert_eq!(ResultName::parse("logs", "benchmark-rollup.json"), None);
    assert_eq!(ResultName::parse("logs", "results_concurrency_many.json"), None);
}
