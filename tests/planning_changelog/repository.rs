//! A git repository in a temporary folder, with the configs that the tests plan, and the binary run inside it.

use std::collections::HashMap;
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::{self, Finish as _, imax};

const CONFIGS: &str = "\
toy-fp8-h100-sim:
  image: example/sim:1
  model: org/toy
  model-prefix: toy
  precision: fp8
  framework: sim
  runner: h100
  multinode: false
  scenarios:
    fixed-seq-len:
      - isl: 8192
        osl: 1024
        search-space:
          - { tp: 1, conc-list: [4, 16, 64] }
          - { tp: 2, conc-list: [16] }
toy-fp4-h100-sim:
  image: example/sim:1
  model: org/toy
  model-prefix: toy
  precision: fp4
  framework: sim
  runner: h100
  multinode: false
  scenarios:
    fixed-seq-len:
      - isl: 1024
        osl: 1024
        search-space:
          - { tp: 1, conc-list: [4] }
";

const RUNNERS: &str = "labels:\n  h100: [h100-box_0]\n";

/// A log with one entry.
pub const LOG: &str = "\
- config-keys:
    - toy-fp8-h100-sim
  description:
    - \"first\"
  pr-link: https://github.com/org/repo/pull/1
";

/// An entry as a log has it.
pub fn entry(key: &str, link: &str) -> String {
    format!("- config-keys:\n    - {key}\n  description:\n    - \"d\"\n  pr-link: {link}\n")
}

/// A log with an entry appended.
pub fn with(log: &str, entry: &str) -> String {
    format!("{log}\n{entry}")
}

pub struct Repository(harness::Repository);

impl Deref for Repository {
    type Target = harness::Repository;

    fn deref(&self) -> &harness::Repository {
        &self.0
    }
}

/// What a run of the binary left.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub outputs: HashMap<String, String>,
    pub summary: String,
}

impl Repository {
    /// A repository whose first commit has the configs and the log, on the branch `main`.
    pub fn new() -> Self {
        let repository = Self(harness::Repository::new());
        repository.write("configs/toy-master.yaml", CONFIGS);
        repository.write("configs/runners.yaml", RUNNERS);
        repository.write("perf-changelog.yaml", LOG);
        repository.commit("configs");
        repository
    }

    /// Writes the log and commits.
    pub fn commit_log(&self, log: &str) -> String {
        self.write("perf-changelog.yaml", log);
        self.commit("log")
    }

    /// Runs the binary here, as a step of a workflow without an event.
    pub fn imax(&self, arguments: &[&str]) -> Ran {
        self.run(arguments, &[])
    }

    /// The same with more variables.
    pub fn imax_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        self.run(arguments, variables)
    }

    /// Runs `imax plan --event` here for an event.
    pub fn event(&self, name: &str, payload: &Value) -> Ran {
        self.event_with(name, payload, &[])
    }

    /// Runs `imax plan --event` here for an event, with more variables.
    pub fn event_with(&self, name: &str, payload: &Value, more: &[(&str, &str)]) -> Ran {
        let path = self.path(".git/event.json");
        fs::write(&path, payload.to_string()).unwrap();
        let mut variables = vec![("GITHUB_EVENT_NAME", name), ("GITHUB_EVENT_PATH", path.to_str().unwrap())];
        variables.extend(more);
        self.run(&["plan", "--event"], &variables)
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let (outputs, summary) = (self.path(".git/outputs"), self.path(".git/summary"));
        for file in [&outputs, &summary] {
            fs::write(file, "").unwrap();
        }
        let output: Output = imax()
            .args(arguments)
            .current_dir(self.folder())
            .env("GITHUB_OUTPUT", &outputs)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_REPOSITORY", "org/repo")
            .envs(variables.iter().copied())
            .finish();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            outputs: step_outputs(&outputs),
            summary: fs::read_to_string(summary).unwrap(),
        }
    }
}

/// Reads the runner's format: `name<<DELIMITER`, the lines of the value, `DELIMITER`.
fn step_outputs(path: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let mut outputs = HashMap::new();
    while let Some(head) = lines.next() {
        let (name, delimiter) = head.split_once("<<").unwrap();
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}

impl Ran {
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    pub fn output(&self, name: &str) -> &str {
        self.outputs
            .get(name)
            .unwrap_or_else(|| panic!("no output {name}: {:?}", self.outputs))
    }

    /// The concurrencies of all jobs of a matrix, with their names' ends.
    pub fn concurrencies(&self) -> Vec<Value> {
        let matrix: Value = serde_json::from_str(self.output("matrix")).unwrap();
        let row = |job: &Value| serde_json::from_str::<Value>(job["row"].as_str().unwrap()).unwrap();
        matrix["include"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| row(job)["conc"].clone())
            .collect()
    }
}
