//! A load that several clients carry out together, and the merge of their results.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::client::{bench, doubts, imax, stderr};
use crate::harness::{Finish as _, Running, Simulator};

/// Seconds since the Unix epoch.
fn ahead(seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    at.duration_since(UNIX_EPOCH).unwrap().as_secs_f64().to_string()
}

fn result(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

const SAVED: [&str; 4] = ["--save-result", "--result-filename", "load.json", "--result-dir"];

/// Runs the shards of a load at the same time on an engine of these arguments, and merges their results. A machine that is too busy to
/// prepare the load until its start gets more time, with another engine.
fn merged(engine: &[&str], of: u32, load: &[&str], folder: &Path) -> (Value, Simulator) {
    let attempts = [10, 40, 160, 640].into_iter();
    let engine = attempts
        .map(|lead| (Simulator::start(engine), lead))
        .find(|(engine, lead)| run_shards(engine, of, load, folder, *lead));
    let (engine, _) = engine.expect("a load is prepared within minutes");
    let output = imax().args(["collect", "--shards", "--out"]).arg(folder).arg(folder).finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    (result(&folder.join("load.json")), engine)
}

/// Whether all shards were ready at the start, which is that many seconds ahead.
fn run_shards(engine: &Simulator, of: u32, load: &[&str], folder: &Path, lead: u64) -> bool {
    let start = ahead(lead);
    let shards: Vec<Running> = (1..=of)
        .map(|number| {
            let mut command = bench(engine.port(), load);
            command
                .args(["--shard", &format!("{number}/{of}"), "--start-at", &start])
                .args(SAVED)
                .arg(folder);
            Running::start(&mut command)
        })
        .collect();
    let ended: Vec<_> = shards.into_iter().map(Running::finish).collect();
    if ended.iter().any(|ended| ended.stderr.contains("--start-at passed")) {
        return false;
    }
    for ended in ended {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains("marked `shard`"), "{}", ended.stderr);
    }
    true
}

/// The number of the request of each token that the engine sent, in ascending order.
fn tokens(truth: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(truth).unwrap();
    let ids = text.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["request"].as_str()?.strip_prefix("imax-")?.parse().ok()
    });
    let mut ids: Vec<u32> = ids.collect();
    ids.sort_unstable();
    ids
}

#[test]
fn three_clients_send_one_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.jsonl");
    let engine = [
        "--ttft-ms",
        "3",
        "--itl-ms",
        "1",
        "--tokenizer",
        "benchmarks/demo",
        "--ground-truth",
        truth.to_str().unwrap(),
    ];
    let load = [
        "--num-prompts",
        "50",
        "--request-rate",
        "40",
        "--seed",
        "5",
        "--random-input-len",
        "20",
        "--random-output-len",
        "6",
        "--ignore-eos",
        "--save-detailed",
    ];
    let (whole, engine) = merged(&engine, 3, &load, folder.path());
    assert_eq!(
        (&whole["completed"], &whole["num_prompts"], &whole["request_rate"]),
        (&json!(50), &json!(50), &json!(40.0))
    );
    assert_eq!(
        (&whole["total_input_tokens"], &whole["total_output_tokens"]),
        (&json!(1000), &json!(300))
    );
    let block = &whole["imax"]["shards"];
    let completed: Vec<u64> = block["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| shard["completed"].as_u64().unwrap())
        .collect();
    assert_eq!((completed, &block["of"]), (vec![17, 17, 16], &json!(3)));
    let lengths = |array: &str| whole[array].as_array().unwrap_or_else(|| panic!("{array} is absent")).len();
    let arrays = ["input_lens", "output_lens", "ttfts", "itls", "errors"];
    assert_eq!(arrays.map(lengths), [50; 5]);
    assert!(
        whole["itls"]
            .as_array()
            .unwrap()
            .iter()
            .all(|times| times.as_array().unwrap().len() == 5)
    );
    // They share a clock, which the dates of the engine cannot contradict. A load of a second may be within one of the engine's.
    for shard in block["shards"].as_array().unwrap() {
        if let Some([low, high]) = shard["clock_offset_ms"].as_array().map(Vec::as_slice) {
            assert!(low.as_f64().unwrap() <= 0.0 && high.as_f64().unwrap() >= 0.0, "{shard}");
        }
    }
    // One clock: each starts at the instant or, on a busy machine, late; never before.
    assert!(
        block["shards"]
            .as_array()
            .unwrap()
            .iter()
            .all(|shard| shard["start_lag_ms"].as_f64().unwrap() >= 0.0)
    );
    assert!(doubts(&whole).iter().all(|code| *code == "shards_apart"), "{:?}", doubts(&whole));
    // Each request once, with its six tokens, besides the three probes with four, which have number 0.
    engine.stop(Signal::SIGTERM);
    let probes = std::iter::repeat_n(0, 3 * 4);
    let measured = (0..50).flat_map(|id| std::iter::repeat_n(id, 6));
    let expected: Vec<u32> = probes.chain(measured).collect();
    assert_eq!(tokens(&truth), expected);

    // The schedule is that of a client alone.
    let alone = Simulator::start(&["--ttft-ms", "3", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"]);
    let output = bench(alone.port(), &load)
        .args(["--shard", "1/1"])
        .args(SAVED)
        .arg(folder.path())
        .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let single = result(&folder.path().join("load.json"));
    assert_eq!((&single["imax"]["shard"], doubts(&single)), (&Value::Null, vec![]));
    assert_eq!(single["total_input_tokens"], whole["total_input_tokens"]);
}

#[test]
fn conversations_and_concurrency_are_divided() {
    let folder = tempfile::tempdir().unwrap();
    let engine = ["--ttft-ms", "3", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"];
    let load = [
        "--sessions",
        "5",
        "--turns",
        "3",
        "--max-concurrency",
        "5",
        "--num-warmups",
        "3",
        "--random-input-len",
        "20",
        "--random-output-len",
        "4",
        "--ignore-eos",
    ];
    let (whole, engine) = merged(&engine, 2, &load, folder.path());
    assert_eq!(
        (&whole["completed"], &whole["num_prompts"], &whole["max_concurrency"]),
        (&json!(15), &json!(15), &json!(5))
    );
    assert_eq!(
        (&whole["imax"]["sessions"]["begun"], &whole["imax"]["sessions"]["turns"]),
        (&json!(5), &json!(15))
    );
    // Two probes, three warm-up requests of both together.
    assert_eq!(engine.requests(), 15 + 2 + 3);
    let first = result(&folder.path().join("load-shard1of2.json"));
    assert_eq!(
        (&first["completed"], &first["imax"]["health"]["open_connections"]),
        (&json!(9), &json!(3))
    );

    // What is not one whole load is refused.
    std::fs::remove_file(folder.path().join("load-shard2of2.json")).unwrap();
    let output = imax().args(["collect", "--shards"]).arg(folder.path()).finish();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("shard 2 of 2 missing, 1 found"), "{}", stderr(&output));
}

#[test]
fn wrong_shards_and_instants_are_refused_before_the_server_is_asked() {
    let future = ahead(3600);
    let cases: [(&[&str], &str, i32); 8] = [
        (&["--shard", "4/3", "--start-at", &future], "expected I/N", 2),
        (&["--shard", "1/2"], "--shard needs --start-at", 2),
        (&["--shard", "1/2", "--start-at", "1000"], "--start-at passed", 2),
        (&["--shard", "1/2", "--start-at", "2000-01-01T00:00:00Z"], "--start-at passed", 2),
        (&["--shard", "1/2", "--start-at", "99999999999"], "days ahead", 2),
        (&["--shard", "1/2", "--start-at", "noon"], "expected a time", 2),
        (
            &["--shard", "1/5", "--start-at", &future, "--max-concurrency", "4"],
            "use at most 4 shards",
            2,
        ),
        (&["--start-at", &future, "--max-concurrency", "4,8"], "one run of one load", 2),
    ];
    let server = crate::harness::HttpServer::start(|_, _| None);
    for (arguments, message, code) in cases {
        let output = imax()
            .args([
                "bench",
                "--base-url",
                &server.url,
                "--model",
                "benchmarks/demo",
                "--save-result",
                "--result-dir",
                "/nonexistent",
            ])
            .args(arguments)
            .finish();
        let words = stderr(&output);
        assert!(words.contains(message), "{arguments:?}: {words}");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {words}");
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_signal_ends_the_wait_for_the_start() {
    let engine = Simulator::start(&["--ttft-ms", "3", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"]);
    let far = SystemTime::now() + Duration::from_secs(3600);
    let far = far.duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let mut command = bench(
        engine.port(),
        &[
            "--num-prompts",
            "4",
            "--start-at",
            &far,
            "--random-input-len",
            "20",
            "--random-output-len",
            "4",
        ],
    );
    let waiting = Running::start(&mut command);
    engine.await_requests(1);
    waiting.signal(Signal::SIGINT);
    let ended = waiting.finish();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(engine.requests(), 1);
}
