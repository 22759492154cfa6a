//! `imax init` in empty repositories.

use std::process::Command;

use crate::finished;
use crate::harness::{HttpResponse, HttpServer, Repository, imax};

/// `imax init` that sees no program and no GPU of this machine.
fn init(repository: &Repository, arguments: &[&str]) -> Command {
    let mut command = imax();
    command
        .current_dir(repository.folder())
        .env("PATH", repository.folder())
        .arg("init")
        .args(arguments);
    command
}

fn imax_in(repository: &Repository, arguments: &[&str]) -> Command {
    let mut command = imax();
    command.current_dir(repository.folder()).args(arguments);
    command
}

#[test]
fn every_choice_passes_check_and_is_planned() {
    for (engine, launcher) in [
        ("vllm", "docker"),
        ("vllm", "slurm"),
        ("sglang", "docker"),
        ("llamacpp", "local"),
        ("mlx", "local"),
        ("ollama", "local"),
    ] {
        for trigger in ["changelog", "every-push", "nightly", "release"] {
            let repository = Repository::new();
            let choice = [
                "--engine",
                engine,
                "--launcher",
                launcher,
                "--trigger",
                trigger,
                "--model",
                "org/Model-8B-FP8",
                "--hardware",
                "h100",
            ];
            let wrote = finished(&mut init(&repository, &choice));
            assert_eq!(wrote.code, Some(0), "{engine} {launcher} {trigger}: {}", wrote.stderr);
            let checked = finished(&mut imax_in(&repository, &["check", "--deny-warnings"]));
            assert_eq!(checked.code, Some(0), "{engine} {launcher} {trigger}: {}", checked.stderr);
            let planned = finished(&mut imax_in(&repository, &["plan", "--all"]));
            assert!(planned.stderr.contains("3 points measured"), "{}", planned.stderr);
        }
    }
}

#[test]
fn existing_files_are_not_overwritten() {
    let repository = Repository::new();
    repository.write("imax.yaml", "policy: { drafts: true }\n");
    let refused = finished(&mut init(&repository, &["--engine", "llamacpp"]));
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("already has imax.yaml") && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert!(!repository.path("configs").exists());
    let forced = finished(&mut init(&repository, &["--engine", "llamacpp", "--force"]));
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    // The same again changes nothing and is no conflict.
    assert_eq!(finished(&mut init(&repository, &["--engine", "llamacpp"])).code, Some(0));
}

#[test]
fn dry_run_writes_nothing() {
    let repository = Repository::new();
    let shown = finished(&mut init(&repository, &["--engine", "ollama", "--dry-run"]));
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("==> configs/benchmarks-master.yaml <=="), "{}", shown.stdout);
    assert!(!repository.path("configs").exists());
}

#[test]
fn wrong_choices_are_usage_errors() {
    let repository = Repository::new();
    for (arguments, message) in [
        (vec!["--engine", "vllm"], "name it with --model"),
        (vec!["--engine", "mlx", "--launcher", "docker"], "MLX has no public image"),
        (vec!["--engine", "llamacpp", "--hardware", "a/b"], "--hardware a/b: expected"),
        (vec!["--url", "localhost:1"], "expected http://HOST"),
        (
            vec!["--url", "https://engine", "--model", "m"],
            "over TLS is measured by `imax bench`",
        ),
        (vec!["--url", "http://127.0.0.1:1"], "http://127.0.0.1:1/v1/models lists none"),
    ] {
        let ended = finished(&mut init(&repository, &arguments));
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(message), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn plan_is_json_in_a_pipe_and_a_table_for_people() {
    let repository = Repository::new();
    let choice = [
        "--engine",
        "vllm",
        "--launcher",
        "docker",
        "--model",
        "org/Model-8B-FP8",
        "--hardware",
        "h100",
    ];
    assert_eq!(finished(&mut init(&repository, &choice)).code, Some(0));
    let piped = finished(&mut imax_in(&repository, &["plan", "--all"]));
    assert!(piped.stdout.starts_with("{\"single_node\""), "{}", piped.stdout);
    for columns in [80, 100, 120] {
        let mut plan = imax_in(&repository, &["plan", "--all", "--format", "table"]);
        let table = finished(plan.env("COLUMNS", columns.to_string())).stdout;
        assert!(table.contains("runner h100") && table.contains("1 8 32"), "{table}");
        for line in table.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {table}");
        }
    }
}

#[test]
fn server_that_loads_its_model_is_named() {
    let loading = HttpServer::start(|_, _| Some(HttpResponse::json("{\"error\": \"Loading model\"}").status(503)));
    let repository = Repository::new();
    let ended = finished(&mut init(&repository, &["--yes", "--url", &loading.url]));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let expected = format!("{} answers 503", loading.url);
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
}
