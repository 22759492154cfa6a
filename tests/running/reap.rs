//! A job whose `imax run` was killed is finished by a later one, and strangers are left alone.

use std::process::Command;

use nix::sys::signal::Signal;

use super::world::{World, await_that};

const ENGINE: &str = "(setsid -f sleep @MARK@); touch started; exec sleep @MARK@";

#[test]
fn a_killed_job_is_finished_later_and_a_stranger_is_left_alone() {
    let world = World::with_recipe(ENGINE);
    let mut run = world.start();
    run.await_line("phase ready");
    world.await_file("started");
    // The recipe makes the file just before it becomes the second of them.
    await_that("both processes run", || world.processes().len() == 2);
    run.signal(Signal::SIGKILL);
    run.end();
    assert_eq!((world.processes().len(), world.states()), (2, 1));

    let mut stranger = Command::new("sleep").arg("1000000").spawn().unwrap();
    let ended = world.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("removed process sleep"), "{}", ended.stderr);
    world.assert_nothing_runs();
    assert_eq!(world.states(), 0);
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_living_job_is_not_reaped() {
    let world = World::with_recipe(ENGINE);
    let mut run = world.start();
    run.await_line("phase ready");
    world.await_file("started");
    await_that("both processes run", || world.processes().len() == 2);
    let ended = world.reap();
    assert!(ended.stderr.contains("no dead job"), "{}", ended.stderr);
    assert_eq!(world.processes().len(), 2);
    run.signal(Signal::SIGTERM);
    assert_eq!(run.end().code, Some(143));
    world.assert_nothing_runs();
}

#[test]
fn the_next_job_cleans_up_after_a_dead_one() {
    let world = World::with_recipe(ENGINE);
    let mut run = world.start();
    run.await_line("phase ready");
    world.await_file("started");
    run.signal(Signal::SIGKILL);
    run.end();
    world.write("benchmarks/demo_fp8_h100_sim.sh", "exit 1");
    let ended = world.run();
    assert!(ended.stderr.contains("of the dead job imax-"), "{}", ended.stderr);
    await_that("nothing runs", || world.processes().is_empty());
    assert_eq!(world.states(), 0);
}
