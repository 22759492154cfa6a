//! The client's own time for ten thousand questions against an engine that answers at once, beside lm-eval's in the same run.

use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::agreement::{alone, required};
use super::model_server::{self, Behaviour};
use crate::harness::{Finish as _, HttpServer, imax_inheriting, program, project};

const QUESTIONS: usize = 10_000;

/// lm-eval is slow.
const LIMIT: Duration = Duration::from_secs(1800);

/// CPU time of all children that ended so far, seconds.
fn children_s() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    std::time::Duration::from_micros(u64::try_from(microseconds).unwrap()).as_secs_f64()
}

/// The binary and the share of lm-eval's time that it may take. One without optimisation is slower by an order of magnitude;
/// `IMAX_BINARY` names what people use.
fn binary() -> (String, f64) {
    match std::env::var("IMAX_BINARY") {
        Ok(optimised) => (optimised, 0.1),
        Err(_) => (program().display().to_string(), 0.5),
    }
}

fn task(folder: &Path) -> std::path::PathBuf {
    let documents: String = (0..QUESTIONS)
        .map(|number| format!("{{\"question\": \"What is {number} + 1?\", \"answer\": \"#### {}\"}}\n", number + 1))
        .collect();
    std::fs::write(folder.join("many.jsonl"), documents).unwrap();
    let text = std::fs::read_to_string(project().join("benchmarks/evals/sums.yaml")).unwrap();
    let text = text
        .replace("task: sums", "task: many")
        .replace("benchmarks/evals/sums.jsonl", folder.join("many.jsonl").to_str().unwrap());
    let path = folder.join("many.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn cpu_of(engine: &HttpServer, which: &str, task: &Path, output: &Path) -> f64 {
    let before = children_s();
    let ended = imax_inheriting(binary().0)
        .current_dir(project())
        .args([
            "eval",
            "--base-url",
            &engine.url,
            "--model",
            "m",
            "--concurrent-requests",
            "64",
            "--quiet",
            "--engine",
            which,
        ])
        .arg("--lm-eval")
        .arg(required("IMAX_TEST_LM_EVAL"))
        .arg("--tasks")
        .arg(task)
        .arg("--output")
        .arg(output)
        .env("HF_HUB_OFFLINE", "1")
        .finish_within(LIMIT);
    assert!(ended.status.success(), "{which}: {}", String::from_utf8_lossy(&ended.stderr));
    children_s() - before
}

#[test]
#[ignore = "needs lm-eval"]
fn ten_thousand_questions_cost_under_a_tenth_of_lm_evals_time() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let task = task(folder.path());
    let engine = model_server::start(Behaviour::Constant);
    let theirs = cpu_of(&engine, "lm-eval", &task, &folder.path().join("theirs"));
    let ours = cpu_of(&engine, "native", &task, &folder.path().join("ours"));
    assert_eq!(engine.requests(), 2 * QUESTIONS);
    eprintln!(
        "client CPU for {QUESTIONS} questions: lm-eval {theirs:.2} s, imax {ours:.2} s, ratio {:.3}",
        ours / theirs
    );
    let (_, limit) = binary();
    assert!(ours < theirs * limit, "ours {ours} s, theirs {theirs} s");
}
