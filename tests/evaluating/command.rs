//! The command against an engine that knows the answers.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::model_server::{self, Behaviour};
use crate::harness::{Finish as _, Running, imax, project, wait_until};

fn command(url: &str, output: &Path, more: &[&str]) -> Command {
    let mut command = imax();
    command
        .current_dir(project())
        .args(["eval", "--base-url", url, "--model", "org/small", "--tasks"]);
    command.arg("benchmarks/evals/sums.yaml").arg("--output").arg(output).args(more);
    command
}

fn run(url: &str, output: &Path, more: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command(url, output, more).finish();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn files(folder: &Path, start: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(start)).collect()
}

fn results(folder: &Path) -> Value {
    let names = files(folder, "results_");
    assert_eq!(names.len(), 1, "{names:?}");
    serde_json::from_str(&std::fs::read_to_string(folder.join(&names[0])).unwrap()).unwrap()
}

#[test]
fn scores_samples_and_results_are_written_with_the_keys_of_lm_eval() {
    let engine = model_server::start(Behaviour::Correct(45));
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = run(&engine.url, folder.path(), &["--concurrent-requests", "8"]);
    assert_eq!(code, Some(0), "{said}");
    let document = results(folder.path());
    let scores = &document["results"]["sums"];
    assert_eq!(scores["exact_match,strict-match"], json!(0.75));
    let error = scores["exact_match_stderr,strict-match"].as_f64().unwrap();
    assert!((error - 0.056_373_452_100_212_16).abs() < 1e-12, "{error}");
    assert_eq!(document["n-samples"]["sums"], json!({ "original": 60, "effective": 60 }));
    assert_eq!(
        (&document["n-shot"]["sums"], &document["versions"]["sums"]),
        (&json!(3), &json!(1.0))
    );
    assert!(document["lm_eval_version"].as_str().unwrap().starts_with("imax "));
    let interval = &document["imax"]["tasks"]["sums"]["interval_95_wilson"]["exact_match,strict-match"];
    assert!((interval["low"].as_f64().unwrap() - 0.627_679_3).abs() < 1e-6, "{interval}");
    let samples = std::fs::read_to_string(folder.path().join(&files(folder.path(), "samples_sums_")[0])).unwrap();
    let samples: Vec<Value> = samples.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 120);
    let wrong = samples
        .iter()
        .filter(|sample| sample["filter"] == "strict-match" && sample["exact_match"] == 0.0)
        .count();
    assert_eq!((wrong, &samples[59]["filtered_resps"]), (15, &json!(["0"])));
    assert_eq!(
        (files(folder.path(), "meta_env.json").len(), files(folder.path(), "answers").len()),
        (1, 0)
    );
}

#[test]
fn a_score_is_judged_with_its_error() {
    let engine = model_server::start(Behaviour::Correct(45));
    for (threshold, code, word) in [("0.7", 0, "pass"), ("0.8", 0, "unsure"), ("0.9", 1, "below the threshold by more")] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("thresholds.yaml");
        std::fs::write(
            &file,
            format!("default: {{sums: 0.1}}\nmodels: {{org/small: {{sums: {threshold}}}}}\n"),
        )
        .unwrap();
        let (found, said) = run(&engine.url, &folder.path().join("out"), &["--thresholds", file.to_str().unwrap()]);
        assert_eq!(found, Some(code), "{threshold}: {said}");
        assert!(said.contains(word), "{threshold}: {said}");
    }
}

#[test]
fn an_interrupted_evaluation_keeps_what_it_has_and_goes_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let slow = model_server::start(Behaviour::HangsAfter(25));
    let evaluation = Running::start(&mut command(&slow.url, folder.path(), &["--concurrent-requests", "4"]));
    let journal = folder.path().join("answers.jsonl");
    wait_until("25 answers are in the journal", || {
        std::fs::read_to_string(&journal).is_ok_and(|text| text.lines().count() >= 25)
    });
    evaluation.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(evaluation.finish().code, Some(130));
    assert_eq!(
        (
            files(folder.path(), "partial_results_").len(),
            files(folder.path(), "results_").len()
        ),
        (1, 0)
    );
    let partial = std::fs::read_to_string(folder.path().join(&files(folder.path(), "partial_results_")[0])).unwrap();
    assert!(!partial.contains("lm_eval_version"), "a collector must not take it for a result");

    let engine = model_server::start(Behaviour::Correct(60));
    let (code, said) = run(&engine.url, folder.path(), &["--resume"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(engine.requests(), 35);
    let document = results(folder.path());
    assert_eq!(
        (
            &document["results"]["sums"]["exact_match,strict-match"],
            &document["imax"]["resumed"]
        ),
        (&json!(1.0), &json!(25))
    );
    assert!(!journal.exists());
}

#[test]
fn what_cannot_be_evaluated_ends_with_its_own_code() {
    let engine = model_server::start(Behaviour::Constant);
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = run(&engine.url, folder.path(), &["--tasks", "README.md"]);
    assert_eq!(code, Some(3), "{said}");
    // No server has the reserved port 1, so a connection fails at once.
    let (code, said) = run("http://127.0.0.1:1", folder.path(), &["--limit", "2"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("cannot connect"), "{said}");
    let (code, said) = run(
        &engine.url,
        folder.path(),
        &["--limit", "3", "--num-fewshot", "0", "--api", "completions"],
    );
    assert_eq!((code, engine.requests()), (Some(0), 3), "{said}");
}

#[test]
fn thinking_is_stripped_and_text_behind_a_stop_is_cut_where_asked() {
    let engine = model_server::start(Behaviour::ThinksAndGoesOn);
    for (options, strict, flexible, thinking) in [
        (&[][..], 0.0, 0.0, 60),
        (&["--think-end-token"], 1.0, 0.0, 0),
        (&["--think-end-token", "</think>", "--cut-at-stop"], 1.0, 1.0, 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (code, said) = run(&engine.url, folder.path(), options);
        assert_eq!(code, Some(0), "{options:?}: {said}");
        let document = results(folder.path());
        let scores = &document["results"]["sums"];
        assert_eq!(scores["exact_match,strict-match"], json!(strict), "{options:?}");
        assert_eq!(scores["exact_match,flexible-extract"], json!(flexible), "{options:?}");
        assert_eq!(document["imax"]["tasks"]["sums"]["with_thinking"], json!(thinking), "{options:?}");
        assert_eq!(
            said.contains("60 answers have thinking in their text"),
            thinking > 0,
            "{options:?}: {said}"
        );
    }
}

#[test]
fn shipped_tasks_are_named_from_any_folder() {
    let engine = model_server::start(Behaviour::Correct(60));
    let folder = tempfile::tempdir().unwrap();
    let evaluate = |task: &str| {
        let mut command = imax();
        command
            .current_dir(folder.path())
            .args(["eval", "--base-url", &engine.url, "--model", "m"]);
        let Output { status, stdout, stderr } = command.args(["--output", "out", "--tasks", task]).finish();
        (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    };
    let (code, said) = evaluate("sums");
    assert_eq!(code, Some(0), "{said}");
    let score = results(&folder.path().join("out"))["results"]["sums"]["exact_match,strict-match"].clone();
    assert_eq!(score, json!(1.0));
    let (code, said) = evaluate("gsm9k");
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("`gsm9k` is neither a task file nor a task of imax: did you mean `gsm8k`?"),
        "{said}"
    );
}

#[test]
fn scores_fit_the_terminal() {
    let engine = model_server::start(Behaviour::Correct(45));
    for columns in [80, 100, 120] {
        let folder = tempfile::tempdir().unwrap();
        let output = command(&engine.url, folder.path(), &[])
            .env("COLUMNS", columns.to_string())
            .finish();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("0.7500") && text.contains("strict-match"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {text}");
        }
    }
}
