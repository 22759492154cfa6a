//! What a killed `imax run` left is removed by a later one; other processes are not touched.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::json;

use super::fixture::{Fixture, kill_with_watchdog};
use crate::harness::wait_until;

const ENGINE: &str = "(setsid -f sleep @MARK@); touch started; exec sleep @MARK@";

#[test]
fn reap_removes_processes_of_killed_job_only() {
    let fixture = Fixture::with_recipe(ENGINE);
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    // The recipe creates the file just before it becomes the second of them.
    wait_until("both processes run", || fixture.processes().len() == 2);
    kill_with_watchdog(run);
    assert_eq!((fixture.processes().len(), fixture.states()), (2, 1));

    let mut stranger = Command::new("sleep").arg("1000000").spawn().unwrap();
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("removed process sleep"), "{}", ended.stderr);
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 0);
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn running_job_is_not_reaped() {
    let fixture = Fixture::with_recipe(ENGINE);
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    wait_until("both processes run", || fixture.processes().len() == 2);
    let ended = fixture.reap();
    assert!(ended.stderr.contains("nothing to clean up"), "{}", ended.stderr);
    assert_eq!(fixture.processes().len(), 2);
    run.signal(Signal::SIGTERM);
    assert_eq!(run.finish().code, Some(143));
    fixture.assert_nothing_runs();
}

#[test]
fn next_job_cleans_up_after_dead_one() {
    let fixture = Fixture::with_recipe(ENGINE);
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    kill_with_watchdog(run);
    fixture.write("benchmarks/demo_fp8_h100_sim.sh", "exit 1");
    let ended = fixture.run();
    assert!(ended.stderr.contains("of the dead job imax-"), "{}", ended.stderr);
    fixture.await_no_processes();
    assert_eq!(fixture.states(), 0);
}

#[test]
fn job_of_other_machine_is_skipped_unless_machine_is_gone() {
    let fixture = Fixture::with_recipe(ENGINE);
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    wait_until("both processes run", || fixture.processes().len() == 2);
    // As if another machine had written it to a shared home folder: its boot id and its process numbers mean nothing here.
    fixture.change_state(|state| {
        state["machine"] = json!({ "name": "n1", "id": "0123456789abcdef" });
        state["boot"] = json!("its own");
        state["owner"] = json!({ "pid": 1, "start": 1 });
    });
    let other = Fixture::with_recipe("exit 1").environment("IMAX_STATE_DIR", &fixture.path("state").display().to_string());
    let ended = other.run();
    assert!(!ended.stderr.contains("dead job"), "{}", ended.stderr);
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("skipped, it belongs to n1"), "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing to clean up"), "{}", ended.stderr);
    assert_eq!((fixture.processes().len(), fixture.states()), (2, 1));

    let ended = fixture.reap_with(&["--gone-machine", "n1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("removed process sleep"), "{}", ended.stderr);
    assert_eq!(fixture.states(), 0);
    run.finish();
    fixture.assert_nothing_runs();
}

#[test]
fn owner_is_dead_after_reboot_despite_reused_pid() {
    let fixture = Fixture::with_recipe(ENGINE);
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    wait_until("both processes run", || fixture.processes().len() == 2);
    fixture.change_state(|state| state["boot"] = json!("the last one"));
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("removed process sleep"), "{}", ended.stderr);
    assert_eq!(fixture.states(), 0);
    run.finish();
    fixture.assert_nothing_runs();
}
