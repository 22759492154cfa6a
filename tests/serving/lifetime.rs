//! Start and end of a server.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use nix::sys::signal::Signal;

use crate::client::{Answer, Served, sqlite};
use crate::fixture::Fixture;

#[test]
fn other_machines_are_let_in_by_an_explicit_flag_alone() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let ended = fixture.imax(&["serve", "--history", &history, "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("--public"), "{}", ended.stderr);
    let mut command = crate::harness::imax();
    command.args(["serve", "--history", &history, "--listen", "0.0.0.0:0", "--public"]);
    let served = Served::of(&mut command);
    let port = served.address.rsplit(':').next().unwrap().to_owned();
    let local = Served::start(&history, &[]);
    assert_ne!(local.address.rsplit(':').next().unwrap(), port);
    assert!(served.address.starts_with("0.0.0.0:"));
}

#[test]
fn address_that_is_taken_is_an_error_of_the_machine() {
    let fixture = Fixture::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = fixture.imax(&["serve", "--history", &sqlite(&fixture), "--listen", &address], &[]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
}

#[test]
fn environment_configures_what_flags_do() {
    let fixture = Fixture::new();
    let mut command = crate::harness::imax();
    command
        .arg("serve")
        .env("IMAX_SERVE_HISTORY", sqlite(&fixture))
        .env("IMAX_SERVE_LISTEN", "127.0.0.1:0")
        .env("IMAX_SERVE_RATE_LIMIT", "7");
    let served = Served::of(&mut command);
    assert_eq!(served.get("/readyz").header("ratelimit-policy"), Some("\"default\";q=28;w=4"));
}

#[test]
fn termination_lets_idle_connections_go_and_the_answer_in_progress_end() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let mut idle = served.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut byte = [0; 1];
    idle.read_exact(&mut byte).unwrap();
    // The end of its head is missing until the server is asked to stop.
    let mut busy = served.connect();
    busy.write_all(b"GET /api/v1/runs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut first = [0; 1];
    busy.read_exact(&mut first).unwrap();
    served.signal(Signal::SIGTERM);
    let mut rest = first.to_vec();
    busy.read_to_end(&mut rest).unwrap();
    assert_eq!(Answer::of(&rest).json()["data"].as_array().unwrap().len(), 10);
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    let ended = served.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn probes_and_metrics_tell_of_the_server_and_the_history() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &[]);
    assert_eq!(served.get("/healthz").text(), "ok\n");
    assert_eq!(served.get("/readyz").text(), "ok\n");
    served.get("/api/v1/runs");
    served.get("/api/v1/runs/1");
    let metrics = served.get("/metrics").text();
    for line in [
        "imax_http_requests_total{route=\"/api/v1/runs\",method=\"GET\",status=\"200\"} 1",
        "imax_http_requests_total{route=\"/api/v1/runs/{run}\",method=\"GET\",status=\"200\"} 1",
        "imax_http_request_duration_seconds_count{route=\"/readyz\"} 1",
        "imax_runs{project=\"default\"} 10",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    assert!(metrics.contains("imax_newest_run_age_seconds{project=\"default\",branch=\"main\"} "));
    std::fs::remove_file(&history).unwrap();
    assert_eq!(served.get("/healthz").status, 200);
}
