//! A folder with artifacts, and `imax` in it without the environment of the machine that runs the tests.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Finish as _, imax, write_file};

/// A temporary folder.
pub struct Fixture {
    folder: tempfile::TempDir,
}

/// What a command left.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Fixture {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        write_file(self.folder.path(), name, text);
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// A measured point: its row, its raw result, and what `imax normalize` makes of them.
    pub fn measured(&self, folder: &str, row: &Value, throughput: f64) {
        self.write(&format!("{folder}/row.txt"), &row.to_string());
        self.write(&format!("{folder}/raw.json"), &raw(row, throughput).to_string());
        let (row, raw) = (format!("{folder}/row.txt"), format!("{folder}/raw.json"));
        let ended = self.imax(&["normalize", "--row", &row, "--raw", &raw], &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }

    pub fn imax(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        imax_in(self.folder.path(), arguments, environment)
    }
}

pub fn imax_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let output = imax()
        .current_dir(folder)
        .args(arguments)
        .envs(environment.iter().copied())
        .finish();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A row of the `h100`, at a concurrency.
pub fn row(conc: u32) -> Value {
    json!({
        "image": "example/engine:1", "model": "org/model", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100",
        "isl": 1024, "osl": 1024, "tp": 4, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": conc, "max-model-len": 2304,
        "exp-name": "demo_1k1k", "disagg": false
    })
}

/// What a load generator measures for a row at a total throughput, tokens a second.
pub fn raw(row: &Value, throughput: f64) -> Value {
    let conc = row["conc"].as_f64().unwrap();
    let tpot_ms = 2000.0 * conc / throughput;
    json!({
        "model_id": row["model"], "max_concurrency": row["conc"], "num_prompts": conc * 10.0, "completed": conc * 10.0,
        "total_input_tokens": conc * 10_240.0, "total_output_tokens": conc * 10_240.0, "duration": 20.0,
        "total_token_throughput": throughput, "output_throughput": throughput / 2.0, "median_ttft_ms": 100.0, "p99_ttft_ms": 180.0,
        "median_tpot_ms": tpot_ms, "median_e2el_ms": 100.0 + 1023.0 * tpot_ms, "benchmark_end_time_unix": 1_790_000_000.0
    })
}

/// The record of a job whose only point failed.
pub fn failed_job(row: &Value, class: &str, reason: &str) -> Value {
    let outcome = json!({ "status": "failed", "class": class, "reason": reason });
    json!({
        "schema": "imax-job/1", "job_id": "imax-1", "outcome": outcome, "exit_code": 1, "row": row,
        "points": [{ "conc": row["conc"], "result_filename": "result", "outcome": outcome }]
    })
}
