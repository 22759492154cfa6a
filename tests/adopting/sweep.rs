//! `imax sweep` and `imax run --config-key` on the simulated engines of the demo's repository.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::finished;
use crate::harness::{Running, imax, write_file};

struct DemoRepository(tempfile::TempDir);

impl DemoRepository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut create = imax();
        create.args(["demo", "--repository-only", "--dir"]).arg(folder.path().join("r"));
        let created = finished(&mut create);
        assert_eq!(created.code, Some(0), "{}", created.stderr);
        Self(folder)
    }

    fn imax(&self, arguments: &[&str]) -> Command {
        let mut command = imax();
        command
            .current_dir(self.0.path().join("r"))
            .env("IMAX_STATE_DIR", self.0.path().join("state"))
            .args(arguments);
        command
    }

    fn exists(&self, name: &str) -> bool {
        self.0.path().join("r").join(name).exists()
    }
}

const QUICK: [&str; 5] = ["--profile", "demo", "--num-prompts-per-conc", "1", "--no-evals"];

#[test]
fn rows_are_measured_reported_and_kept() {
    let repository = DemoRepository::new();
    let sweep = |more: &[&str]| {
        let arguments = [&["sweep", "demo-fp8-h100-sim", "--conc", "1,4"], &QUICK[..], more].concat();
        finished(&mut repository.imax(&arguments))
    };
    let first = sweep(&[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let shown = first.stderr.lines().find(|line| line.contains("measured in")).unwrap_or_default();
    let figures = shown
        .split("  ")
        .filter(|cell| cell.trim().parse::<f64>().is_ok_and(|figure| figure > 0.0));
    // The concurrency and three figures.
    assert_eq!(figures.count(), 4, "{}", first.stderr);
    assert!(first.stderr.contains("[1/") && first.stderr.contains("TTFT ms"), "{}", first.stderr);
    assert!(first.stdout.contains("tok/s/GPU"), "{}", first.stdout);
    for name in ["plan.json", "summary.md", "report.html", "report.csv", "agg_bmk.json"] {
        assert!(repository.exists(&format!("sweep/{name}")), "{name}");
    }
    let again = sweep(&[]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("--resume"), "{}", again.stderr);
    let resumed = sweep(&["--resume"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert!(
        !resumed.stderr.contains("measured in") && resumed.stderr.contains("measured before"),
        "{}",
        resumed.stderr
    );
}

#[test]
fn dry_run_names_the_jobs_and_writes_nothing() {
    let repository = DemoRepository::new();
    let shown = finished(&mut repository.imax(&["sweep", "demo-fp8-h100-sim", "--conc", "1,4", "--no-evals", "--dry-run"]));
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert_eq!(shown.stdout.lines().count(), 2, "{}", shown.stdout);
    assert!(!repository.exists("sweep") && !repository.0.path().join("state").exists());
}

#[test]
fn machine_without_the_gpus_leaves_rows_out() {
    let repository = DemoRepository::new();
    let profile = "launcher: local\nvendor: nvidia\nnode: { gpu-name: none of this machine }\n";
    write_file(&repository.0.path().join("r"), "runners/h100.yaml", profile);
    let ended = finished(&mut repository.imax(&["sweep", "demo-fp8-h100-sim", "--conc", "1", "--no-evals"]));
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("left out, ") && ended.stderr.contains("nothing was measured"),
        "{}",
        ended.stderr
    );
}

#[test]
fn cancelled_sweep_ends_with_what_it_has() {
    let repository = DemoRepository::new();
    let mut sweep = Running::start(&mut repository.imax(&["sweep", "--profile", "demo", "--no-evals"]));
    sweep.await_line("[2/");
    sweep.signal(Signal::SIGINT);
    let ended = sweep.finish();
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(repository.exists("sweep/report.html") && repository.exists("sweep/agg_bmk.json"));
    assert!(ended.stderr.contains("--resume"), "{}", ended.stderr);
}

#[test]
fn one_row_is_chosen_by_key_or_by_flags() {
    let repository = DemoRepository::new();
    let several = finished(&mut repository.imax(&["run", "--config-key", "demo-fp8-h100-sim"]));
    assert_eq!(several.code, Some(2), "{}", several.stderr);
    assert!(
        several.stderr.contains("match, expected one; select with --conc and --seq-lens"),
        "{}",
        several.stderr
    );
    let none = finished(&mut repository.imax(&["run", "--config-key", "demo-fp8-h100-sim", "--conc", "12345"]));
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    let flags = [
        "run",
        "--model",
        "demo",
        "--hardware",
        "h100",
        "--framework",
        "sim",
        "--precision",
        "fp8",
        "--conc",
        "2",
        "--input-len",
        "64",
        "--output-len",
        "16",
        "--profile",
        "demo",
        "--num-prompts-per-conc",
        "2",
        "--image",
        "imax-sim:1.1",
    ];
    let measured = finished(&mut repository.imax(&flags));
    assert_eq!(measured.code, Some(0), "{}", measured.stderr);
    assert!(repository.exists("results/job.json"));
}
