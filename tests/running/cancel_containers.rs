//! SIGINT and SIGTERM in the phases in which a container is waited for, loaded, evaluated and stopped, and after it: with
//! Docker and with Podman.

use nix::sys::signal::Signal;

use super::cancel::{cancel_in, cancel_in_collect, cancel_in_eval, cancel_in_ready, cancel_in_stop};
use super::container_engine::Daemon;
use super::docker::{ENGINE, fixture_at};
use super::fixture::Fixture;
use super::podman::LIMITS;

/// A fixture whose profile leaves the deadlines to others.
fn fixture(daemon: &Daemon, settings: &str, recipe: &str) -> Fixture {
    let fixture = fixture_at(&daemon.socket(), recipe, settings);
    let profile = fixture.read("runners/h100-a.yaml");
    let other = profile.lines().filter(|line| !line.starts_with("deadlines: "));
    fixture.write("runners/h100-a.yaml", &other.map(|line| format!("{line}\n")).collect::<String>());
    fixture
}

fn assert_gone(daemon: &Daemon, fixture: &Fixture) {
    assert!(!daemon.containers().contains(fixture.job()["job_id"].as_str().unwrap()));
}

fn cancel_late(daemon: &Daemon, settings: &str) {
    let fixture_of = |recipe: &str| fixture(daemon, settings, recipe);
    assert_gone(daemon, &cancel_in_eval(fixture_of, ENGINE));
    assert_gone(daemon, &cancel_in_stop(fixture_of, ENGINE));
    assert_gone(daemon, &cancel_in_collect(fixture_of, ENGINE));
}

#[test]
#[ignore = "needs docker.io and root"]
fn of_docker_in_eval_stop_and_collect() {
    cancel_late(Daemon::docker(), "");
}

#[test]
#[ignore = "needs podman, crun, runc, docker.io and root"]
fn of_podman_in_eval_stop_and_collect() {
    cancel_late(Daemon::podman(), LIMITS);
}

#[test]
#[ignore = "needs podman, crun, runc, docker.io and root"]
fn of_podman_in_ready_warm_up_and_load() {
    let daemon = Daemon::podman();
    let fixture_of = |recipe: &str| fixture(daemon, LIMITS, recipe);
    assert_gone(daemon, &cancel_in_ready(fixture_of));
    let slow = ENGINE.replace("--itl-ms 5", "--itl-ms 1000");
    for (phase, warmups, signal, code) in [("warm-up", "1", Signal::SIGINT, 130), ("load", "0", Signal::SIGTERM, 143)] {
        let fixture = fixture_of(&slow).arguments(&["--num-warmups-per-conc", warmups]);
        cancel_in(phase, &fixture, signal, code, |_| {});
        assert_gone(daemon, &fixture);
    }
}
