//! `imax run` that dies without a chance to stop anything: its watchdog does.

use nix::sys::signal::Signal;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::fixture::{Fixture, await_end_of, kill_alone, kill_with_watchdog, watchdog_of};
use crate::harness::{Running, wait_until};

/// An engine with a daemon that ignores SIGTERM, and a process without the job's environment.
const ENGINE: &str = "(setsid -f bash -c 'trap \"\" TERM; touch trapped; sleep @MARK@; sleep @MARK@')\n\
    env -i sleep @MARK@ &\n\
    touch started; exec sleep @MARK@";

fn running() -> (Fixture, Running) {
    let fixture = Fixture::with_recipe(ENGINE);
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    fixture.await_file("trapped");
    wait_until("all processes run", || fixture.processes().len() == 4);
    (fixture, run)
}

#[test]
fn killed_run_leaves_nothing() {
    let (fixture, run) = running();
    kill_alone(run);
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 0);
}

#[test]
fn run_out_of_address_space_leaves_nothing() {
    let (fixture, run) = running();
    let watchdog = watchdog_of(&run);
    limit(&run, Resource::As);
    // Whether it still finds the memory to stop the engine itself, or aborts: nothing is left.
    run.signal(Signal::SIGTERM);
    run.finish();
    await_end_of(watchdog);
    fixture.await_no_processes();
    assert_eq!(fixture.states(), 0);
}

#[test]
fn files_that_may_not_grow_do_not_kill_the_run() {
    let (fixture, run) = running();
    limit(&run, Resource::Fsize);
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    // SIGXFSZ would have left no exit code.
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("File too large"), "{}", ended.stderr);
    fixture.await_no_processes();
    assert_eq!(fixture.states(), 0);
}

fn limit(run: &Running, resource: Resource) {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    prlimit(Pid::from_raw(run.id().as_raw()), resource, none).unwrap();
}

#[test]
fn watchdog_that_was_killed_does_not_end_the_job() {
    let (fixture, run) = running();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(watchdog_of(&run)), Signal::SIGKILL).unwrap();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    fixture.assert_nothing_runs();
}

#[test]
fn watchdog_ends_with_its_job() {
    let (fixture, run) = running();
    let watchdog = watchdog_of(&run);
    // It does not stop the job for a signal of its own.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(watchdog), Signal::SIGTERM).unwrap();
    assert!(!fixture.processes().is_empty());
    run.signal(Signal::SIGINT);
    assert_eq!(run.finish().code, Some(130));
    await_end_of(watchdog);
    fixture.assert_nothing_runs();
}

#[test]
fn nothing_is_stopped_twice_where_both_are_killed() {
    let (fixture, run) = running();
    kill_with_watchdog(run);
    assert_eq!((fixture.processes().len(), fixture.states()), (4, 1));
    assert_eq!(fixture.reap().code, Some(0));
    fixture.assert_nothing_runs();
}
