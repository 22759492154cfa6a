//! The client's figures and the engine's schedule against the engine's log of what really happened.
//!
//! The machine that runs the tests may be busy, and a process that does not get to run is late whatever its code does.
//! So the middle of the distribution is judged strictly, and a round is repeated a few times before it counts as
//! failed: a defect fails every round, a busy moment does not. On a machine that is busy all the time no process is
//! punctual, and none is fast. A control, a thread that only wakes every millisecond and sends itself a byte, measures during
//! each round how late and how slow any process is there, and every limit is widened by that. On a quiet machine this is a few
//! hundredths of a millisecond.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::client::measure;
use crate::harness::Simulator;

const ROUNDS: usize = 6;

/// Simulator and client on the same events, milliseconds, ascending.
struct Truth {
    /// From the instant a token was due to its leaving.
    lateness: Vec<f64>,
    /// From the leaving of a request's first token to its arrival by the client's account.
    first_token: Vec<f64>,
    /// The same for its last token.
    last_token: Vec<f64>,
    /// Between two tokens of a request, as they left.
    itl: Vec<f64>,
    control: ControlDelays,
}

/// What the machine did to the control in nine of ten tries at most, milliseconds.
#[derive(Debug, Default)]
struct ControlDelays {
    /// How late it was at an instant at which it was to do something.
    late: f64,
    /// How long a byte took over the loopback.
    echo: f64,
}

/// Is due every millisecond, and then sends itself a byte. As with an engine's tokens, what comes due while the machine pauses is
/// late too, each by its own time.
struct Control {
    end: Arc<AtomicBool>,
    thread: JoinHandle<ControlDelays>,
}

impl Control {
    fn start() -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = end.clone();
        Self {
            end,
            thread: std::thread::spawn(move || Self::watch(&ended)),
        }
    }

    fn watch(ended: &AtomicBool) -> ControlDelays {
        let pause = Duration::from_millis(1);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.set_nodelay(true).unwrap();
        let (mut late, mut echo) = (Vec::new(), Vec::new());
        let mut due = Instant::now();
        while !ended.load(Ordering::Relaxed) {
            due += pause;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            late.push(due.elapsed().as_secs_f64() * 1e3);
            let sent = Instant::now();
            near.write_all(&[0]).unwrap();
            far.read_exact(&mut [0]).unwrap();
            echo.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        let nine_of_ten = |mut values: Vec<f64>| {
            values.sort_unstable_by(f64::total_cmp);
            percentile(&values, 90.0)
        };
        ControlDelays {
            late: nine_of_ten(late),
            echo: nine_of_ten(echo),
        }
    }

    fn finish(self) -> ControlDelays {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Truth {
    /// The engine's log and the client's records, joined by the request's id. The log also has the probe, under the id of
    /// the first request; the later one of the two is meant.
    fn read(engine: &Path, client: &Path) -> Self {
        let ms = |earlier: u64, later: u64| {
            #[expect(clippy::cast_precision_loss, reason = "differences of instants within a minute")]
            let nanos = later.cast_signed().wrapping_sub(earlier.cast_signed()) as f64;
            nanos / 1e6
        };
        let instant = |line: &Value, key: &str| line[key].as_u64().unwrap();
        let mut truth = Self {
            lateness: Vec::new(),
            first_token: Vec::new(),
            last_token: Vec::new(),
            itl: Vec::new(),
            control: ControlDelays::default(),
        };
        let mut sent: HashMap<String, Vec<u64>> = HashMap::new();
        for line in json_lines(engine) {
            let left = instant(&line, "sent_unix_ns");
            truth.lateness.push(ms(instant(&line, "due_unix_ns"), left));
            let tokens = sent.entry(line["request"].as_str().unwrap().to_owned()).or_default();
            if line["token"] == 1 {
                tokens.clear();
            }
            tokens.push(left);
        }
        for line in json_lines(client) {
            let tokens = &sent[line["request"].as_str().unwrap()];
            truth.itl.extend(tokens.windows(2).map(|pair| ms(pair[0], pair[1])));
            truth.first_token.push(ms(tokens[0], instant(&line, "first_token_unix_ns")));
            truth
                .last_token
                .push(ms(*tokens.last().unwrap(), instant(&line, "last_token_unix_ns")));
        }
        for values in [&mut truth.lateness, &mut truth.first_token, &mut truth.last_token, &mut truth.itl] {
            values.sort_unstable_by(f64::total_cmp);
        }
        truth
    }
}

fn percentile(sorted: &[f64], p: f64) -> f64 {
    imax::testing::percentile_of_sorted(sorted, p)
}

/// Loads an engine with 64 streams and hands its log and the client's result to `judge`, until it is content.
fn rounds(engine_arguments: &[&str], arrival: &[&str], judge: impl Fn(&Truth, &Value) -> Result<(), String>) {
    let mut complaints = Vec::new();
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("truth.jsonl");
        let control = Control::start();
        let result = {
            let mut arguments = engine_arguments.to_vec();
            arguments.extend(["--ground-truth", log.to_str().unwrap()]);
            let engine = Simulator::start(&arguments);
            let load = [
                "--random-input-len",
                "16",
                "--random-output-len",
                "40",
                "--num-prompts",
                "192",
                "--max-concurrency",
                "64",
            ];
            let (result, _) = measure(
                engine.port(),
                &[&load[..], arrival, &["--ignore-eos", "--save-detailed"]].concat(),
                folder.path(),
            );
            engine.stop(Signal::SIGTERM);
            result
        };
        let mut truth = Truth::read(&log, &folder.path().join("result.requests.jsonl"));
        truth.control = control.finish();
        match judge(&truth, &result) {
            Ok(()) => return,
            Err(complaint) => complaints.push(complaint),
        }
    }
    panic!("{complaints:#?}");
}

fn below(what: &str, found: f64, limit: f64) -> Result<(), String> {
    if found < limit {
        Ok(())
    } else {
        Err(format!("{what} is {found:.3} ms, expected below {limit:.3}"))
    }
}

/// The least of some ascending differences of two clocks, which may be a few microseconds apart.
fn not_negative(what: &str, sorted: &[f64]) -> Result<(), String> {
    below(&format!("least {what}, negated,"), -sorted[0], 0.1)
}

#[test]
fn tokens_leave_within_a_millisecond_of_their_schedule_at_64_streams() {
    // One request after the other: 64 tokens that are due at the same instant cannot all leave at it.
    let arrival = ["--request-rate", "2000", "--burstiness", "inf"];
    rounds(&["--ttft-ms", "50", "--itl-ms", "20"], &arrival, |truth, _| {
        assert!(truth.lateness.len() >= 192 * 40);
        not_negative("lateness", &truth.lateness)?;
        let limit = 1.0 + 2.0 * (truth.control.late + truth.control.echo);
        below("median lateness", percentile(&truth.lateness, 50.0), limit)?;
        below("p90 of the lateness", percentile(&truth.lateness, 90.0), limit)
    });
}

#[test]
fn the_client_reports_what_the_engine_did() {
    rounds(&["--ttft-ms", "50", "--itl-ms", "20"], &[], |truth, result| {
        let number = |key: &str| result[key].as_f64().unwrap();
        let ControlDelays { late, echo } = truth.control;
        for (what, errors) in [("first", &truth.first_token), ("last", &truth.last_token)] {
            let error = format!("error of the {what} token");
            not_negative(&error, errors)?;
            below(&format!("median {error}"), percentile(errors, 50.0), 0.2 + 2.0 * echo)?;
            below(&format!("p90 of the {error}"), percentile(errors, 90.0), 0.5 + 2.0 * (late + echo))?;
        }
        let median = (number("median_itl_ms") - percentile(&truth.itl, 50.0)).abs();
        below("error of the median ITL", median, 0.1 + 2.0 * echo)?;
        let p90 = (number("p90_itl_ms") - percentile(&truth.itl, 90.0)).abs();
        below("error of the p90 ITL", p90, 0.5 + 2.0 * (late + echo))
    });
}

/// An engine that reads a request late counts from its arrival all the same, as `SO_TIMESTAMPNS` says it.
#[test]
fn a_request_arrives_when_the_kernel_has_it() {
    // The kernel begins to stamp some time after it is first asked to.
    let _stamps = imax::testing::KernelClock::switch_on();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("truth.jsonl");
    let engine = Simulator::start(&["--ttft-ms", "0", "--itl-ms", "0", "--ground-truth", log.to_str().unwrap()]);
    engine.signal(Signal::SIGSTOP);
    let mut client = TcpStream::connect(("127.0.0.1", engine.port().parse().unwrap())).unwrap();
    let body = r#"{"model": "demo", "prompt": "a b c", "max_tokens": 1}"#;
    let head = format!(
        "POST /v1/completions HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    engine.signal(Signal::SIGCONT);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    engine.stop(Signal::SIGTERM);
    let line = &json_lines(&log)[0];
    assert!(
        u128::from(line["received_unix_ns"].as_u64().unwrap()) <= sent.as_nanos(),
        "{line} {sent:?}"
    );
}
