//! The phase collect. Nothing is waited for in it but git, so a git that never answers is how a test stays in it.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cancel::cancel_in;
use super::success::ENGINE;
use super::world::World;

/// Makes the world a repository of which git cannot read the branch: it is a pipe into which nobody writes.
pub fn with_mute_git(world: &World) {
    world.write(".git/HEAD", "ref: refs/heads/main\n");
    std::fs::create_dir_all(world.path(".git/objects")).unwrap();
    std::fs::create_dir_all(world.path(".git/refs/heads")).unwrap();
    let mode = nix::sys::stat::Mode::S_IRWXU;
    nix::unistd::mkfifo(&world.path(".git/refs/heads/main"), mode).unwrap();
}

/// Cancels a job in its phase collect: what was measured is whole and stays.
pub fn cancel_in_collect(world: &World, signal: Signal, code: i32) {
    with_mute_git(world);
    cancel_in("collect", world, signal, code, |_| {});
    assert_measured_without_commit(world);
}

fn assert_measured_without_commit(world: &World) {
    let job = world.job();
    assert_eq!(job["points"][0]["outcome"]["status"], json!("ok"));
    assert_eq!(job["provenance"]["commit"], Value::Null);
    let result = job["points"][0]["normalised"].as_str().unwrap();
    let result: Value = serde_json::from_str(&world.read(&format!("out/{result}"))).unwrap();
    assert_eq!(result["conc"], json!(2));
}

#[test]
fn a_signal_ends_it() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        cancel_in_collect(&World::with_recipe(ENGINE), signal, code);
    }
}

#[test]
fn its_deadline_ends_it() {
    let world = World::with_recipe(ENGINE);
    world.write("runners/h100-a.yaml", "launcher: local\ndeadlines: {collect: 100ms}\n");
    with_mute_git(&world);
    let ended = world.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("git has not said which commit"), "{}", ended.stderr);
    assert_measured_without_commit(&world);
}
