//! The simulated engine on its own: readiness, API, signals, and what it refuses to simulate.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::client::{imax, stderr};
use crate::harness::{DEADLINE, Finish as _, Simulator, get, post};

#[test]
fn is_ready_quickly_and_ends_cleanly_on_signals() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let engine = Simulator::start(&[]);
        // Ready 20 ms after it listens, as its profile says; the deadline only keeps a broken engine from hanging the test.
        let until = Instant::now() + DEADLINE;
        while !get(&engine.address, "/health").starts_with("HTTP/1.1 200") {
            assert!(Instant::now() < until, "not ready");
        }
        assert_eq!(engine.stop(signal), Some(code));
    }
}

#[test]
fn serves_the_openai_api() {
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    assert!(get(&engine.address, "/v1/models").contains("\"id\":\"demo\""));
    assert!(get(&engine.address, "/metrics").contains("imax_sim_requests_total 0"));
    let whole = post(
        &engine.address,
        "/v1/completions",
        r#"{"model":"demo","prompt":"a b","max_tokens":4,"ignore_eos":true}"#,
    );
    assert!(
        whole.contains("\"completion_tokens\":4") && whole.contains("\"finish_reason\":\"length\""),
        "{whole}"
    );
    let chat = r#"{"model":"demo","messages":[{"role":"user","content":"a"}],"max_tokens":3,"ignore_eos":true,"stream":true,
                  "stream_options":{"include_usage":true}}"#;
    let stream = post(&engine.address, "/v1/chat/completions", chat);
    assert_eq!(stream.matches("\"content\":\" ").count(), 3, "{stream}");
    assert!(
        stream.contains("\"role\":\"assistant\"") && stream.contains("data: [DONE]"),
        "{stream}"
    );
    for (path, body, status) in [
        ("/v1/completions", r#"{"model":"other","prompt":"a"}"#, 404),
        ("/v1/completions", "{", 400),
        ("/v2", "{}", 404),
        ("/health", "{}", 405),
    ] {
        let answer = post(&engine.address, path, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
}

/// Every event of a socket reports that it is writable too, so one that comes while nothing has been written is no end of the answer.
#[test]
fn answers_before_it_closes_as_the_client_asked() {
    let engine = Simulator::start(&["--ttft-ms", "40", "--itl-ms", "1"]);
    let mut client = TcpStream::connect(&engine.address).unwrap();
    let body = r#"{"model":"demo","prompt":"a b","max_tokens":4,"ignore_eos":true}"#;
    let head = "POST /v1/completions HTTP/1.1\r\nConnection: close\r\nContent-Length";
    write!(client, "{head}: {}\r\n\r\n{body}", body.len()).unwrap();
    // While it generates: the metrics say when that has begun.
    let until = Instant::now() + DEADLINE;
    while !get(&engine.address, "/metrics").contains("imax_sim_requests_total 1") {
        assert!(Instant::now() < until, "the request did not arrive");
    }
    client.write_all(b"\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"completion_tokens\":4"), "{answer}");
}

#[test]
fn says_what_it_cannot_simulate() {
    for (arguments, code, message) in [
        (["--gpu", "h1000"], 3, "GPU `h1000` is unknown"),
        (["--engine", "none:1"], 3, "engine `none:1` is unknown"),
        (["--precision", "fp7"], 3, "precision `fp7`"),
        (["--jitter", "7"], 2, "--jitter is 7"),
        (["--fault", "rain"], 2, "fault \"rain\" is unknown"),
        (["--config-dir", "/nowhere"], 3, "/nowhere/hardware.yaml"),
    ] {
        let output = imax().args(["sim", "--port", "0"]).args(arguments).finish();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).contains(message), "{arguments:?}: {}", stderr(&output));
    }
}
