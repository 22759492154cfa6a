//! When requests are sent, for how long and how often; and what becomes of a client that is not fast enough.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::client::{bench, detailed, imax, measure, stderr};
use crate::harness::{DEADLINE, Finish as _, Running, Simulator};

const SHORT: [&str; 5] = ["--random-input-len", "8", "--random-output-len", "5", "--ignore-eos"];

fn load(engine: &Simulator, extra: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (result, output) = measure(engine.port(), &[&SHORT[..], extra].concat(), folder.path());
    assert_eq!(output.status.code(), Some(0), "{extra:?}: {}", stderr(&output));
    result
}

#[test]
fn a_duration_ends_the_sending_and_waits_for_the_last_answers() {
    let engine = Simulator::start(&["--ttft-ms", "20", "--itl-ms", "5"]);
    let closed = load(&engine, &["--duration", "3", "--max-concurrency", "4", "--num-prompts", "8"]);
    let seconds = closed["duration"].as_f64().unwrap();
    // A client that is held up before the end begins nothing more, and is over with the answers that are under way.
    assert!(seconds >= 1.0, "{seconds}");
    // Twenty-five requests a second and slot at best; more than the eight different ones, so these were sent again.
    assert!((9..=304).contains(&closed["completed"].as_u64().unwrap()), "{closed}");
    assert_eq!(closed["imax"]["duration_s"], json!(3.0));
    // A client that is held up at the end of the duration leaves the last requests unsent, and says so.
    let counts = |result: &Value| {
        let count = |value: &Value| value.as_u64().unwrap();
        (count(&result["completed"]), count(&result["imax"]["unsent_requests"]))
    };
    let open = load(&engine, &["--duration", "1", "--request-rate", "50", "--burstiness", "inf"]);
    let (completed, unsent) = counts(&open);
    assert_eq!(completed + unsent, 50, "{open}");
    // Two slots cannot keep up with a hundred a second: what was due and not sent is said.
    let capped = load(
        &engine,
        &[
            "--duration",
            "1",
            "--request-rate",
            "100",
            "--burstiness",
            "inf",
            "--max-concurrency",
            "2",
        ],
    );
    let (completed, unsent) = counts(&capped);
    assert!(completed + unsent == 100 && unsent > 20, "{completed} {unsent}");
    let health = &capped["imax"]["health"];
    assert!(
        health["asked_request_rate"].as_f64().unwrap() > 1.5 * health["sent_request_rate"].as_f64().unwrap(),
        "{health}"
    );
}

#[test]
fn a_ramp_sends_more_and_more() {
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1"]);
    for strategy in ["linear", "exponential"] {
        let ramp = [
            "--ramp-up-strategy",
            strategy,
            "--ramp-up-start-rps",
            "10",
            "--ramp-up-end-rps",
            "100",
            "--duration",
            "2",
            "--burstiness",
            "inf",
            "--save-detailed",
        ];
        let folder = tempfile::tempdir().unwrap();
        let (result, output) = measure(engine.port(), &[&SHORT[..], &ramp].concat(), folder.path());
        assert_eq!(output.status.code(), Some(0), "{strategy}: {}", stderr(&output));
        assert_eq!(result["ramp_up_strategy"], json!(strategy));
        let scheduled: Vec<u64> = detailed(folder.path())
            .iter()
            .map(|request| request["scheduled_unix_ns"].as_u64().unwrap())
            .collect();
        let gaps: Vec<u64> = scheduled.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // A client that is held up at the end may leave some of them unsent.
        assert!(
            gaps.len() >= 20 && gaps.windows(2).all(|pair| pair[1] <= pair[0]),
            "{strategy}: {gaps:?}"
        );
        assert!(gaps[gaps.len() - 1] * 2 < gaps[0], "{strategy}: {gaps:?}");
    }
}

#[test]
fn several_runs_have_a_spread() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "1"]);
    let output = bench(engine.port(), &SHORT)
        .args([
            "--num-prompts",
            "20",
            "--max-concurrency",
            "4",
            "--num-runs",
            "3",
            "--save-result",
            "--result-filename",
            "r.json",
        ])
        .arg("--result-dir")
        .arg(folder.path())
        .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let read = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.path().join(name)).unwrap()).unwrap() };
    let throughputs: Vec<Value> = (1..=3)
        .map(|run| read(&format!("r-run{run}.json"))["output_throughput"].clone())
        .collect();
    let spread = read("r-runs.json");
    assert_eq!(
        (&spread["runs"], &spread["figures"]["output_throughput"]["values"]),
        (&json!(3), &json!(throughputs))
    );
    assert!(spread["figures"]["p99_ttft_ms"]["std"].as_f64().is_some(), "{spread}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("3 runs"));
}

#[test]
fn no_run_and_no_load_finds_the_prompts_of_another_in_the_prefix_cache() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--prefix-cache"]);
    let output = bench(engine.port(), &[])
        .args(["--dataset-name", "random", "--random-input-len", "500", "--random-output-len", "4"])
        .args(["--num-prompts", "6", "--max-concurrency", "2,3", "--num-runs", "2", "--save-result"])
        .arg("--result-dir")
        .arg(folder.path())
        .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let files = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path());
    let results: Vec<Value> = files
        .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect();
    let loads: Vec<&Value> = results.iter().filter(|result| result["completed"] == json!(6)).collect();
    assert_eq!(loads.len(), 4);
    for result in loads {
        let cache = &result["imax"]["prefix_cache"];
        assert!(cache.is_null() || cache["cached_tokens"] == json!(0), "{cache}");
    }
}

#[test]
fn a_calibration_says_what_the_client_adds_and_is_kept_for_the_machine() {
    let cache = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "1"]);
    let run = |extra: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let output = bench(engine.port(), &SHORT)
            .args([
                "--num-prompts",
                "8",
                "--max-concurrency",
                "4",
                "--save-result",
                "--result-filename",
                "r.json",
            ])
            .args(extra)
            .env("XDG_CACHE_HOME", cache.path())
            .arg("--result-dir")
            .arg(folder.path())
            .finish();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let result: Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
        result["imax"]["health"]["calibration"].clone()
    };
    assert_eq!(run(&[]), Value::Null);
    let measured = run(&["--calibrate"]);
    assert_eq!((&measured["concurrency"], &measured["chunks"]), (&json!(4), &json!(720)));
    // Strict enough to catch a client that stamps after the fact, on a machine that is as busy as it likes.
    let median = measured["chunk_error_ms"]["p50"].as_f64().unwrap();
    assert!((-0.1..2.0).contains(&median), "{measured}");
    assert_eq!(run(&[]), measured);
}

#[test]
fn a_client_that_does_not_get_to_run_is_said_to_be_saturated() {
    for (extra, code) in [(&[][..], 4), (&["--allow-saturated-client"][..], 0)] {
        let folder = tempfile::tempdir().unwrap();
        let engine = Simulator::start(&["--ttft-ms", "20", "--itl-ms", "50"]);
        let mut load = Running::start(
            imax()
                .args([
                    "bench",
                    "--port",
                    engine.port(),
                    "--model",
                    "benchmarks/demo",
                    "--served-model-name",
                    "demo",
                ])
                .args([
                    "--random-input-len",
                    "8",
                    "--random-output-len",
                    "120",
                    "--ignore-eos",
                    "--num-prompts",
                    "4",
                ])
                .args([
                    "--max-concurrency",
                    "4",
                    "--save-result",
                    "--result-filename",
                    "r.json",
                    "--result-dir",
                ])
                .arg(folder.path())
                .args(extra),
        );
        // Not before the probe and the four requests are with the engine: the program starts at its own speed.
        engine.await_requests(5);
        // Held for most of the time: it reads a fifth of a second late again and again.
        let until = Instant::now() + DEADLINE;
        while !load.has_ended() {
            assert!(Instant::now() < until, "the load does not end");
            load.signal(Signal::SIGSTOP);
            std::thread::sleep(Duration::from_millis(200));
            load.signal(Signal::SIGCONT);
            std::thread::sleep(Duration::from_millis(4));
        }
        assert_eq!(load.finish().code, Some(code), "{extra:?}");
        let result: Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
        let marks = result["imax"]["validity"].as_array().unwrap();
        assert!(marks.contains(&json!("client_saturated")), "{result}");
        // Chunks that were read together are counted, because they have one instant.
        assert!(
            result["imax"]["health"]["merged_chunks"].as_u64().unwrap() > 50,
            "{}",
            result["imax"]["health"]
        );
    }
}

/// The row of a load of the simulated model at two concurrencies.
fn row(folder: &std::path::Path) -> std::path::PathBuf {
    let row = serde_json::json!({
        "image": "imax-sim:1.0", "model": "benchmarks/demo", "model-prefix": "demo", "precision": "fp8", "framework": "sim",
        "runner": "h100", "isl": 16, "osl": 4, "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": [2, 3],
        "max-model-len": 64, "exp-name": "demo", "disagg": false
    });
    let path = folder.join("row.json");
    std::fs::write(&path, row.to_string()).unwrap();
    path
}

#[test]
fn calibrated_noise_is_the_beginning_of_a_history() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1"]);
    let history = folder.path().join("history");
    let calibrate = |concurrencies: &str, commit: &str| {
        bench(
            engine.port(),
            &["--random-input-len", "16", "--random-output-len", "4", "--ignore-eos"],
        )
        .args([
            "--num-prompts",
            "6",
            "--max-concurrency",
            concurrencies,
            "--calibrate-noise",
            "3",
            "--commit",
            commit,
            "--row",
        ])
        .arg(row(folder.path()))
        .arg("--history")
        .arg(&history)
        .finish()
    };
    let output = calibrate("2,3", "0123456789abcdef");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("added 3 runs to the history"), "{}", stderr(&output));
    let mut files: Vec<_> = std::fs::read_dir(&history).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3);

    // Each file is a run of both points, so the first comparison knows their noise.
    let run: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(run["run"]["points"].as_array().map(Vec::len), Some(2), "{run}");
    let measured = bench(
        engine.port(),
        &["--random-input-len", "16", "--random-output-len", "4", "--ignore-eos"],
    )
    .args([
        "--num-prompts",
        "6",
        "--max-concurrency",
        "2",
        "--save-result",
        "--result-filename",
        "raw.json",
    ])
    .arg("--result-dir")
    .arg(folder.path())
    .finish();
    assert_eq!(measured.status.code(), Some(0), "{}", stderr(&measured));
    let normalized = imax()
        .current_dir(folder.path())
        .args(["normalize", "--row", "row.json", "--raw", "raw.json", "--conc", "2"])
        .finish();
    assert_eq!(normalized.status.code(), Some(0), "{}", stderr(&normalized));
    let head = folder.path().join("agg_raw.json");
    let report = imax()
        .args(["report", "--format", "json", "--baseline"])
        .arg(format!("history:{}", history.display()))
        .arg(&head)
        .finish();
    let report: Value = serde_json::from_slice(&report.stdout).unwrap_or_else(|_| panic!("{}", stderr(&report)));
    let change = &report["comparison"]["points"][0]["changes"][0];
    assert_eq!(change["basis"], serde_json::json!({"history": {"runs": 3}}), "{report}");
    let ttft = report["comparison"]["points"][0]["changes"].as_array().unwrap();
    assert!(ttft.iter().all(|change| change["statistic"] == "mean"), "{report}");

    for (concurrencies, commit, words) in [("2,4", "abc", "the row has the concurrencies 2, 3"), ("2", "", "needs the commit")] {
        let output = calibrate(concurrencies, commit);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read_dir(&history).unwrap().count(), 3);
}
