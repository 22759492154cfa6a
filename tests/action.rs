//! The composite action as a user's workflow runs it: `dist/imax.sh` on its own, and the whole reusable workflow with
//! `act`, which runs GitHub workflows on one machine. What needs more than bash is ignored by default and run by `.ci/run`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "harness/mod.rs"]
mod harness;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::{Finish as _, imax, program, project};
use tempfile::TempDir;

const TARGET: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-musl"
} else {
    "x86_64-unknown-linux-musl"
};

/// What stands for the binary where only finding it is tested.
const STAND_IN: &str = "#!/bin/sh\necho \"stand-in $*\"\n";

/// A copy of what the launcher script looks at, without a binary.
fn action_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dist")).unwrap();
    fs::copy(project().join("dist/imax.sh"), folder.path().join("dist/imax.sh")).unwrap();
    fs::write(folder.path().join("dist/pins.txt"), "# none\n").unwrap();
    folder
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn launch(action: &Path, cache: &Path, path: &str) -> Output {
    Command::new("bash")
        .arg(action.join("dist/imax.sh"))
        .args(["run", "--row", "a b"])
        .env_clear()
        // What a step of the action sets; the command is its own only behind the word `action`.
        .env("IMAX_ACTION_COMMAND", "plan")
        .env("PATH", path)
        .env("HOME", cache)
        .env("RUNNER_TOOL_CACHE", cache)
        .finish()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Serves one body to the given number of requests.
fn serve(body: &'static str, requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    format!("http://{address}/imax")
}

fn sha256(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

#[test]
fn bundled_binary_gets_the_arguments() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    executable(&action.path().join(format!("dist/bin/{TARGET}/imax")), STAND_IN);
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "stand-in run --row a b\n");
}

#[test]
fn missing_binary_pin_and_cargo_is_an_error_with_remedy() {
    let action = action_folder();
    for name in ["Cargo.toml", "Cargo.lock", "src", "configs", "benchmarks", "runners"] {
        fs::create_dir(action.path().join(name)).unwrap();
    }
    let cache = tempfile::tempdir().unwrap();
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!(output.status.code(), Some(4));
    let error = text(&output.stderr);
    assert!(error.contains("no cargo to build one") && error.starts_with("::error "), "{error}");
}

#[test]
#[ignore = "needs curl"]
fn pinned_download_is_cached() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let url = serve(STAND_IN, 1);
    fs::write(
        action.path().join("dist/pins.txt"),
        format!("{TARGET} imax {} {url}\n", sha256(STAND_IN)),
    )
    .unwrap();
    for _ in 0..2 {
        let output = launch(action.path(), cache.path(), SYSTEM_PATH);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "stand-in run --row a b\n");
    }
}

/// Stands for an imax that says whether its companion lies beside it.
const LOOKS_BESIDE: &str = "#!/bin/sh\nif [ -x \"${0%/*}/imax-nvml\" ]; then echo with; else echo without; fi\n";

#[test]
#[ignore = "needs curl"]
fn nvml_binary_is_optional() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let imax = format!("{TARGET} imax {} {}\n", sha256(LOOKS_BESIDE), serve(LOOKS_BESIDE, 1));
    let said = |nvml: &str, url: &str| {
        let pin = format!("{TARGET} imax-nvml {} {url}\n", sha256(nvml));
        fs::write(action.path().join("dist/pins.txt"), format!("{imax}{pin}")).unwrap();
        let output = launch(action.path(), cache.path(), SYSTEM_PATH);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let (found, told) = said(STAND_IN, "http://127.0.0.1:1/imax-nvml");
    assert_eq!(found, "without\n");
    assert!(told.contains("::notice title=imax::cannot download"), "{told}");
    // Another file than the pinned one is not taken.
    assert_eq!(said(STAND_IN, &serve("#!/bin/sh\necho evil\n", 1)).0, "without\n");
    // The next job tries again, and imax itself is not fetched twice.
    assert_eq!(said(STAND_IN, &serve(STAND_IN, 1)).0, "with\n");
    assert_eq!(said(STAND_IN, "http://127.0.0.1:1/imax-nvml"), ("with\n".to_owned(), String::new()));
}

#[test]
#[ignore = "needs curl"]
fn download_with_wrong_checksum_is_refused() {
    let action = action_folder();
    let cache = tempfile::tempdir().unwrap();
    let url = serve("#!/bin/sh\necho evil\n", 1);
    fs::write(
        action.path().join("dist/pins.txt"),
        format!("{TARGET} imax {} {url}\n", sha256(STAND_IN)),
    )
    .unwrap();
    let output = launch(action.path(), cache.path(), SYSTEM_PATH);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("nothing of it was run"), "{}", text(&output.stderr));
}

/// The action as a release has it: with the binary of this build in it.
fn release(folder: &Path) -> PathBuf {
    let action = folder.join("action");
    for file in [
        "action.yml",
        "dist/imax.sh",
        "dist/pins.txt",
        ".github/workflows/sweep.yml",
        ".github/workflows/rows.yml",
    ] {
        let to = action.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(project().join(file), to).unwrap();
    }
    let binaries = action.join("dist/bin").join(TARGET);
    fs::create_dir_all(&binaries).unwrap();
    fs::copy(program(), binaries.join("imax")).unwrap();
    action
}

/// The commit of an action that our files pin, so that the stand-in takes the place of exactly that one.
fn pinned(action: &str) -> String {
    let files = ["action.yml", ".github/workflows/sweep.yml"].map(|file| fs::read_to_string(project().join(file)).unwrap());
    let (_, after) = files.iter().find_map(|text| text.split_once(&format!("{action}@"))).unwrap();
    after.chars().take_while(char::is_ascii_hexdigit).collect()
}

fn git(folder: &Path) -> git2::Repository {
    git2::Repository::open(folder).unwrap()
}

#[test]
#[ignore = "needs act and node; IMAX_ACT_ACTIONS names the folder that tests/act/build.sh made"]
fn push_with_a_changelog_entry_gives_summary_and_artifacts() {
    let stand_ins = PathBuf::from(std::env::var_os("IMAX_ACT_ACTIONS").expect("IMAX_ACT_ACTIONS is not set; .ci/run sets it"));
    let folder = tempfile::tempdir().unwrap();
    let action = release(folder.path());
    let user = folder.path().join("user");
    let made = imax().args(["demo", "--repository-only", "--dir"]).arg(&user).finish();
    assert!(made.status.success(), "{}", text(&made.stderr));

    let repository = git(&user);
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
        .args(["--local-repository", &local("org/imax-action", "v1", &action)])
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
    assert_eq!(names.iter().filter(|name| name.starts_with("bmk_")).count(), 13, "{names:?}");
    let results = unpack(&run.join("results_bmk/results_bmk.zip"), folder.path());
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
