//! The docker launcher against a real container engine. The tests start their own `dockerd`, so they need root and the
//! Debian packages `docker.io` and `iptables`; they run with `--ignored`.

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;

use super::cancel::cancel_in;
use super::container_engine::{CDI_DEVICE, Daemon, IMAGE};
use super::fixture::{Fixture, kill_alone, kill_with_watchdog};
use super::stopwatch::Stopwatch;

pub const ENGINE: &str = "exec \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 5 --served-model-name \"$MODEL\" --host 0.0.0.0 --port \"$PORT\"";

fn fixture(recipe: &str, settings: &str) -> Fixture {
    fixture_at(&Daemon::docker().socket(), recipe, settings)
}

/// A fixture whose recipe runs in a container of the engine at a socket.
pub fn fixture_at(socket: &str, recipe: &str, settings: &str) -> Fixture {
    let fixture = Fixture::with_recipe(recipe);
    fixture.write(
        "runners/h100-a.yaml",
        &format!("launcher: docker\nretries: {{attempts: 1}}\ndeadlines: {{ready: 60s}}\ndocker: {{socket: {socket}{settings}}}\n"),
    );
    fixture.row(|row| row["image"] = json!(IMAGE));
    fixture
}

#[test]
#[ignore = "needs docker.io and root"]
fn container_is_removed_after_the_measurement() {
    let fixture = fixture(ENGINE, "");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    assert!(
        job["provenance"]["engine"]["image_digest"].as_str().unwrap().starts_with("sha256:"),
        "{job}"
    );
    assert!(fixture.read("out/server.log").contains("simulated engine listening"));
    let id = job["job_id"].as_str().unwrap();
    assert!(!Daemon::docker().containers().contains(id));
}

#[test]
#[ignore = "needs docker.io and root"]
fn port_is_mapped_without_host_network() {
    let fixture = fixture(ENGINE, ", host-network: false");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
}

#[test]
#[ignore = "needs docker.io and root"]
fn container_has_the_settings_of_the_profile() {
    let daemon = Daemon::docker();
    daemon.ask(&["network", "create", "imax-test"]).unwrap();
    // The image has no program that could show this, but bash.
    let look = r#"
        echo "the first process is $(</proc/1/comm)"
        while read -r _ where kind _; do [ "$where" = /scratch ] && echo "scratch is $kind"; done </proc/mounts
        while read -r key value; do [ "$key" = Cpus_allowed_list: ] && echo "cpus are $value"; done </proc/self/status
        for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
          if [ -e "$file" ]; then echo "memory is $(<"$file")"; fi
        done
    "#;
    let settings = ", network: imax-test, runtime: runc, memory-mib: 700, cpuset: '0', tmpfs: ['/scratch:size=1m'], init: true";
    let fixture = fixture(&format!("{look}\n{ENGINE}"), settings);
    let ended = fixture.run();
    let log = fixture.read("out/server.log");
    assert_eq!(ended.code, Some(0), "{}\n{log}", ended.stderr);
    for line in [
        "the first process is docker-init",
        "scratch is tmpfs",
        "cpus are 0",
        "memory is 734003200",
    ] {
        assert!(log.lines().any(|said| said == line), "{line}: {log}");
    }
    daemon.ask(&["network", "rm", "imax-test"]).unwrap();
}

#[test]
#[ignore = "needs docker.io and root"]
fn gpu_ids_or_all_gpus_are_requested() {
    for (settings, gpus) in [(", gpu-ids: [4, GPU-6f]", "4,GPU-6f"), (", gpus: true", "all")] {
        let fixture = fixture("echo \"the gpus are $NVIDIA_VISIBLE_DEVICES\"; exit 7", settings);
        let ended = fixture.run();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let log = fixture.read("out/server.log");
        assert!(log.contains(&format!("the gpus are {gpus}\n")), "{log}");
    }
}

#[test]
#[ignore = "needs docker.io and root"]
fn failed_container_reports_exit_code_and_log() {
    let fixture = fixture("echo 'RuntimeError: HIP out of memory.'; exit 9", "");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = fixture.job();
    assert!(
        job["outcome"]["reason"].as_str().unwrap().contains("ended with exit status 9"),
        "{job}"
    );
    assert_eq!(job["outcome"]["cause"], json!("gpu-out-of-memory"));
}

#[test]
#[ignore = "needs docker.io and root"]
fn missing_image_is_reported_with_the_remedy() {
    let fixture = fixture(ENGINE, "");
    fixture.row(|row| row["image"] = json!("127.0.0.1:1/no/such:1"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("cannot pull the image 127.0.0.1:1/no/such:1"),
        "{}",
        ended.stderr
    );
}

#[test]
#[ignore = "needs docker.io and root"]
fn cancelled_job_removes_only_its_own_container() {
    let daemon = Daemon::docker();
    let stranger = daemon.ask(&["run", "-d", IMAGE, "/bin/sleep", "1000"]).unwrap();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fixture = fixture("trap '' TERM; touch \"$IMAX_OUT/deaf\"; sleep 1000; sleep 1000", "");
        let mut run = fixture.start();
        run.await_line("phase ready");
        fixture.await_file("out/deaf");
        let sent = Stopwatch::start();
        run.signal(signal);
        let ended = run.finish();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        sent.assert_cancelled_in_time(&ended.stderr);
        assert!(!daemon.containers().contains(fixture.job()["job_id"].as_str().unwrap()));
        assert_eq!(fixture.states(), 0);
    }
    assert_eq!(
        daemon.ask(&["inspect", "-f", "{{.State.Running}}", &stranger]).as_deref(),
        Some("true")
    );
    daemon.ask(&["rm", "-f", &stranger]).unwrap();
}

#[test]
#[ignore = "needs docker.io and root"]
fn reaping_removes_only_containers_of_killed_jobs() {
    let daemon = Daemon::docker();
    let stranger = daemon
        .ask(&["run", "-d", "--label", "imax.job=imax-0", IMAGE, "/bin/sleep", "1000"])
        .unwrap();
    let fixture = fixture("touch \"$IMAX_OUT/started\"; exec sleep 1000", "");
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("out/started");
    kill_with_watchdog(run);
    let state = std::fs::read_dir(fixture.path("state")).unwrap().next().unwrap().unwrap().path();
    let id = Path::new(&state).file_stem().unwrap().to_str().unwrap().to_owned();
    assert!(daemon.containers().contains(&id));
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("removed container {id}")) || ended.stderr.contains("removed process"),
        "{}",
        ended.stderr
    );
    assert!(!daemon.containers().contains(&id));
    assert_eq!(fixture.states(), 0);
    assert_eq!(
        daemon.ask(&["inspect", "-f", "{{.State.Running}}", &stranger]).as_deref(),
        Some("true")
    );
    daemon.ask(&["rm", "-f", &stranger]).unwrap();
}

#[test]
#[ignore = "needs docker.io and root"]
fn docker_without_cdi_is_refused() {
    let fixture = fixture("touch \"$IMAX_OUT/ran\"", ", cdi-devices: ['nvidia.com/gpu=all']");
    let ended = fixture.run();
    if Daemon::docker().knows_cdi() {
        // A newer engine looks for the device, of which this machine has none.
        assert!(!ended.stderr.contains("ignores CDI devices"), "{}", ended.stderr);
    } else {
        assert!(
            ended.stderr.contains("ignores CDI devices") && ended.stderr.contains("update Docker to 25"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(!fixture.path("out/ran").exists());
}

#[test]
#[ignore = "needs docker.io and root; IMAX_TEST_DOCKER names the folder that tests/docker/fetch.sh made"]
fn cdi_device_reaches_the_container_and_unknown_device_is_refused() {
    let daemon = Daemon::docker_with_cdi();
    let recipe = format!("test -c /dev/imax-test-gpu && echo \"handed $HANDED_DEVICE\" || exit 8\n{ENGINE}");
    let fixture = fixture_at(&daemon.socket(), &recipe, &format!(", cdi-devices: ['{CDI_DEVICE}']"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    assert!(fixture.read("out/server.log").contains("handed by CDI"));
    let fixture = fixture_at(&daemon.socket(), &recipe, ", cdi-devices: ['imax-test.example/gpu=9']");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("imax-test.example/gpu=9"), "{}", ended.stderr);
    assert_eq!(fixture.job()["outcome"]["cause"], json!("cdi-unavailable"));
    assert_eq!((daemon.containers(), fixture.states()), (String::new(), 0));
}

#[test]
#[ignore = "needs docker.io and root"]
fn signal_ends_a_container_under_load() {
    let slow = ENGINE.replace("--itl-ms 5", "--itl-ms 1000");
    for (phase, warmups, signal, code) in [("warm-up", "1", Signal::SIGINT, 130), ("load", "0", Signal::SIGTERM, 143)] {
        let fixture = fixture(&slow, "").arguments(&["--num-warmups-per-conc", warmups]);
        cancel_in(phase, &fixture, signal, code, |_| {});
        assert!(!Daemon::docker().containers().contains(fixture.job()["job_id"].as_str().unwrap()));
    }
}

#[test]
#[ignore = "needs docker.io and root"]
fn container_of_a_killed_run_is_removed_at_once() {
    let daemon = Daemon::docker();
    let fixture = fixture("touch \"$IMAX_OUT/started\"; exec sleep 1000", "");
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("out/started");
    let id = super::faults::job_of(&fixture);
    assert!(daemon.containers().contains(&id));
    kill_alone(run);
    assert!(!daemon.containers().contains(&id));
    assert_eq!(fixture.states(), 0);
}
