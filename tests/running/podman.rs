//! The docker launcher against Podman's service, which speaks Docker's API.

use nix::sys::signal::Signal;
use serde_json::json;

use super::container_engine::Daemon;
use super::docker::{ENGINE, fixture_at};
use super::stopwatch::Stopwatch;

/// This machine's limits are lower than those that Podman asks for by itself.
pub const LIMITS: &str = ", ulimits: ['nofile=1024:20000', 'nproc=1024:4096']";

#[test]
#[ignore = "needs podman, crun, runc, docker.io and root"]
fn row_is_measured_in_podman() {
    let daemon = Daemon::podman();
    let fixture = fixture_at(&daemon.socket(), ENGINE, LIMITS);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    assert!(!job["provenance"]["engine"]["image_digest"].as_str().unwrap().is_empty(), "{job}");
    assert!(fixture.read("out/server.log").contains("simulated engine listening"));
    assert!(!daemon.containers().contains(job["job_id"].as_str().unwrap()));
}

#[test]
#[ignore = "needs podman, crun, runc, docker.io and root"]
fn cancelled_job_leaves_no_podman_container() {
    let daemon = Daemon::podman();
    let fixture = fixture_at(
        &daemon.socket(),
        "trap '' TERM; touch \"$IMAX_OUT/deaf\"; sleep 1000; sleep 1000",
        LIMITS,
    );
    let run = fixture.start();
    fixture.await_file("out/deaf");
    let sent = Stopwatch::start();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    sent.assert_cancelled_in_time(&ended.stderr);
    assert!(!daemon.containers().contains(fixture.job()["job_id"].as_str().unwrap()));
    assert_eq!(fixture.states(), 0);
}

#[test]
#[ignore = "needs podman, crun, runc, docker.io and root"]
fn podman_that_ignores_cdi_devices_is_refused() {
    let daemon = Daemon::podman();
    let fixture = fixture_at(&daemon.socket(), ENGINE, ", cdi-devices: ['nvidia.com/gpu=all']");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("ignores CDI devices"), "{}", ended.stderr);
    assert_eq!(fixture.job()["outcome"]["class"], json!("infra"));
}
