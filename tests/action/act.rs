//! `act`, which runs GitHub workflows on one machine, with stand-ins for GitHub's own actions and the release in place of the action.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::project;
use crate::release::{Release, SLUG};
use crate::text;

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
pub fn pinned(action: &str) -> String {
    let files = ["action.yml", ".github/workflows/sweep.yml"].map(|file| fs::read_to_string(project().join(file)).unwrap());
    let (_, after) = files.iter().find_map(|text| text.split_once(&format!("{action}@"))).unwrap();
    after.chars().take_while(char::is_ascii_hexdigit).collect()
}

fn local(name: &str, reference: &str, path: &Path) -> [String; 2] {
    ["--local-repository".to_owned(), format!("{name}@{reference}={}", path.display())]
}

/// Runs the workflows of a repository for an event, and returns the log of a run that succeeded. Artifacts go to a folder.
pub fn run(release: &Release, user: &Path, event: (&str, &serde_json::Value), artifacts: &Path, more: &[String]) -> String {
    let stand_ins = PathBuf::from(std::env::var_os("IMAX_ACT_ACTIONS").expect("IMAX_ACT_ACTIONS is not set; .ci/run sets it"));
    let folder = tempfile::tempdir().unwrap();
    let (name, payload) = event;
    let event_file = folder.path().join("event.json");
    fs::write(&event_file, payload.to_string()).unwrap();
    let labels = ["ubuntu-latest", "h100", "mi300x"].map(|label| ["-P".to_owned(), format!("{label}=-self-hosted")]);
    let commits = release.commits().into_iter().map(|commit| {
        let checkout = folder.path().join(&commit);
        release.check_out(&commit, &checkout);
        local(SLUG, &commit, &checkout)
    });
    let output = Command::new("act")
        .arg(name)
        .args(labels.into_iter().flatten())
        .args(["--no-cache-server", "--artifact-server-addr", "127.0.0.1", "--artifact-server-path"])
        .arg(artifacts)
        .args(commits.flatten())
        .args(["upload-artifact", "download-artifact"].into_iter().flat_map(|name| {
            let action = format!("actions/{name}");
            local(&action, &pinned(&action), &stand_ins.join(name))
        }))
        .args(local(
            "actions/checkout",
            &pinned("actions/checkout"),
            &project().join("tests/act/checkout"),
        ))
        .arg("-e")
        .arg(&event_file)
        .args(more)
        .env("DOCKER_HOST", "unix:///nonexistent.sock")
        .env("PATH", path_without_compilers(&folder.path().join("bin")))
        .current_dir(user)
        .output()
        .expect("act runs");
    let log = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{log}");
    log
}
