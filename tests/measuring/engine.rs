//! Starts and stops the processes of the tests, and tests the engine on its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Longest wait for anything that must happen: it only keeps a test from hanging, also on a machine that is busy or pauses.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The program under test.
pub fn imax() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imax"));
    // Neither the person's key nor the calibrations of this machine are any of the tests' business.
    command
        .env_remove("OPENAI_API_KEY")
        .env("XDG_CACHE_HOME", "/nonexistent")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// A running engine; killed when dropped.
pub struct Engine {
    child: Child,
    pub address: String,
}

impl Engine {
    /// Starts `imax sim` on a free port and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = imax()
            .args(["sim", "--port", "0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap_or_else(|| panic!("{line}")).1.to_owned();
        Self { child, address }
    }

    pub fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    /// A counter of the engine, from its metrics.
    pub fn counter(&self, name: &str) -> u64 {
        let answer = get(&self.address, "/metrics");
        let line = answer.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// Requests that it has taken.
    pub fn taken(&self) -> u64 {
        self.counter("imax_sim_requests_total")
    }

    /// Waits until it has taken so many requests.
    pub fn await_taken(&self, requests: u64) {
        let until = Instant::now() + PATIENCE;
        while self.taken() < requests {
            assert!(Instant::now() < until, "the load does not advance");
        }
    }

    /// Sends a signal that does not end it.
    pub fn signal(&self, signal: Signal) {
        kill(pid(&self.child), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub fn stop(mut self, signal: Signal) -> Option<i32> {
        kill(pid(&self.child), signal).unwrap();
        wait(&mut self.child).code()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// Waits for a process to end.
pub fn wait(child: &mut Child) -> std::process::ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "the process did not end within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A load of the simulated model on an engine.
pub fn bench(port: &str, arguments: &[&str]) -> Command {
    let mut command = imax();
    command
        .args(["bench", "--port", port, "--model", "benchmarks/demo", "--served-model-name", "demo"])
        // The machine may be busy with other tests.
        .arg("--allow-saturated-client")
        .args(arguments);
    command
}

/// Runs a load to its end and reads the result that it saved.
pub fn measure(port: &str, arguments: &[&str], folder: &Path) -> (Value, Output) {
    let output = bench(port, arguments)
        .args(["--save-result", "--result-filename", "result.json", "--result-dir"])
        .arg(folder)
        .output()
        .unwrap();
    let result = std::fs::read(folder.join("result.json")).unwrap_or_else(|_| panic!("no result: {}", words(&output)));
    (serde_json::from_slice(&result).unwrap(), output)
}

/// The requests of a load with `--save-detailed`, one by one, in the order of the plan.
pub fn detailed(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("result.requests.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The doubts about a result, without the one that a busy machine may raise.
pub fn doubts(result: &Value) -> Vec<&str> {
    let codes = result["imax"]["validity"].as_array().unwrap();
    codes
        .iter()
        .map(|code| code.as_str().unwrap())
        .filter(|code| *code != "client_saturated")
        .collect()
}

pub fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One HTTP request, the whole answer.
fn http(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: &str, path: &str) -> String {
    http(address, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"))
}

fn post(address: &str, path: &str, body: &str) -> String {
    let length = body.len();
    http(
        address,
        &format!("POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"),
    )
}

#[test]
fn is_ready_quickly_and_ends_cleanly_on_signals() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let engine = Engine::start(&[]);
        // Ready 20 ms after it listens, as its profile says; the deadline only keeps a broken engine from hanging the test.
        let until = Instant::now() + PATIENCE;
        while !get(&engine.address, "/health").starts_with("HTTP/1.1 200") {
            assert!(Instant::now() < until, "not ready");
        }
        assert_eq!(engine.stop(signal), Some(code));
    }
}

#[test]
fn serves_the_openai_api() {
    let engine = Engine::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
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
        let output = imax().args(["sim", "--port", "0"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(words(&output).contains(message), "{arguments:?}: {}", words(&output));
    }
}
