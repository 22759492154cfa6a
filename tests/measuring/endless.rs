//! Servers that never end: a response has a limit of its parts and of its time, and a signal always ends a load.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::client::{imax, stderr};
use crate::harness::{Finish as _, Running, wait_until};

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A server that sends a beginning, and then the same again and again with a pause in between.
struct Endless {
    url: String,
    /// How often a client was sent the repeated part.
    sent: Arc<AtomicUsize>,
}

fn endless(beginning: String, repeated: String, pause: Duration) -> Endless {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, beginning, repeated) = (stream.unwrap(), beginning.clone(), repeated.clone());
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let mut sent = stream.write_all(beginning.as_bytes());
                while sent.is_ok() {
                    sent = stream.write_all(repeated.as_bytes());
                    counted.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(pause);
                }
            });
        }
    });
    Endless {
        url: format!("http://{address}"),
        sent: count,
    }
}

fn bench(url: &str, extra: &[&str]) -> Command {
    let mut command = imax();
    command.args([
        "bench",
        "--model",
        "benchmarks/demo",
        "--served-model-name",
        "demo",
        "--base-url",
        url,
    ]);
    command.args(["--random-input-len", "8", "--random-output-len", "4", "--num-prompts", "1"]);
    command.args(extra);
    command
}

#[test]
fn parts_of_a_response_are_bounded() {
    for (beginning, repeated, message) in [
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(500), "informational"),
        ("HTTP/1.1 200 OK\r\n", "A: b\r\n".repeat(5_000), "longer than 64 KiB"),
        (CHUNKED, format!("1;x={}", "x".repeat(5_000)), "chunked framing"),
        (&format!("{CHUNKED}0\r\n"), "A: b\r\n".repeat(5_000), "chunked framing"),
        ("HTTP/1.1 200 OK\r\n\r\n{", " ".repeat(1 << 20), "longer than 16 MiB"),
        (
            EVENTS,
            format!("data: {{\"choices\":[{{\"text\":\"{}\"}}]}}\n\n", "x".repeat(1 << 20)),
            "does not end",
        ),
    ] {
        let server = endless(beginning.to_owned(), repeated, Duration::ZERO);
        let output = bench(&server.url, &[]).finish();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(message), "{message}: {said}");
    }
}

#[test]
fn dripping_response_ends_with_the_time_for_a_request() {
    let server = endless(EVENTS.to_owned(), ": wait\n\n".to_owned(), Duration::from_millis(10));
    let output = bench(&server.url, &["--request-timeout", "1"]).finish();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("request_timeout"), "{said}");
}

#[test]
fn signal_ends_a_load_on_a_server_that_sends_faster_than_the_client_reads() {
    // Each read fills the client's buffer.
    let server = endless(EVENTS.to_owned(), ": wait\n\n".repeat(1 << 17), Duration::ZERO);
    let run = Running::start(&mut bench(&server.url, &[]));
    // A connection that only looks whether the server is there reads little.
    wait_until("the client reads", || server.sent.load(Ordering::SeqCst) > 20);
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
}
