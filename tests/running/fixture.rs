//! A small repository with a recipe and a profile, and an `imax run` in it. Every process that a recipe starts has
//! the fixture's mark in its command line, so that a test can see what is left.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use imax::testing::process_of;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{DEADLINE, Finished, POLL_INTERVAL, Running, clean_command, program, project, wait_until, write_file};

static FIXTURES: AtomicU32 = AtomicU32::new(0);

pub struct Fixture {
    folder: tempfile::TempDir,
    /// A length for `sleep` that no other process has.
    pub mark: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    program: PathBuf,
    /// A program, with its first arguments, that starts imax.
    started_by: Vec<String>,
}

impl Fixture {
    /// A fixture with this script as its recipe; `@MARK@` in it is replaced by the fixture's mark.
    pub fn with_recipe(script: &str) -> Self {
        let number = FIXTURES.fetch_add(1, Ordering::SeqCst);
        let mark = format!("{}{:04}", 1_000_000 + std::process::id(), number);
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
            mark,
            arguments: Vec::new(),
            environment: Vec::new(),
            program: program().to_owned(),
            started_by: Vec::new(),
        };
        fixture.write("benchmarks/demo_fp8_h100_sim.sh", script);
        fixture.write("runners/h100-a.yaml", "launcher: local\n");
        fixture.row(|_| {});
        fixture
    }

    pub fn write(&self, path: &str, text: &str) {
        write_file(self.folder.path(), path, &text.replace("@MARK@", &self.mark));
    }

    /// Writes the row. Its answers are long enough that a busy engine does not send all tokens of one at once, which would leave no time
    /// between tokens to measure.
    pub fn row(&self, change: impl FnOnce(&mut Value)) {
        let mut row = json!({
            "image": "sim:1", "model": tokenizer_folder(), "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100",
            "isl": 32, "osl": 24, "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": 2, "max-model-len": 128,
            "exp-name": "demo_32_24", "disagg": false, "run-eval": false
        });
        change(&mut row);
        self.write("row.json", &row.to_string());
    }

    /// Changes the row as it is.
    pub fn change_row(&self, change: impl FnOnce(&mut Value)) {
        let mut row = serde_json::from_str(&self.read("row.json")).unwrap();
        change(&mut row);
        self.write("row.json", &row.to_string());
    }

    pub fn arguments(mut self, list: &[&str]) -> Self {
        self.arguments.extend(list.iter().map(|text| (*text).to_owned()));
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Uses another imax binary than that of the build.
    pub fn program(mut self, path: PathBuf) -> Self {
        self.program = path;
        self
    }

    /// Starts commands through another program, such as env or nice.
    pub fn started_by(mut self, list: &[&str]) -> Self {
        self.started_by = list.iter().map(|text| (*text).to_owned()).collect();
        self
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn job(&self) -> Value {
        serde_json::from_str(&self.read("out/job.json")).unwrap()
    }

    pub fn results(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("out")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The number of jobs that may still have something running, by their state files.
    pub fn states(&self) -> usize {
        self.state_files().len()
    }

    fn state_files(&self) -> Vec<PathBuf> {
        let paths = fs::read_dir(self.path("state"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect()
    }

    /// Changes the only state file.
    pub fn change_state(&self, change: impl FnOnce(&mut Value)) {
        let [path] = &self.state_files()[..] else { panic!("not one state") };
        let mut state = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        change(&mut state);
        fs::write(path, state.to_string()).unwrap();
    }

    fn command(&self) -> Command {
        let words: Vec<&OsStr> = self.started_by.iter().map(OsStr::new).chain([self.program.as_os_str()]).collect();
        let mut command = clean_command(words[0]);
        command.args(&words[1..]);
        command.current_dir(self.folder.path());
        command.env("IMAX_STATE_DIR", self.path("state"));
        // Tests do not load the library of a real driver.
        command.env("IMAX_NVML", self.path("no-library"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts `imax run`.
    pub fn start(&self) -> Running {
        let mut command = self.command();
        command.args(["run", "--row", "row.json", "--out", "out", "--runner-name", "h100-a_0"]);
        for (name, usual) in [("--num-prompts-per-conc", "2"), ("--num-warmups-per-conc", "1")] {
            if !self.arguments.iter().any(|argument| argument == name) {
                command.args([name, usual]);
            }
        }
        Running::start(command.args(&self.arguments))
    }

    /// Runs `imax run` to its end.
    pub fn run(&self) -> Finished {
        self.start().finish()
    }

    /// Runs `imax run` without `--row`.
    pub fn run_without_row(&self) -> Finished {
        Running::start(self.command().args(["run", "--out", "out", "--runner-name", "h100-a_0"])).finish()
    }

    /// Runs a step of the action.
    pub fn action(&self) -> Finished {
        Running::start(self.command().arg("action")).finish()
    }

    /// Runs `imax doctor`.
    pub fn doctor(&self, arguments: &[&str]) -> Finished {
        self.start_doctor(arguments).finish()
    }

    /// Starts `imax doctor`.
    pub fn start_doctor(&self, arguments: &[&str]) -> Running {
        let usual = ["doctor", "--out", "out", "--runner-name", "h100-a_0"];
        Running::start(self.command().args(usual).args(arguments))
    }

    /// Puts scripts in front of the PATH that replace real programs.
    pub fn tools(self, tools: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        for (name, script) in tools {
            self.write(&format!("tools/{name}"), &format!("#!/bin/bash\n# @MARK@\n{script}\n"));
            fs::set_permissions(self.path(&format!("tools/{name}")), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", self.path("tools").display(), std::env::var("PATH").unwrap());
        self.environment("PATH", &path)
    }

    /// Another command of imax in the fixture's folder.
    pub fn imax(&self, arguments: &[&str]) -> Finished {
        Running::start(self.command().args(arguments)).finish()
    }

    pub fn reap(&self) -> Finished {
        self.reap_with(&[])
    }

    pub fn reap_with(&self, arguments: &[&str]) -> Finished {
        Running::start(self.command().args(["run", "--reap"]).args(arguments)).finish()
    }

    /// The command lines of running processes that contain the fixture's mark.
    pub fn processes(&self) -> Vec<String> {
        self.marked().into_iter().map(|(_, line)| line).collect()
    }

    /// The numbers of those processes.
    pub fn process_numbers(&self) -> Vec<i32> {
        self.marked().into_iter().map(|(number, _)| number).collect()
    }

    fn marked(&self) -> Vec<(i32, String)> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let marked = entries.filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            // The test's own command line may contain the mark, too.
            let is_ours = line.contains(&self.mark) && id != std::process::id();
            Some((i32::try_from(id).ok()?, line)).filter(|_| is_ours)
        });
        marked.collect()
    }

    pub fn assert_nothing_runs(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
    }

    /// Waits until nothing of the recipe runs.
    pub fn await_no_processes(&self) {
        let end = Instant::now() + DEADLINE;
        while !self.processes().is_empty() {
            assert!(
                Instant::now() < end,
                "after {DEADLINE:?} there still runs {:?}; the engine printed:\n{}",
                self.processes(),
                fs::read_to_string(self.path("out/server.log")).unwrap_or_default()
            );
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until a file exists.
    pub fn await_file(&self, path: &str) {
        let path = self.path(path);
        wait_until(&format!("{} exists", path.display()), || path.exists());
    }
}

/// The process id of the watchdog of a running job, which `imax run` starts before its first phase.
pub fn watchdog_of(run: &Running) -> i32 {
    let parent = run.id().as_raw().to_string();
    let is_watchdog = |process: &PathBuf| {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        let line = fs::read(process.join("cmdline")).ok()?;
        // After the name in brackets: state, parent.
        let found = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
        Some(found == parent && line.split(|byte| *byte == 0).nth(1) == Some(b"watchdog"))
    };
    let mut processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let found = processes.find(|process| is_watchdog(process) == Some(true)).expect("a watchdog");
    found.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// Kills `imax run` and its watchdog: nobody is left who could clean up.
pub fn kill_with_watchdog(run: Running) {
    kill(Pid::from_raw(watchdog_of(&run)), Signal::SIGKILL).unwrap();
    run.signal(Signal::SIGKILL);
    run.finish();
}

/// Kills `imax run` alone, and waits until its watchdog has cleaned up.
pub fn kill_alone(run: Running) {
    let watchdog = watchdog_of(&run);
    run.signal(Signal::SIGKILL);
    run.finish();
    await_end_of(watchdog);
}

/// Waits until a process has ended.
pub fn await_end_of(process: i32) {
    wait_until("the process has ended", || process_of(process).is_none());
}

/// The folder of the demo's tokenizer, which is used as a model.
pub fn tokenizer_folder() -> String {
    project().join("benchmarks/demo").display().to_string()
}
