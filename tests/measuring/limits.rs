//! Long lines, long prompts, many streams, few files.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::client::{bench, measure, stderr};
use crate::harness::{Finish as _, Simulator, clean_command, program, project};

/// A load under another limit of open files.
fn limited(engine: &Simulator, limit: &str, streams: &str) -> std::process::Output {
    let program = program().display();
    let script = format!(
        "{limit}; exec {program} bench --port {} --model benchmarks/demo --served-model-name demo --random-input-len 4 --random-output-len 2 \
         --num-prompts {streams} --max-concurrency {streams} --ignore-eos --allow-saturated-client",
        engine.port()
    );
    clean_command("sh").args(["-c", &script]).current_dir(project()).finish()
}

#[test]
fn the_limit_of_open_files_is_raised_or_said() {
    let engine = Simulator::start(&["--ttft-ms", "50", "--itl-ms", "1"]);
    let raised = limited(&engine, "ulimit -Sn 80", "200");
    assert_eq!(raised.status.code(), Some(0), "{}", stderr(&raised));
    assert!(String::from_utf8_lossy(&raised.stdout).contains("200 of 200"));
    let said = limited(&engine, "ulimit -Sn 80; ulimit -Hn 128", "200");
    assert_eq!(said.status.code(), Some(4));
    assert!(
        stderr(&said).contains("200 connections exceed the limit of 128 open files"),
        "{}",
        stderr(&said)
    );
}

#[test]
fn long_prompts_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "1", "--tokenizer", "benchmarks/demo"]);
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
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
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
    .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("6 of 6 requests"));
}

/// Reads the head of a request; says how long its body is.
fn body_length(reader: &mut impl std::io::BufRead) -> Option<usize> {
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    (length > 0).then_some(length)
}

/// A prompt of 50,000 tokens.
pub fn long_prompt() -> String {
    " token".repeat(50_000)
}

/// Bodies above this are the long prompt's.
const LONG_BODY: usize = 200_000;

/// Answers one connection's requests. A long body is not read before so many short requests have been answered.
fn serve_long_last(mut socket: &TcpStream, short: usize, answered: &(Mutex<usize>, Condvar)) -> Option<()> {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 98\r\n\r\n\
        data: {\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
    let mut reader = BufReader::with_capacity(512, socket.try_clone().ok()?);
    let (count, changed) = answered;
    while let Some(length) = body_length(&mut reader) {
        if length > LONG_BODY {
            let waiting = changed.wait_timeout_while(count.lock().unwrap(), Duration::from_secs(60), |count| *count < short);
            // Not answered at all where the short ones did not come: the client was held up by the long one.
            if waiting.unwrap().1.timed_out() {
                return None;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        serde_json::from_slice::<serde_json::Value>(&body).ok()?;
        socket.write_all(ANSWER.as_bytes()).ok()?;
        if length <= LONG_BODY {
            *count.lock().unwrap() += 1;
            changed.notify_all();
        }
    }
    Some(())
}

/// A listener whose connections have the segments of a real network and small buffers, so that a long prompt does not disappear in the
/// kernel's at once, as it does on the loopback.
fn narrow_listener() -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(64).unwrap();
    socket.into()
}

/// A server that answers the long prompt after so many short ones; the probe is one of these. Gives its port.
pub fn long_last_server(short: usize) -> String {
    let listener = narrow_listener();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        let answered: Arc<(Mutex<usize>, Condvar)> = Arc::default();
        for socket in listener.incoming() {
            let answered = answered.clone();
            std::thread::spawn(move || serve_long_last(&socket.unwrap(), short, &answered));
        }
    });
    port
}

#[test]
fn a_prompt_of_50000_tokens_does_not_hold_up_the_others() {
    const SHORT_REQUESTS: usize = 20;
    let port = long_last_server(SHORT_REQUESTS);
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts.jsonl");
    // The probe is answered too, so one short prompt fewer is needed.
    let short = std::iter::repeat_n("a b c".to_owned(), SHORT_REQUESTS - 1);
    let lines: String = std::iter::once(long_prompt())
        .chain(short)
        .map(|prompt| json!({ "prompt": prompt, "output_tokens": 1 }).to_string() + "\n")
        .collect();
    std::fs::write(&prompts, lines).unwrap();
    let load = [
        "--dataset-name",
        "custom",
        "--dataset-path",
        prompts.to_str().unwrap(),
        "--max-concurrency",
        "4",
        "--client-threads",
        "1",
        "--no-progress-timeout",
        "90",
    ];
    let (result, output) = measure(&port, &load, folder.path());
    assert_eq!(result["completed"], json!(SHORT_REQUESTS), "{}", stderr(&output));
    assert!(
        result["imax"]["input_tokens"]["max"].as_f64().unwrap() >= 50_000.0,
        "{}",
        result["imax"]
    );
}

#[test]
fn a_stream_takes_less_than_32_kilobytes() {
    let engine = Simulator::start(&["--ttft-ms", "300", "--itl-ms", "20"]);
    let peak = |streams: &str| {
        let folder = tempfile::tempdir().unwrap();
        let load = ["--random-input-len", "16", "--random-output-len", "20", "--ignore-eos"];
        let all = [&load[..], &["--num-prompts", streams, "--max-concurrency", streams]].concat();
        let (result, output) = measure(engine.port(), &all, folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(result["imax"]["health"]["open_connections"].to_string(), streams);
        result["imax"]["health"]["peak_memory_mb"].as_f64().unwrap()
    };
    let (few, many) = (peak("100"), peak("1500"));
    let kilobytes = (many - few) * 1e3 / 1400.0;
    assert!(kilobytes < 32.0, "{kilobytes} KB a stream: {few} MB and {many} MB");
}
