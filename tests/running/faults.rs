//! Faults of the fixture around a job: containers that somebody else kills, an engine's socket that is gone, registries that
//! fail, a disk that is full.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use serde_json::json;

use super::container_engine::Daemon;
use super::docker::fixture_at;
use super::fixture::Fixture;
use super::stopwatch::Stopwatch;
use super::success::ENGINE;

pub fn job_of(fixture: &Fixture) -> String {
    let state = std::fs::read_dir(fixture.path("state")).unwrap().flatten();
    let names = state.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned));
    names.into_iter().next().unwrap()
}

#[test]
#[ignore = "needs docker.io and root"]
fn killed_container_differs_from_container_out_of_memory() {
    let daemon = Daemon::docker();
    let hungry = "touch \"$IMAX_OUT/up\"; until [ -e \"$IMAX_OUT/go\" ]; do sleep 0.05; done; x=x; while :; do x=$x$x; done";
    for (kill, killed_by_the_kernel) in [(true, false), (false, true)] {
        let fixture = fixture_at(&daemon.socket(), hungry, "");
        let run = fixture.start();
        fixture.await_file("out/up");
        let container = job_of(&fixture);
        if kill {
            daemon.ask(&["kill", &container]).unwrap();
        } else {
            daemon
                .ask(&["update", "--memory", "32m", "--memory-swap", "32m", &container])
                .unwrap();
            fixture.write("out/go", "");
        }
        let ended = run.finish();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let outcome = fixture.job()["outcome"].clone();
        let reason = outcome["reason"].as_str().unwrap();
        assert!(reason.contains("killed by SIGKILL"), "{reason}");
        assert_eq!(outcome["cause"] == json!("host-out-of-memory"), killed_by_the_kernel, "{outcome}");
        assert!(!daemon.containers().contains(&container));
        assert_eq!(fixture.states(), 0);
    }
}

/// What a gate does with those who come, and with those who are through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// It lets them through.
    Open,
    /// It turns them away, and cuts them off.
    Closed,
    /// It takes what they say and passes nothing on, as an engine does that hangs.
    Stuck,
}

/// A socket in front of another.
struct Gate {
    passage: Arc<Mutex<Passage>>,
}

impl Gate {
    fn before(behind: &str, path: &Path) -> Self {
        let passage = Arc::new(Mutex::new(Passage::Open));
        let listener = UnixListener::bind(path).unwrap();
        let (behind, now) = (behind.to_owned(), Arc::clone(&passage));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if *now.lock().unwrap() == Passage::Closed {
                    continue;
                }
                let server = UnixStream::connect(&behind).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    forward(from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(&now));
                }
            }
        });
        Self { passage }
    }

    fn set(&self, passage: Passage) {
        *self.passage.lock().unwrap() = passage;
    }
}

fn forward(mut from: UnixStream, mut to: UnixStream, passage: Arc<Mutex<Passage>>) {
    from.set_read_timeout(Some(std::time::Duration::from_millis(20))).unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while *passage.lock().unwrap() != Passage::Closed {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) if *passage.lock().unwrap() == Passage::Stuck => {}
                Ok(count) if to.write_all(&buffer[..count]).is_err() => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
        let _ = from.shutdown(std::net::Shutdown::Both);
    });
}

/// An engine's socket with a gate in front of it.
fn gated(daemon: &Daemon) -> (tempfile::TempDir, String, Gate) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.sock");
    let gate = Gate::before(&daemon.socket(), &path);
    (folder, path.display().to_string(), gate)
}

#[test]
#[ignore = "needs docker.io and root"]
fn signal_ends_pull_when_container_engine_hangs_and_keeps_state() {
    let (image, _answers) = registry();
    let (_folder, socket, gate) = gated(Daemon::docker());
    let fixture = fixture_at(&socket, "exec sleep 1000", "");
    fixture.row(|row| row["image"] = json!(image));
    let run = fixture.start();
    crate::harness::wait_until("the job pulls", || said(&fixture).contains("pulling"));
    gate.set(Passage::Stuck);
    let sent = Stopwatch::start();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(fixture.job()["outcome"]["class"], json!("cancelled"));
    assert_eq!(fixture.states(), 1);
    gate.set(Passage::Open);
    let reaped = fixture.reap();
    assert_eq!((reaped.code, fixture.states()), (Some(0), 0), "{}", reaped.stderr);
}

#[test]
#[ignore = "needs docker.io and root"]
fn signal_ends_job_when_container_engine_hangs_and_reap_removes_container() {
    let daemon = Daemon::docker();
    let (_folder, socket, gate) = gated(daemon);
    let fixture = fixture_at(&socket, "touch \"$IMAX_OUT/up\"; exec sleep 1000", "");
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("out/up");
    let container = job_of(&fixture);
    gate.set(Passage::Stuck);
    let sent = Stopwatch::start();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    sent.assert_cancelled_in_time(&ended.stderr);
    assert!(daemon.containers().contains(&container));
    assert_eq!(fixture.states(), 1);
    gate.set(Passage::Open);
    let reaped = fixture.reap();
    assert_eq!((reaped.code, fixture.states()), (Some(0), 0), "{}", reaped.stderr);
    assert!(!daemon.containers().contains(&container));
}

#[test]
#[ignore = "needs docker.io and root"]
fn lost_socket_is_infrastructure_failure_and_reap_finishes_job() {
    let daemon = Daemon::docker();
    let (_folder, socket, gate) = gated(daemon);
    let fixture = fixture_at(&socket, "touch \"$IMAX_OUT/up\"; exec sleep 1000", "");
    let run = fixture.start();
    fixture.await_file("out/up");
    let container = job_of(&fixture);
    gate.set(Passage::Closed);
    let ended = run.finish();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let outcome = fixture.job()["outcome"].clone();
    assert_eq!(outcome["class"], json!("infra"), "{outcome}");
    // Where the socket went away under a request, the reason is that request's.
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.starts_with("cannot "), "{outcome}");
    // What could not be stopped is still written down, and stopped as soon as that is possible.
    assert!(daemon.containers().contains(&container));
    assert_eq!(fixture.states(), 1);
    gate.set(Passage::Open);
    let reaped = fixture.reap();
    assert_eq!(reaped.code, Some(0), "{}", reaped.stderr);
    assert!(!daemon.containers().contains(&container));
    assert_eq!(fixture.states(), 0);
}

/// A registry that answers nothing until it is let, and then with an error of its own.
fn registry() -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(AtomicBool::new(false));
    let may_answer = Arc::clone(&answers);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, may_answer) = (stream.unwrap(), Arc::clone(&may_answer));
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                while !may_answer.load(Ordering::SeqCst) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            });
        }
    });
    (format!("{address}/org/engine:1"), answers)
}

#[test]
#[ignore = "needs docker.io and root"]
fn image_is_pulled_by_one_job_at_a_time_and_attempts_are_recorded() {
    let (image, answers) = registry();
    let daemon = Daemon::docker();
    let [first, second] = [0, 1].map(|_| {
        let fixture = fixture_at(&daemon.socket(), "exec sleep 1000", "");
        fixture.row(|row| row["image"] = json!(image));
        fixture
    });
    // Jobs of one user share the folder of states.
    let states = first.path("state").display().to_string();
    let second = second.environment("IMAX_STATE_DIR", &states);
    let run = first.start();
    crate::harness::wait_until("the first job pulls", || said(&first).contains("pulling"));
    let other = second.start();
    crate::harness::wait_until("the second job waits", || {
        said(&second).contains("another job on this node that pulls")
    });
    // A signal ends the wait at once.
    let sent = Stopwatch::start();
    other.signal(Signal::SIGINT);
    let ended = other.finish();
    assert_eq!(ended.code, Some(130));
    sent.assert_cancelled_in_time(&ended.stderr);
    answers.store(true, Ordering::SeqCst);
    let ended = run.finish();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let attempts = first.job()["attempts"].clone();
    let pulls: Vec<_> = attempts
        .as_array()
        .unwrap()
        .iter()
        .filter(|attempt| attempt["what"] == "image-pull")
        .collect();
    assert_eq!(pulls.len(), 3, "{attempts}");
    assert!(
        pulls[0]["problem"].as_str().is_some() && pulls[0]["pause_s"] == json!(2.0),
        "{attempts}"
    );
}

#[test]
#[ignore = "needs docker.io and root"]
fn signal_ends_pull() {
    let (image, _answers) = registry();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fixture = fixture_at(&Daemon::docker().socket(), "exec sleep 1000", "");
        fixture.row(|row| row["image"] = json!(image));
        let mut run = fixture.start();
        // A pull that stands still is as visible as one that goes on.
        run.await_line(&format!("pulling {image} (try 1 of 3)"));
        run.await_line(&format!("pulling {image} for 10 s: no layers reported yet"));
        let sent = Stopwatch::start();
        run.signal(signal);
        let ended = run.finish();
        assert_eq!(ended.code, Some(code));
        sent.assert_cancelled_in_time(&ended.stderr);
        assert_eq!(fixture.states(), 0);
    }
}

fn said(fixture: &Fixture) -> String {
    std::fs::read_to_string(fixture.path("out/server.log")).unwrap_or_default()
}

/// A small file system in memory; unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn at(path: std::path::PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(mount.success(), "needs root");
        Self(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs root"]
fn full_disk_is_reported_and_record_still_written() {
    let fill = "head -c 1000000 /dev/zero | tr '\\0' 'x'; echo";
    let fixture = Fixture::with_recipe(&format!("{fill}\n{ENGINE}"));
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nretries: {attempts: 1}\nnode: {free-disk-gib: 0}\n",
    );
    let _disk = SmallDisk::at(fixture.path("out"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let outcome = fixture.job()["outcome"].clone();
    assert_eq!(
        (&outcome["class"], &outcome["cause"]),
        (&json!("infra"), &json!("disk-full")),
        "{outcome}"
    );
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 0);
}

#[test]
#[ignore = "needs root"]
fn insufficient_disk_space_is_found_before_launch() {
    let fixture = Fixture::with_recipe("touch ran");
    fixture.write("runners/h100-a.yaml", "launcher: local\nretries: {attempts: 1}\n");
    let _disk = SmallDisk::at(fixture.path("out"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("GiB free, expected at least 1"), "{}", ended.stderr);
    assert!(!fixture.path("ran").exists());
}
