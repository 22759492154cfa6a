//! The repositories in `examples/`: each is valid and plans jobs, and those whose engine can be had here are measured.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::harness::{Finish as _, Repository, clean_command, imax, program, project};
use super::session::{Llama, SESSION_LIMIT, copy_folder};

fn examples() -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    // Some examples are no benchmark repository.
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.join("configs").is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 6, "{folders:?}");
    folders
}

/// The example as a repository: a first commit without its changelog, a second one with it.
fn repository(example: &Path) -> (Repository, String, String) {
    let repository = Repository::new();
    copy_folder(example, repository.folder());
    let changelog = repository.path("perf-changelog.yaml");
    let entries = fs::read_to_string(&changelog).ok();
    if entries.is_some() {
        fs::write(&changelog, "").unwrap();
    }
    let base = repository.commit("configs");
    if let Some(entries) = entries {
        fs::write(&changelog, entries).unwrap();
    }
    let head = repository.commit("first entry");
    (repository, base, head)
}

fn json_of(repository: &Repository, arguments: &[&str]) -> Value {
    let output = imax().current_dir(repository.folder()).args(arguments).finish();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn examples_are_valid_and_without_warnings() {
    for example in examples() {
        let (repository, ..) = repository(&example);
        let output = imax().current_dir(repository.folder()).args(["check", "--deny-warnings"]).finish();
        assert!(
            output.status.success(),
            "{}:\n{}",
            example.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Every config of an example is measured for its first entry; an example without a changelog measures all of them.
#[test]
fn examples_plan_every_row_of_their_configs() {
    for example in examples() {
        let (repository, base, head) = repository(&example);
        let rows = json_of(&repository, &["matrix", "full-sweep", "--no-evals"])
            .as_array()
            .unwrap()
            .len();
        assert!(rows > 0, "{}", example.display());
        if repository.path("perf-changelog.yaml").exists() {
            let plan = repository.path("plan.json");
            let file = plan.to_str().unwrap();
            json_of(
                &repository,
                &["plan", "--base-ref", &base, "--head-ref", &head, "--plan-file", file],
            );
            let plan: Value = serde_json::from_str(&repository.read("plan.json")).unwrap();
            let names = plan["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap());
            let measured = names.filter(|name| !name.starts_with("eval ")).count();
            assert_eq!(measured, rows, "{}: {plan:#}", example.display());
        }
    }
}

/// `uses:` of the examples' workflows are those of this project's own, so that one version is kept up to date.
#[test]
fn examples_pin_the_actions_that_this_project_pins() {
    let own = fs::read_to_string(project().join(".github/workflows/rows.yml")).unwrap()
        + &fs::read_to_string(project().join("action.yml")).unwrap();
    for example in examples() {
        let workflow = fs::read_to_string(example.join(".github/workflows/benchmark.yml")).unwrap();
        for line in workflow.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, used)| used) {
            assert!(
                own.contains(line) || line.starts_with("org/imax-action/"),
                "{}: {line}",
                example.display()
            );
        }
    }
}

#[test]
#[ignore = "needs llama.cpp's server and a model"]
fn every_push_example_measures_and_compares_with_its_history() {
    let Llama { server, model } = Llama::from_environment();
    let (repository, ..) = repository(&project().join("examples/every-push"));
    let profile = repository.read("runners/cpu.yaml");
    // The tokenizer comes with this project, so that nothing is downloaded; a few requests show as much as many.
    let tokenizer = project().join("benchmarks/demo");
    repository.write(
        "runners/cpu.yaml",
        &profile
            .replace("HuggingFaceTB/SmolLM2-135M-Instruct", tokenizer.to_str().unwrap())
            .replace("prompts-per-concurrency: 10", "prompts-per-concurrency: 2"),
    );
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    for attempt in ["first", "second"] {
        let mut bench = clean_command("bash");
        bench.arg("bench.sh").current_dir(repository.folder()).env("PATH", &path);
        bench
            .env("LLAMA_SERVER", &server)
            .env("LLAMA_MODEL", &model)
            .env("IMAX_STATE_DIR", repository.path("state"));
        let output = bench.finish_within(SESSION_LIMIT);
        let errors = String::from_utf8_lossy(&output.stderr);
        // 5: on a busy machine the second run may be slower than the first.
        assert!(matches!(output.status.code(), Some(0 | 5)), "{errors}");
        let run: Value = serde_json::from_str(&repository.read("results/run/run.json")).unwrap();
        assert_eq!(run["run"]["points"].as_array().unwrap().len(), 3, "{attempt} run: {run:#}");
        assert!(repository.read("results/report.html").contains("smollm2"));
        let summary = repository.read("results/summary.md");
        assert_eq!(summary.contains("3 new"), attempt == "first", "{summary}");
    }
    assert_eq!(fs::read_dir(repository.path("history")).unwrap().count(), 2);
}
