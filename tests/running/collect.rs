//! The phase collect waits only for git, so a git that never answers keeps a test in it.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cancel::cancel_in;
use super::fixture::Fixture;
use super::success::ENGINE;

/// Makes the fixture a repository whose branch git never finishes reading: it is a pipe without a writer.
pub fn with_hanging_git(fixture: &Fixture) {
    fixture.write(".git/HEAD", "ref: refs/heads/main\n");
    std::fs::create_dir_all(fixture.path(".git/objects")).unwrap();
    std::fs::create_dir_all(fixture.path(".git/refs/heads")).unwrap();
    let mode = nix::sys::stat::Mode::S_IRWXU;
    nix::unistd::mkfifo(&fixture.path(".git/refs/heads/main"), mode).unwrap();
}

/// Cancels a job in its phase collect: what was measured is kept.
pub fn cancel_in_collect(fixture: &Fixture, signal: Signal, code: i32) {
    with_hanging_git(fixture);
    cancel_in("collect", fixture, signal, code, |_| {});
    assert_measured_without_commit(fixture);
}

fn assert_measured_without_commit(fixture: &Fixture) {
    let job = fixture.job();
    assert_eq!(job["points"][0]["outcome"]["status"], json!("ok"));
    assert_eq!(job["provenance"]["commit"], Value::Null);
    let result = job["points"][0]["normalised"].as_str().unwrap();
    let result: Value = serde_json::from_str(&fixture.read(&format!("out/{result}"))).unwrap();
    assert_eq!(result["conc"], json!(2));
}

#[test]
fn cancelled_while_git_hangs() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        cancel_in_collect(&Fixture::with_recipe(ENGINE), signal, code);
    }
}

#[test]
fn deadline_passes_while_git_hangs() {
    let fixture = Fixture::with_recipe(ENGINE);
    fixture.write("runners/h100-a.yaml", "launcher: local\ndeadlines: {collect: 100ms}\n");
    with_hanging_git(&fixture);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("git has not named the commit"), "{}", ended.stderr);
    assert_measured_without_commit(&fixture);
}
