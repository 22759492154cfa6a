//! Loads on engines that misbehave: each failure has its reason, nothing measured is lost, and failure is never success.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::client::{bench, doubts, imax, measure, stderr};
use crate::harness::{Finish as _, Running, Simulator};

const LOAD: [&str; 9] = [
    "--random-input-len",
    "8",
    "--random-output-len",
    "10",
    "--num-prompts",
    "60",
    "--max-concurrency",
    "6",
    "--ignore-eos",
];

/// The engine's first request is the probe, which these faults spare.
fn faulty(fault: &str) -> Simulator {
    Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1", "--fault", fault, "--fault-free", "1"])
}

#[test]
fn each_failure_has_its_reason_and_the_rest_is_measured() {
    for (fault, reason) in [
        ("http_500:0.3", "http_500"),
        ("http_429:0.3", "http_429"),
        ("html:0.3", "unexpected_content"),
        ("no_tokens:0.3", "no_tokens"),
        ("close:0.3", "closed_early"),
        ("truncate:0.3", "closed_early"),
        ("reset:0.3", "connection_lost"),
        ("malformed:0.3", "malformed_event"),
        ("hang:0.05", "no_progress"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = faulty(fault);
        let mut load = [&LOAD[..], &["--max-error-share", "0.9"]].concat();
        // Not for the others: an engine that does not get to run is no engine that hangs.
        if reason == "no_progress" {
            load.extend(["--no-progress-timeout", "2"]);
        }
        let (result, output) = measure(engine.port(), &load, folder.path());
        let failed = result["imax"]["failed"].as_u64().unwrap();
        assert_eq!(
            result["imax"]["errors"][reason]["count"],
            json!(failed),
            "{fault}: {}",
            result["imax"]
        );
        assert!(failed > 0, "{fault}");
        assert_eq!(result["completed"].as_u64().unwrap() + failed, 60, "{fault}");
        assert_eq!(output.status.code(), Some(0), "{fault}: {}", stderr(&output));
    }
}

#[test]
fn too_many_errors_fail_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let engine = faulty("http_500:0.3");
    let (result, output) = measure(engine.port(), &LOAD, folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&result["imax"]["valid"], doubts(&result)),
        (&json!(false), vec!["too_many_errors"])
    );
}

#[test]
fn a_run_in_which_everything_failed_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let engine = faulty("no_tokens");
    let (result, output) = measure(engine.port(), &LOAD, folder.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&result["completed"], &result["output_throughput"]), (&json!(0), &json!(0.0)));
    assert_eq!(doubts(&result), ["no_success", "too_many_errors"]);
}

#[test]
fn wrong_usage_shows_as_wrong_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let engine = faulty("wrong_usage:0.5");
    let (result, _) = measure(engine.port(), &LOAD, folder.path());
    assert_eq!(doubts(&result), ["wrong_output_lengths"]);
    assert!(result["imax"]["wrong_output_lengths"].as_u64().unwrap() > 0);
}

#[test]
fn a_server_that_dies_fails_what_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "2", "--itl-ms", "1", "--die-after", "30"]);
    let (result, output) = measure(engine.port(), &LOAD, folder.path());
    assert_eq!(output.status.code(), Some(1));
    let errors = result["imax"]["errors"].as_object().unwrap();
    assert!(errors.contains_key("connection_refused"), "{errors:?}");
    assert!(result["completed"].as_u64().unwrap() >= 20, "{result}");
}

#[test]
fn the_probe_says_what_is_wrong_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    // Bound without listening: connections are refused, and no other process can take the port.
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = bound.local_addr().unwrap().as_socket().unwrap().port().to_string();
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    for (port, extra, message) in [
        (port.as_str(), vec![], "connection_refused"),
        (
            engine.port(),
            vec!["--served-model-name", "other"],
            "the model `other` does not exist",
        ),
        (engine.port(), vec!["--endpoint", "/v9"], "http_404"),
    ] {
        let mut command = imax();
        command
            .args(["bench", "--port", port, "--model", "benchmarks/demo"])
            .args(LOAD)
            .args(&extra);
        command.args(["--save-result", "--result-dir"]).arg(folder.path());
        let output = command.finish();
        assert_eq!(output.status.code(), Some(1), "{extra:?}");
        assert!(stderr(&output).contains(message), "{extra:?}: {}", stderr(&output));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupt_keeps_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    // Each request takes a second, so the load would last a minute.
    let engine = Simulator::start(&["--ttft-ms", "100", "--itl-ms", "100"]);
    let load = Running::start(
        bench(
            engine.port(),
            &["--random-input-len", "8", "--random-output-len", "10", "--ignore-eos"],
        )
        .args([
            "--num-prompts",
            "240",
            "--max-concurrency",
            "4",
            "--save-result",
            "--result-filename",
            "r.json",
            "--result-dir",
        ])
        .arg(folder.path()),
    );
    // The engine counts the requests it has received: the probe, four, and the next four show that the first four ended.
    engine.await_requests(9);
    load.signal(Signal::SIGINT);
    assert_eq!(load.finish().code, Some(130));
    let result: Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!((&result["imax"]["partial"], doubts(&result)), (&json!(true), vec!["interrupted"]));
    assert!(result["completed"].as_u64().unwrap() >= 4);
    assert_eq!(result["imax"]["errors"]["cancelled"]["count"], json!(4));
}

/// Serves the same answer to every request, as a server of another kind than expected would.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let _ = reader.read_exact(&mut vec![0; length]);
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn servers_of_another_kind_are_recognised() {
    for (answer, message) in [
        ("SSH-2.0-OpenSSH_9\r\n", "malformed_response"),
        ("HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "http_301"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>hello",
            "unexpected_content",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"error\":{\"message\":\"no memory left\"}}\n\n",
            "no memory left",
        ),
        ("", "closed_early"),
    ] {
        let port = answering(answer);
        let output = bench(&port, &LOAD).finish();
        assert_eq!(output.status.code(), Some(1), "{answer:?}");
        assert!(stderr(&output).contains(message), "{answer:?}: {}", stderr(&output));
    }
}

/// A server that promises to keep its connections and closes each after its answer, as llama.cpp's does with streams.
fn closing_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 65536]);
                let events = "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max=100\r\n\r\n";
                let _ = stream.write_all(format!("{head}{:x}\r\n{events}\r\n0\r\n\r\n", events.len()).as_bytes());
                let _ = stream.shutdown(std::net::Shutdown::Write);
                // What comes late is taken and never answered.
                while stream.read(&mut [0; 65536]).is_ok_and(|count| count > 0) {}
            });
        }
    });
    port
}

#[test]
fn a_server_that_closes_what_it_said_it_would_keep_loses_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let (result, output) = measure(&closing_server(), &LOAD, folder.path());
    assert_eq!(result["completed"], json!(60), "{}\n{}", result["imax"], stderr(&output));
    // What had to be sent again is said: at most one request for each connection that was kept, and then none is.
    let resent = result["imax"]["health"]["resent_requests"].as_u64().unwrap();
    assert!(resent <= 6, "{resent}");
}
