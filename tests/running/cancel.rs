//! SIGINT and SIGTERM at every phase: everything stopped within 7 s, the right exit code, partial results kept.

use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;

use super::world::{CANCELLED_WITHIN, World};

/// Cancels in a phase, and holds what must hold after it.
fn cancel_in(phase: &str, world: &World, signal: Signal, code: i32, wait: impl FnOnce(&World)) {
    let mut run = world.start();
    run.await_line(&format!("phase {phase}"));
    wait(world);
    let sent = Instant::now();
    run.signal(signal);
    let ended = run.end();
    let took = sent.elapsed();
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert!(took < CANCELLED_WITHIN, "{took:?}");
    world.assert_nothing_runs();
    assert_eq!(world.states(), 0);
    let job = world.job();
    assert_eq!(job["exit_code"], json!(code));
    assert_eq!(job["outcome"]["class"], json!("cancelled"), "{}", job["outcome"]);
    let cancelled = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|record| record["ending"] == "cancelled");
    assert_eq!(cancelled.unwrap()["phase"], json!(phase));
}

#[test]
fn in_launch_while_a_hook_runs() {
    let world = World::with_recipe("touch ran");
    world.write(
        "runners/h100-a.yaml",
        "launcher: local\nhooks: {pre: ['touch hooked; sleep @MARK@']}\n",
    );
    cancel_in("launch", &world, Signal::SIGINT, 130, |world| world.await_file("hooked"));
    assert!(!world.path("ran").exists());
}

#[test]
fn in_ready_with_a_daemon_that_ignores_sigterm() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let world = World::with_recipe("(setsid -f bash -c 'trap \"\" TERM; touch deaf; sleep @MARK@; sleep @MARK@'); exec sleep @MARK@");
        cancel_in("ready", &world, signal, code, |world| world.await_file("deaf"));
    }
}
