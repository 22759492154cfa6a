//! Loads whose chunks would not fit in memory one by one. The server sends each answer at once, so that ten million chunks take seconds;
//! that needs a release binary (`IMAX_BINARY`). `IMAX_TEST_CHUNKS=100000000` makes it a hundred million.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

use super::client::stderr;
use crate::harness::{Finish as _, clean_command, project};

/// Chunks of an answer; each has one token and says so.
const CHUNKS: u64 = 10_000;
/// What a client may hold at its peak, however many chunks there are.
const MOST_MEMORY_MB: f64 = 120.0;

/// An answer of [`CHUNKS`] chunks, about 200 bytes each.
fn answer() -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for tokens in 1..=CHUNKS {
        let event = format!(
            "data: {{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1763800000,\"model\":\"demo\",\"choices\":[{{\"index\":0,\
             \"text\":\" word\",\"finish_reason\":null}}],\"usage\":{{\"prompt_tokens\":4,\"completion_tokens\":{tokens}}}}}\n\n"
        );
        answer.extend(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    }
    answer.extend(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
    answer
}

/// Answers each POST request of each connection with the same stream, as fast as the client reads.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let answer: Arc<[u8]> = answer().into();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve_connection(socket.unwrap(), &answer));
        }
    });
    port
}

fn serve_connection(mut socket: TcpStream, answer: &[u8]) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let (mut line, mut length, mut is_post) = (String::new(), 0, false);
    while reader.read_line(&mut line).unwrap_or(0) > 0 {
        is_post |= line.starts_with("POST ");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let answer = if is_post {
                answer
            } else {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            };
            if reader.read_exact(&mut vec![0; length]).is_err() || socket.write_all(answer).is_err() {
                return;
            }
            (length, is_post) = (0, false);
        }
        line.clear();
    }
}

/// Loads the server with a number of chunks, and returns the result.
fn load(port: &str, chunks: u64, further: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (requests, tokens) = ((chunks / CHUNKS).to_string(), CHUNKS.to_string());
    let load = [
        "--random-input-len",
        "4",
        "--random-output-len",
        &tokens,
        "--num-prompts",
        &requests,
        "--max-concurrency",
        "8",
    ];
    // The one that cargo built for the tests takes ten times as long, and more memory.
    let program = std::env::var_os("IMAX_BINARY").expect("IMAX_BINARY names an optimised imax");
    let output = clean_command(program)
        .current_dir(project())
        .args(["bench", "--port", port, "--model", "benchmarks/demo", "--served-model-name", "demo"])
        .args(load)
        .args([
            "--ignore-eos",
            "--allow-saturated-client",
            "--save-result",
            "--result-filename",
            "result.json",
            "--result-dir",
        ])
        .arg(folder.path())
        .args(further)
        .finish();
    let result = std::fs::read(folder.path().join("result.json")).unwrap_or_else(|_| panic!("no result: {}", stderr(&output)));
    let result: Value = serde_json::from_slice(&result).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        (&result["completed"], &result["total_output_tokens"]),
        (&json!(chunks / CHUNKS), &json!(chunks))
    );
    result
}

#[test]
#[ignore = "needs an optimised binary in IMAX_BINARY: .ci/run"]
fn memory_does_not_grow_with_the_number_of_chunks() {
    let chunks = std::env::var("IMAX_TEST_CHUNKS").map_or(10_000_000, |number| number.parse().unwrap());
    let port = serve();
    let few = load(&port, 2_000_000, &[]);
    let many = load(&port, chunks, &[]);
    let figure = |result: &Value, name: &str| result["imax"]["health"][name].as_f64().unwrap();
    for (result, chunks) in [(&few, 2_000_000), (&many, chunks)] {
        let (memory, cpu) = (figure(result, "peak_memory_mb"), figure(result, "cpu_us_per_chunk"));
        println!(
            "{chunks} chunks: {memory:.0} MB at the peak, {cpu:.3} us of CPU time each, {} s",
            result["duration"]
        );
        assert!(memory < MOST_MEMORY_MB, "{memory} MB");
        // Every chunk but the first of each answer has a time before it.
        let seconds = result["imax"]["seconds"].as_array().unwrap();
        let counted: u64 = seconds.iter().map(|second| second["chunks"].as_u64().unwrap()).sum();
        assert_eq!(counted, chunks);
        assert!(result["p99_itl_ms"].as_f64().unwrap() >= result["median_itl_ms"].as_f64().unwrap());
        assert!(result["mean_itl_ms"].as_f64().unwrap() > 0.0);
    }
    // Five times the chunks take five times the time; twice that is a machine that was busy.
    assert!(figure(&many, "cpu_us_per_chunk") < 2.0 * figure(&few, "cpu_us_per_chunk"));
}

#[test]
#[ignore = "needs an optimised binary in IMAX_BINARY: .ci/run"]
fn arrays_of_a_long_run_have_every_token() {
    let result = load(&serve(), 1_500_000, &["--save-detailed"]);
    assert!(result["imax"]["health"]["peak_memory_mb"].as_f64().unwrap() < MOST_MEMORY_MB);
    let requests = result["itls"].as_array().unwrap();
    assert_eq!(requests.len(), 150);
    let times = || {
        requests
            .iter()
            .flat_map(|times| times.as_array().unwrap())
            .map(|time| time.as_f64().unwrap())
    };
    assert_eq!(times().count() as u64, 150 * (CHUNKS - 1));
    let mean_ms = times().sum::<f64>() * 1e3 / times().count() as f64;
    assert!(
        (mean_ms / result["mean_itl_ms"].as_f64().unwrap() - 1.0).abs() < 1e-6,
        "{mean_ms} {}",
        result["mean_itl_ms"]
    );
}
