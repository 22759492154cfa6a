//! Searches for a load, and what is watched beside one.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{bench, imax, measure, stderr};
use crate::harness::{Finish as _, HttpResponse, HttpServer, Simulator, project};

/// An engine that computes eight requests at once: more wait for about as long as an answer of 60 tokens takes, 260 ms.
fn eight_slots() -> Simulator {
    let folder = tempfile::tempdir().unwrap();
    let own = |name: &str| std::fs::read_to_string(project().join("configs").join(name)).unwrap();
    let sim: String = own("sim.yaml")
        .lines()
        .map(|line| match line.split_once("max_sequences: ") {
            Some((indent, _)) if !line.starts_with('#') => format!("{indent}max_sequences: 8\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    std::fs::write(folder.path().join("sim.yaml"), sim).unwrap();
    std::fs::write(folder.path().join("hardware.yaml"), own("hardware.yaml")).unwrap();
    let configs = folder.path().to_str().unwrap();
    Simulator::start(&["--config-dir", configs, "--tokenizer", "benchmarks/demo"])
}

const REQUESTS: [&str; 5] = ["--random-input-len", "20", "--random-output-len", "60", "--ignore-eos"];

fn search(engine: &Simulator, folder: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = bench(engine.port(), &REQUESTS)
        .args(["--save-result", "--result-filename", "r.json", "--result-dir"])
        .arg(folder)
        .args(arguments)
        .finish();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    let found = std::fs::read(folder.join("r-search.json")).unwrap_or_else(|_| panic!("{said}"));
    (output.status.code(), serde_json::from_slice(&found).unwrap(), said)
}

#[test]
fn highest_concurrency_within_an_objective_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let engine = eight_slots();
    let arguments = [
        "--find-max",
        "--slo",
        "ttft:p90<130",
        "e2el:mean<4000",
        "--search-from",
        "4",
        "--num-prompts",
        "96",
    ];
    let (code, found, said) = search(&engine, folder.path(), &arguments);
    assert_eq!(code, Some(0), "{said}");
    let best = found["best"].as_f64().unwrap();
    assert!((6.0..16.0).contains(&best), "{found}");
    assert_eq!(
        (&found["search"], &found["quantity"]),
        (&json!("find_max"), &json!("max_concurrency"))
    );
    let loads: Vec<(f64, bool)> = found["loads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|load| (load["max_concurrency"].as_f64().unwrap(), load["met"].as_bool().unwrap()))
        .collect();
    assert!(loads.iter().all(|(load, met)| *met == (*load <= best)), "{loads:?}");
    assert!(
        said.contains(&format!("highest concurrency within ttft:p90<130 and e2el:mean<4000: {best}; ")),
        "{said}"
    );
    // Each load has a result file of its own.
    assert!(folder.path().join(format!("r-infqps-concurrency{best}.json")).exists());
}

#[test]
fn objective_that_no_load_meets_is_a_failed_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let engine = eight_slots();
    let arguments = ["--find-max", "--slo", "ttft:p50<1", "--num-prompts", "40"];
    let (code, found, said) = search(&engine, folder.path(), &arguments);
    assert_eq!(
        (code, &found["best"], &found["certain"]),
        (Some(1), &Value::Null, &json!(true)),
        "{said}"
    );
    assert!(said.contains("no concurrency is within ttft:p50<1"), "{said}");
}

#[test]
fn sweep_goes_from_one_stream_to_saturation() {
    let folder = tempfile::tempdir().unwrap();
    let engine = eight_slots();
    let (code, found, said) = search(&engine, folder.path(), &["--sweep", "--num-prompts", "64", "--search-limit", "64"]);
    assert_eq!(code, Some(0), "{said}");
    let loads = found["loads"].as_array().unwrap();
    assert_eq!(loads[0]["max_concurrency"], json!(1.0));
    assert!(
        found["best"].as_f64().unwrap() >= 8.0 && said.contains("highest throughput at concurrency"),
        "{found}"
    );
}

#[test]
fn search_that_sets_what_it_varies_is_refused() {
    for (arguments, message) in [
        (&["--find-max", "--slo", "ttft:p99<5", "--max-concurrency", "4"][..], "leave it out"),
        (&["--find-max"], "--slo"),
        (&["--find-max", "--slo", "ttft<5"], "expected METRIC:STATISTIC<MILLISECONDS"),
        (&["--find-max", "--slo", "ttft:p99<5", "--sessions", "4"], "not conversations"),
    ] {
        let output = imax().args(["bench", "--model", "m"]).args(arguments).finish();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

/// A server whose completions are `respond`'s, and that notes the first line of each request.
fn server(respond: impl Fn(usize) -> HttpResponse + Send + Sync + 'static) -> (HttpServer, Arc<Mutex<Vec<String>>>) {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&lines);
    let server = HttpServer::start(move |_, request| {
        let mut seen = seen.lock().unwrap();
        let line = request.line.clone();
        let is_completion = line.contains("/v1/completions");
        let number = seen.iter().filter(|line| line.contains("/v1/completions")).count();
        seen.push(line.clone());
        Some(match is_completion {
            true => respond(number),
            false if line.contains("/reset_prefix_cache") => HttpResponse::json("{}"),
            false => HttpResponse::json("{}").status(404),
        })
    });
    (server, lines)
}

fn one_token() -> HttpResponse {
    let chunk = json!({ "choices": [{ "index": 0, "text": " a", "finish_reason": "stop" }], "usage": { "prompt_tokens": 10, "completion_tokens": 1 } });
    HttpResponse::new(200).body("text/event-stream", format!("data: {chunk}\n\ndata: [DONE]\n\n"))
}

fn load_on(server: &HttpServer, folder: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = imax()
        .args([
            "bench",
            "--base-url",
            &server.url,
            "--model",
            "benchmarks/demo",
            "--allow-saturated-client",
            "--osl",
            "1",
        ])
        .args(["--save-result", "--result-filename", "r.json", "--result-dir"])
        .arg(folder)
        .args(arguments)
        .finish();
    let result = std::fs::read(folder.join("r.json")).unwrap_or_else(|_| b"null".to_vec());
    (output.status.code(), serde_json::from_slice(&result).unwrap(), stderr(&output))
}

#[test]
fn load_ends_early_when_too_many_requests_fail() {
    // The probe succeeds.
    let (server, _) = server(|number| match number {
        0 => one_token(),
        _ => HttpResponse::json("{\"error\": \"broken\"}").status(500),
    });
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let arguments = [
        "--duration",
        "100",
        "--max-concurrency",
        "1",
        "--num-prompts",
        "10",
        "--abort-error-share",
        "0.2",
    ];
    let (code, result, said) = load_on(&server, folder.path(), &arguments);
    assert!(start.elapsed() < Duration::from_secs(60), "{said}");
    assert_eq!(code, Some(1), "{said}");
    let codes = result["imax"]["validity"].as_array().unwrap();
    assert!(
        codes.contains(&json!("too_many_errors")) && codes.contains(&json!("interrupted")),
        "{codes:?}"
    );
    assert_eq!(result["imax"]["partial"], json!(true));
}

#[test]
fn prefix_cache_is_reset_before_each_load() {
    let (server, lines) = server(|_| one_token());
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--num-prompts", "3", "--max-concurrency", "1,2", "--reset-prefix-cache"];
    let (code, _, said) = load_on(&server, folder.path(), &arguments);
    assert_eq!(code, Some(0), "{said}");
    let is_reset = |line: &&String| line.starts_with("POST /reset_prefix_cache");
    let resets = lines.lock().unwrap().iter().filter(is_reset).count();
    assert_eq!(resets, 2);
    let (code, _, said) = load_on(
        &server,
        folder.path(),
        &["--num-prompts", "3", "--backend", "sglang", "--reset-prefix-cache"],
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/flush_cache: responded with status 404"), "{said}");
}

#[test]
fn the_engines_metrics_are_a_series_beside_the_load() {
    let engine = eight_slots();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--num-prompts", "48", "--max-concurrency", "12", "--engine-metrics-interval", "0.1"];
    let (result, output) = measure(engine.port(), &[&REQUESTS[..], &arguments].concat(), folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let metrics = &result["imax"]["engine_metrics"];
    let samples = metrics["samples"].as_array().unwrap();
    assert!(samples.len() > 3, "{metrics}");
    assert_eq!(metrics["max_running"], json!(8.0));
    // Twelve are sent at once, and eight are computed.
    let is_full = |sample: &&Value| (&sample["running"], &sample["waiting"]) == (&json!(8.0), &json!(4.0));
    assert!(samples.iter().filter(is_full).count() > 0, "{metrics}");
    let times: Vec<f64> = samples.iter().map(|sample| sample["seconds"].as_f64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] < 1.0, "{times:?}");
}
