//! The reusable workflow as a user's repository runs it, with `act`, which runs GitHub workflows on one machine: from the release
//! commit, pinned by its SHA, on a machine without a compiler. Needs more than bash, so it is run by `.ci/run`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Finish as _, imax, project};
use crate::release::{Release, SLUG, released_program};
use crate::text;

/// The user pins the release's last commit, in place of its tag.
fn pin_the_workflow(repository: &Path, release: &Release) {
    let file = repository.join(".github/workflows/benchmark.yml");
    let by_tag = fs::read_to_string(&file).unwrap();
    let by_commit = by_tag.replace("sweep.yml@v1", &format!("sweep.yml@{}", release.last_commit()));
    assert_ne!(by_tag, by_commit);
    fs::write(file, by_commit).unwrap();
}

/// A PATH with every program of this one but those that could build imax.
fn path_without_compilers(folder: &Path) -> PathBuf {
    fs::create_dir(folder).unwrap();
    for directory in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        let Ok(programs) = fs::read_dir(directory) else { continue };
        for program in programs.map(Result::unwrap) {
            let name = program.file_name().into_string().unwrap();
            let is_compiler = ["cc", "c++", "cpp", "ld", "as"].contains(&name.as_str())
                || ["cargo", "rust", "gcc", "g++", "clang", "x86_64-linux-gnu", "aarch64-linux-gnu"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix));
            if !is_compiler && !folder.join(&name).exists() {
                // Dangling links of this machine are left out by `exists` on the next hit only; they harm nobody.
                let _ = symlink(program.path(), folder.join(&name));
            }
        }
    }
    assert!(!folder.join("cargo").exists() && !folder.join("cc").exists());
    folder.to_owned()
}

/// The commit of an action that our files pin, so that the stand-in takes the place of exactly that one.
fn pinned(action: &str) -> String {
    let files = ["action.yml", ".github/workflows/sweep.yml"].map(|file| fs::read_to_string(project().join(file)).unwrap());
    let (_, after) = files.iter().find_map(|text| text.split_once(&format!("{action}@"))).unwrap();
    after.chars().take_while(char::is_ascii_hexdigit).collect()
}

#[test]
#[ignore = "needs git, act and node; IMAX_ACT_ACTIONS names the folder that tests/act/build.sh made"]
fn push_with_a_changelog_entry_gives_summary_and_artifacts() {
    let stand_ins = PathBuf::from(std::env::var_os("IMAX_ACT_ACTIONS").expect("IMAX_ACT_ACTIONS is not set; .ci/run sets it"));
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
    let event_file = folder.path().join("event.json");
    fs::write(&event_file, event.to_string()).unwrap();

    let artifacts = folder.path().join("artifacts");
    let local = |name: &str, reference: &str, path: &Path| format!("{name}@{reference}={}", path.display());
    let output = Command::new("act")
        .args([
            "push",
            "-P",
            "ubuntu-latest=-self-hosted",
            "-P",
            "h100=-self-hosted",
            "-P",
            "mi300x=-self-hosted",
        ])
        .args(["--no-cache-server", "--artifact-server-addr", "127.0.0.1", "--artifact-server-path"])
        .arg(&artifacts)
        .args(release.commits().iter().flat_map(|commit| {
            let checkout = folder.path().join(commit);
            release.check_out(commit, &checkout);
            ["--local-repository".to_owned(), local(SLUG, commit, &checkout)]
        }))
        .args([
            "--local-repository",
            &local(
                "actions/upload-artifact",
                &pinned("actions/upload-artifact"),
                &stand_ins.join("upload-artifact"),
            ),
        ])
        .args([
            "--local-repository",
            &local(
                "actions/download-artifact",
                &pinned("actions/download-artifact"),
                &stand_ins.join("download-artifact"),
            ),
        ])
        .args([
            "--local-repository",
            &local(
                "actions/checkout",
                &pinned("actions/checkout"),
                &project().join("tests/act/checkout"),
            ),
        ])
        .arg("-e")
        .arg(&event_file)
        .env("DOCKER_HOST", "unix:///nonexistent.sock")
        .env("PATH", path_without_compilers(&folder.path().join("bin")))
        .current_dir(&user)
        .output()
        .expect("act runs");
    let log = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{log}");
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
