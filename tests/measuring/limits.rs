//! Long lines, long prompts, many streams, few files.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use serde_json::json;

use super::engine::{Engine, bench, measure, words};

/// A load under another limit of open files.
fn limited(engine: &Engine, limit: &str, streams: &str) -> std::process::Output {
    let program = env!("CARGO_BIN_EXE_imax");
    let script = format!(
        "{limit}; exec {program} bench --port {} --model benchmarks/demo --served-model-name demo --random-input-len 4 --random-output-len 2 \
         --num-prompts {streams} --max-concurrency {streams} --ignore-eos --allow-saturated-client",
        engine.port()
    );
    Command::new("sh")
        .args(["-c", &script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

#[test]
fn the_limit_of_open_files_is_raised_or_said() {
    let engine = Engine::start(&["--ttft-ms", "50", "--itl-ms", "1"]);
    let raised = limited(&engine, "ulimit -Sn 80", "200");
    assert_eq!(raised.status.code(), Some(0), "{}", words(&raised));
    assert!(String::from_utf8_lossy(&raised.stdout).contains("200 of 200"));
    let said = limited(&engine, "ulimit -Sn 80; ulimit -Hn 128", "200");
    assert_eq!(said.status.code(), Some(4));
    assert!(
        words(&said).contains("200 connections need more open files than the 128"),
        "{}",
        words(&said)
    );
}

#[test]
fn long_prompts_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(&["--ttft-ms", "5", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"]);
    let load = [
        "--random-input-len",
        "50000",
        "--random-output-len",
        "4",
        "--num-prompts",
        "3",
        "--max-concurrency",
        "3",
        "--ignore-eos",
        "--prompt-token-ids",
    ];
    let (result, output) = measure(engine.port(), &load, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert_eq!(
        (&result["total_input_tokens"], &result["imax"]["wrong_input_lengths"]),
        (&json!(150_000), &json!(0))
    );
}

/// Answers each request with one event of a megabyte, in pieces.
fn serve_one_long_line() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(socket.try_clone().unwrap());
                let mut length = 0;
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                let event = format!(
                    "data: {{\"choices\":[{{\"text\":\"{}\"}}],\"usage\":{{\"prompt_tokens\":8,\"completion_tokens\":5}}}}\n\ndata: [DONE]\n\n",
                    "z".repeat(1 << 20)
                );
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    event.len()
                );
                socket.write_all(head.as_bytes()).unwrap();
                for piece in event.as_bytes().chunks(1000) {
                    socket.write_all(piece).unwrap();
                }
            });
        }
    });
    port
}

#[test]
fn a_megabyte_in_one_line_is_one_chunk() {
    let port = serve_one_long_line();
    let output = bench(
        &port,
        &[
            "--random-input-len",
            "8",
            "--random-output-len",
            "5",
            "--num-prompts",
            "6",
            "--max-concurrency",
            "2",
        ],
    )
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("6 of 6 requests"));
}
