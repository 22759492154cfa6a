//! The reusable workflow as a user's repository runs it, with `act`, which runs GitHub workflows on one machine: from the release
//! commit, pinned by its SHA, on a machine without a compiler. Needs more than bash, so it is run by `.ci/run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::act;
use crate::harness::{Finish as _, imax};
use crate::release::{Release, released_program};
use crate::text;

/// The user pins the release's last commit, in place of its tag.
fn pin_the_workflow(repository: &Path, release: &Release) {
    let file = repository.join(".github/workflows/benchmark.yml");
    let by_tag = fs::read_to_string(&file).unwrap();
    let by_commit = by_tag.replace("sweep.yml@v1", &format!("sweep.yml@{}", release.last_commit()));
    assert_ne!(by_tag, by_commit);
    fs::write(file, by_commit).unwrap();
}

#[test]
#[ignore = "needs git, act and node; IMAX_ACT_ACTIONS names the folder that tests/act/build.sh made"]
fn push_with_a_changelog_entry_gives_summary_and_artifacts() {
    let folder = tempfile::tempdir().unwrap();
    let release = Release::make(&released_program());
    let user = folder.path().join("user");
    let made = imax().args(["demo", "--repository-only", "--dir"]).arg(&user).finish();
    assert!(made.status.success(), "{}", text(&made.stderr));
    pin_the_workflow(&user, &release);

    let repository = git2::Repository::open(&user).unwrap();
    let head = repository.head().unwrap().peel_to_commit().unwrap();
    let event = serde_json::json!({
        "ref": "refs/heads/main", "before": head.parent_id(0).unwrap().to_string(), "after": head.id().to_string(),
        "head_commit": { "id": head.id().to_string(), "message": head.message().unwrap() },
        "repository": { "full_name": "example/benchmarks", "default_branch": "main" },
    });
    let artifacts = folder.path().join("artifacts");
    let log = act::run(&release, &user, ("push", &event), &artifacts, &[]);
    assert!(log.contains("Summary - "), "no job summary was written: {log}");

    let run = artifacts.join("1");
    let names: Vec<String> = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().any(|name| name == "imax-plan"), "{names:?}");
    // Twelve rows that are measured, and one that is evaluated.
    let count = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!([count("job_"), count("bmk_"), count("server_logs_")], [13, 12, 12], "{names:?}");
    for name in ["eval_results_all", "run-stats", "changelog-metadata"] {
        assert!(names.iter().any(|found| found == name), "no {name} in {names:?}");
    }
    // What reads this artifact takes every file of it for results.
    let bare = unpack(&run.join("results_bmk/results_bmk.zip"), &folder.path().join("bare"));
    assert_eq!(fs::read_dir(bare).unwrap().count(), 1);
    let results = unpack(&run.join("imax-results/imax-results.zip"), folder.path());
    let points: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(results.join("agg_bmk.json")).unwrap()).unwrap();
    assert_eq!(points.len(), 12);
    assert!(
        points.iter().all(|point| point["tput_per_gpu"].as_f64().unwrap() > 0.0),
        "{points:#?}"
    );
    assert!(results.join("report.html").exists());
}

fn unpack(archive: &Path, folder: &Path) -> PathBuf {
    let out = folder.join("unpacked");
    let status = Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .arg(archive)
        .arg(&out)
        .status()
        .unwrap();
    assert!(status.success());
    out
}
