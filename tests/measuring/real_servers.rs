//! Servers of other projects, on the processor: Apple's MLX server and NVIDIA's Triton. `tests/mlx/fetch.sh` and
//! `tests/triton/fetch.sh` install them; `IMAX_TEST_MLX_SERVER`, `IMAX_TEST_MLX_MODEL` and `IMAX_TEST_TRITON_SERVER` name what they made.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::client::{doubts, imax, stderr};
use crate::harness::{Finish as _, project};

/// A server with all that it started; killed when dropped.
struct Server {
    child: Child,
    port: String,
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

fn required(variable: &str, script: &str) -> PathBuf {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("needs {variable}; {script} makes it"))
        .into()
}

impl Server {
    fn start(command: &mut Command, port: String, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self {
            child: command.process_group(0).spawn().unwrap(),
            port,
        }
    }

    fn mlx(folder: &Path) -> (Self, PathBuf) {
        let model = required("IMAX_TEST_MLX_MODEL", "tests/mlx/fetch.sh");
        let port = free_port();
        let mut command = Command::new(required("IMAX_TEST_MLX_SERVER", "tests/mlx/fetch.sh"));
        command.arg("--model").arg(&model).args(["--host", "127.0.0.1", "--port", &port]);
        (Self::start(&mut command, port, &folder.join("mlx.log")), model)
    }

    fn triton(folder: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(required("IMAX_TEST_TRITON_SERVER", "tests/triton/fetch.sh"));
        command.arg(format!("--model-repository={}", project().join("tests/triton/models").display()));
        command
            .arg(format!("--http-port={port}"))
            .args(["--http-address=127.0.0.1", "--allow-grpc=false", "--allow-metrics=false"]);
        Self::start(&mut command, port, &folder.join("triton.log"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).unwrap();
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// A load of eight requests, two at a time, on a server that is still starting; the result and what was said.
fn load(server: &Server, log: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = imax()
        .args([
            "bench",
            "--port",
            &server.port,
            "--tokenizer",
            "benchmarks/demo",
            "--allow-saturated-client",
        ])
        .args(["--ready-check-timeout-sec", "90", "--num-prompts", "8", "--max-concurrency", "2"])
        .args(["--random-input-len", "32", "--random-output-len", "10", "--ignore-eos"])
        .args(["--save-result", "--result-filename", "r.json", "--result-dir"])
        .arg(folder.path())
        .args(arguments)
        .finish();
    let said = format!("{}\n{}", stderr(&output), std::fs::read_to_string(log).unwrap_or_default());
    let result = std::fs::read(folder.path().join("r.json")).unwrap_or_else(|_| b"null".to_vec());
    (output.status.code(), serde_json::from_slice(&result).unwrap(), said)
}

/// The server's comments before the first token are no token; each request has a connection of its own.
#[test]
#[ignore = "needs Apple's MLX server"]
fn mlx_completions_and_chat_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (server, model) = Server::mlx(folder.path());
    let model = model.to_str().unwrap();
    for backend in ["openai", "openai-chat"] {
        let (code, result, said) = load(&server, &folder.path().join("mlx.log"), &["--model", model, "--backend", backend]);
        assert_eq!(code, Some(0), "{backend}: {said}");
        assert_eq!(
            (&result["completed"], &result["total_output_tokens"], doubts(&result)),
            (&json!(8), &json!(80), vec![]),
            "{backend}"
        );
        // A token that is a part of a character has no text of its own, so chunks are not always tokens.
        let source = result["imax"]["itl_source"].as_str().unwrap();
        assert!(["usage", "tokenizer"].contains(&source), "{backend}: {source}");
        assert!(result["median_ttft_ms"].as_f64().unwrap() > 0.0 && result["mean_itl_ms"].as_f64().unwrap() > 0.0);
    }
}

/// The model of `tests/triton/models` says a word of one token every 20 ms.
#[test]
#[ignore = "needs the Triton server"]
fn triton_generate_stream_has_the_figures_of_a_known_stream() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::triton(folder.path());
    let log = folder.path().join("triton.log");
    let arguments = ["--model", "ensemble", "--backend", "tensorrt-llm"];
    let (code, result, said) = load(&server, &log, &arguments);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        (&result["completed"], &result["total_output_tokens"], doubts(&result)),
        (&json!(8), &json!(80), vec![])
    );
    assert_eq!(result["imax"]["itl_source"], json!("tokenizer"));
    let figure = |key: &str| result[key].as_f64().unwrap();
    // Nothing comes before its time. How much later depends on the machine's load; a wrong unit or count shows all the same.
    for (key, expected) in [
        ("median_ttft_ms", 20.0),
        ("median_itl_ms", 20.0),
        ("median_tpot_ms", 20.0),
        ("median_e2el_ms", 200.0),
    ] {
        assert!(
            (expected * 0.99..expected * 100.0).contains(&figure(key)),
            "{key} is {}",
            figure(key)
        );
    }
    // A model that answers more than once cannot answer at once: status 200, and an error as the body.
    let (code, _, said) = load(&server, &log, &[&arguments[..], &["--no-stream"]].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("generate expects model to produce exactly 1 response"), "{said}");
}
