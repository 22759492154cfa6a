//! Refused files. Accepted ones are golden files in `tests/golden/producers`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use super::*;
use crate::result::Gpus;

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
        (r#"{"scenario_type": "agentic-coding", "request_metrics": {}}"#, Producer::Agentx),
        (r#"{"benchmarks": [{"metrics": {}}]}"#, Producer::Guidellm),
        (r#"{"version": "0.1", "metrics": {"requests": {"total": 1}}}"#, Producer::LlmD),
        (
            r#"{"version": 0.2, "results": {"request_performance": {"aggregate": {"requests": {"total": 1}}}}}"#,
            Producer::LlmD,
        ),
        (r#"{"load_summary": {}, "successes": {"count": 1}}"#, Producer::InferencePerf),
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
fn gpus_are_in_the_names_that_launch_scripts_give() {
    let apart = |prefill, decode| Some(Gpus::Apart { prefill, decode });
    for (name, gpus) in [
        (
            "demo_conc64_a_0_sa-bench_isl_8_osl_1_conc64_gpus_48_ctx_8_gen_40.json",
            apart(8, 40),
        ),
        ("demo_a_0_concurrency_8_req_rate_inf_gpus_12_ctx_4_gen_8.json", apart(4, 8)),
        ("demo_conc4_gpus_16.json", apart(16, 0)),
        ("demo_gpus_1_conc4_gpus_16.json", apart(16, 0)),
        ("demo_conc4.json", None),
        ("demo_gpus_x.json", None),
        ("demo_gpus_8.txt", None),
    ] {
        assert_eq!(gpus_in_name(name), gpus, "{name}");
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

/// A report of llm-d in which one part is written otherwise.
fn report(from: &str, to: &str) -> String {
    const REPORT: &str = "version: '0.2.1'
run: {time: {duration: PT2S}}
scenario: {load: {standardized: {concurrency: 4}}}
results:
  request_performance:
    aggregate:
      requests: {total: 18, failures: 1, incomplete: 1, input_length: {units: count, mean: 64.0}, output_length: {units: count, mean: 16.0}}
      latency:
        time_to_first_token: {units: s, mean: 0.045, p50: 0.044, stddev: 0.004, p99p9: 0.06}
        time_per_output_token: {units: ms/token, mean: 3.1}
";
    assert!(REPORT.contains(from), "{from}");
    REPORT.replace(from, to)
}

fn only(text: &str) -> Object {
    let found = read_result(text, conc(4)).unwrap().document;
    let Json::Object(found) = found else { panic!("an object") };
    found
}

#[test]
fn llm_d_report_is_read_by_its_units() {
    for (from, to) in [
        ("PT2S", "PT2S"),
        (
            "units: s, mean: 0.045, p50: 0.044, stddev: 0.004, p99p9: 0.06",
            "units: ms, mean: 45, p50: 44, stddev: 4, p99p9: 60",
        ),
        ("units: ms/token, mean: 3.1", "units: s/token, mean: 0.0031"),
    ] {
        let found = only(&report(from, to));
        let number = |key: &str| found.get(key).and_then(Json::as_number).unwrap();
        for (key, expected) in [
            ("mean_ttft_ms", 45.0),
            ("median_ttft_ms", 44.0),
            ("std_ttft_ms", 4.0),
            ("p99.9_ttft_ms", 60.0),
            ("mean_tpot_ms", 3.1),
            ("completed", 16.0),
            ("failed", 1.0),
            ("total_output_tokens", 256.0),
            ("request_throughput", 8.0),
            ("max_concurrency", 4.0),
        ] {
            assert!((number(key) - expected).abs() < 1e-9, "{to}: {key} is {}", number(key));
        }
    }
    for (from, to, key) in [
        ("units: s,", "units: minutes,", "latency.time_to_first_token.units"),
        ("units: s, ", "", "latency.time_to_first_token.units"),
        ("PT2S", "soon", "run.time.duration"),
        ("total: 18", "total: many", "requests.total"),
    ] {
        let error = read_results(&report(from, to)).unwrap_err().to_string();
        assert!(error.contains(key), "{to}: {error}");
    }
}

#[test]
fn concurrency_of_guidellm_is_that_of_the_streams() {
    let text = |strategy: &str| {
        format!(
            r#"{{"metadata": {{"version": 2}}, "benchmarks": [{{"config": {{"strategy": {strategy}}}, "start_time": 1, "end_time": 3,
                "metrics": {{"request_totals": {{"successful": 8, "errored": 2, "incomplete": 4}},
                "prompt_token_count": {{"successful": {{"total_sum": 8}}}}, "output_token_count": {{"successful": {{"total_sum": 16}}}},
                "time_to_first_token_ms": {{"successful": {{"mean": -1.7e12}}}}}}}}]}}"#
        )
    };
    for (strategy, expected) in [
        (r#"{"type_": "concurrent", "streams": 4, "max_concurrency": 4}"#, Some(4)),
        (r#"{"type_": "synchronous"}"#, Some(1)),
        (r#"{"type_": "throughput", "max_concurrency": 512}"#, Some(512)),
        // The bound that a load at a rate gets is not its concurrency.
        (r#"{"type_": "constant", "rate": 2.0, "max_concurrency": 10240}"#, None),
    ] {
        let found = only(&text(strategy));
        assert_eq!(
            found.get("max_concurrency").and_then(crate::result::number::whole),
            expected,
            "{strategy}"
        );
        assert_eq!(found.get("failed"), Some(&Json::Float(2.0)));
        assert_eq!(
            found.get("mean_ttft_ms"),
            Some(&Json::Float(-1.7e12)),
            "wrong values are found by the checks of all producers"
        );
    }
}

#[test]
fn text_that_is_neither_json_nor_yaml_is_refused() {
    for text in ["version: [", "not json", "- 1\n- 2\n"] {
        assert!(read_results(text).is_err(), "{text}");
    }
}

/// The rows of `tests/golden/producers/sample-guidellm-0.5-csv`.
const CSV: &str = include_str!("../../../tests/golden/producers/sample-guidellm-0.5-csv/raw.csv");

#[test]
fn guidellm_csv_has_the_figures_of_its_json() {
    let json = include_str!("../../../tests/golden/producers/sample-guidellm-0.5/raw.json");
    let of_json = read_results(json).unwrap();
    let of_csv = read_results(CSV).unwrap();
    assert_eq!((of_csv.len(), of_csv[0].producer), (1, Producer::Guidellm));
    let (csv, json) = (of_csv[0].document.as_object().unwrap(), of_json[0].document.as_object().unwrap());
    let mut times = 0;
    for (key, expected) in json.iter() {
        match key.as_str() {
            "benchmark_start_time_unix" | "benchmark_end_time_unix" => times += 1,
            _ => assert_eq!(csv.get(key), Some(expected), "{key}"),
        }
    }
    assert_eq!(csv.len() + times, json.len());
}

#[test]
fn guidellm_csv_that_cannot_be_read_is_refused_with_its_row() {
    let mut lines: Vec<&str> = CSV.lines().collect();
    let row = lines.pop().unwrap();
    let headers = lines.join("\n");
    let shifted = row.split_once(',').unwrap().1;
    let with = |from: &str, to: &str| {
        assert!(row.contains(from), "{from}");
        format!("{headers}\n{}\n", row.replace(from, to))
    };
    for (text, expected) in [
        (headers.clone(), "no benchmark"),
        (
            format!("{headers}\n{row}\n{shifted}\n"),
            "`the number of columns of row 5` of the guidellm result is 145 of 146",
        ),
        (
            with("0.6535749435424805", "soon"),
            "`Timings Duration Sec of row 4` of the guidellm result is soon",
        ),
        (with(",concurrent,", ",sweep,"), "`Run Info Profile of row 4`"),
        (with("[43.732404708862305, ", "["), "a list of 11 percentiles"),
    ] {
        let error = read_results(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
