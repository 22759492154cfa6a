//! Loads of the simulated model, and what they report.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{self, Finish as _, project};

/// The program, in the folder of this project.
pub fn imax() -> Command {
    let mut command = harness::imax();
    // A stored calibration of this machine would appear in the results.
    command.env("XDG_CACHE_HOME", "/nonexistent").current_dir(project());
    command
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
        .finish();
    let result = std::fs::read(folder.join("result.json")).unwrap_or_else(|_| panic!("no result: {}", stderr(&output)));
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

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
