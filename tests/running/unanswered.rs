//! A Slurm that answers late or not at all, by stand-ins for its tools: what a submission may leave is looked for, nothing
//! is waited for beyond its time, and what could not be found out stays written down.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cancel::cancel_in;
use super::fixture::Fixture;
use super::stopwatch::Stopwatch;

/// Does not end by itself, as a tool whose controller hangs.
const HANGS: &str = "exec sleep @MARK@";

/// The job is in the queue as soon as the file `arrived` is there, and until scancel is called.
const SQUEUE: &str = r#"case "$*" in
  *--version*) echo slurm 24.05.2 ;;
  *--steps*) ;;
  *--name=*) for word; do case "$word" in --name=*) name=${word#--name=} ;; esac; done
    [ -e arrived ] && [ ! -e cancelled ] && echo "7|PENDING|$(id -u)|$name"
    touch looked ;;
esac
true"#;

/// A fixture whose sbatch never answers.
fn fixture(squeue: &str) -> Fixture {
    let fixture = Fixture::with_recipe("touch ran").tools(&[
        ("sinfo", "echo slurm 24.05.2"),
        ("scontrol", "echo 'Slurmctld(primary) at here is UP'"),
        ("sbatch", &format!("touch asked; {HANGS}")),
        ("squeue", squeue),
        ("scancel", "touch cancelled"),
    ]);
    let secrets = fixture.path("secrets").display().to_string();
    fixture.write(
        "runners/h100-a.yaml",
        &format!("launcher: slurm\nslurm: {{partition: main, secrets-folder: {secrets}}}\nretries: {{attempts: 1}}\n"),
    );
    fixture
}

/// Cancels while sbatch waits for its answer.
fn cancel_submission(fixture: &Fixture) {
    let mut run = fixture.start();
    run.await_line("phase launch");
    fixture.await_file("asked");
    let sent = Stopwatch::start();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    fixture.assert_nothing_runs();
}

#[test]
fn a_job_that_arrives_after_its_sbatch_was_killed_is_cancelled() {
    // It is there at the second look.
    let squeue = SQUEUE.replace("[ -e arrived ]", "[ -e looked ]");
    let fixture = fixture(&squeue);
    cancel_in("launch", &fixture, Signal::SIGTERM, 143, |fixture| fixture.await_file("asked"));
    assert!(fixture.path("cancelled").exists());
}

#[test]
fn job_that_may_still_appear_is_looked_for_later() {
    let fixture = fixture(SQUEUE);
    cancel_submission(&fixture);
    for _ in 0..2 {
        let ended = fixture.reap();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("the scheduler may still start slurm job imax-"),
            "{}",
            ended.stderr
        );
        assert_eq!(fixture.states(), 1);
    }
    assert!(!fixture.path("cancelled").exists());
    fixture.write("arrived", "");
    let ended = fixture.reap();
    assert!(ended.stderr.contains("removed slurm job imax-"), "{}", ended.stderr);
    assert!(fixture.path("cancelled").exists());
    assert_eq!(fixture.states(), 0);
}

#[test]
fn unanswered_submission_expires() {
    let fixture = fixture(SQUEUE);
    cancel_submission(&fixture);
    fixture.change_state(|state| state["asked"] = json!("2026-01-01T00:00:00.000Z"));
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(fixture.states(), 0);
}

#[test]
fn hanging_controller_does_not_delay_a_cancelled_launch() {
    let fixture = fixture(&SQUEUE.replace("*--name=*)", &format!("*--name=*) {HANGS} ;;\n  *--nothing*)")));
    cancel_submission(&fixture);
    assert_eq!(fixture.states(), 1);
}

/// States of dead jobs that hold a job of Slurm each.
fn leave_dead_jobs(fixture: &Fixture) {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let machine = serde_json::to_value(imax::testing::machine()).unwrap();
    for job in ["imax-1", "imax-2"] {
        let state: Value = json!({
            "schema": "imax-job-state/1", "job": job, "owner": null, "machine": machine, "boot": boot.trim(), "out": "/out", "started": "2026-01-01T00:00:00Z",
            "asked": null, "hooks_owed": [],
            "holds": [{
                "launcher": "slurm", "what": format!("slurm job {job}"), "may_come_late": true,
                "data": { "name": job, "configuration": null, "secrets": "/nonexistent" }
            }]
        });
        fixture.write(&format!("state/{job}.json"), &state.to_string());
    }
}

#[test]
fn a_signal_ends_the_search_for_what_dead_jobs_left() {
    let fixture = Fixture::with_recipe("touch ran").tools(&[("squeue", &format!("touch asked; {HANGS}"))]);
    leave_dead_jobs(&fixture);
    let mut run = fixture.start();
    run.await_line("phase clean");
    fixture.await_file("asked");
    let sent = Stopwatch::start();
    run.signal(Signal::SIGINT);
    let ended = run.finish();
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(fixture.job()["phases"][1]["ending"], json!("cancelled"));
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 2);
    assert!(!fixture.path("ran").exists());
}

#[test]
fn the_deadline_of_clean_ends_the_search_for_what_dead_jobs_left() {
    let fixture = Fixture::with_recipe("touch ran").tools(&[("squeue", HANGS)]);
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nretries: {attempts: 1}\ndeadlines: {clean: 300ms}\n",
    );
    leave_dead_jobs(&fixture);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(job["phases"][1]["ending"], json!("deadline-exceeded"));
    assert_eq!(job["outcome"]["class"], json!("infra"));
    let reason = job["outcome"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("raise `deadlines.clean`") && reason.contains("slurm job imax-1"),
        "{reason}"
    );
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 2);
    assert!(!fixture.path("ran").exists());
}

#[test]
fn the_deadline_of_preflight_ends_questions_to_a_node_that_hangs() {
    let fixture = Fixture::with_recipe("touch ran").tools(&[("nvidia-smi", HANGS), ("timedatectl", HANGS)]);
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nvendor: nvidia\nretries: {attempts: 1}\ndeadlines: {preflight: 300ms}\n",
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(job["phases"][0]["ending"], json!("deadline-exceeded"));
    let reason = job["outcome"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("raise `deadlines.preflight`") && reason.contains("nvidia-smi did not end"),
        "{reason}"
    );
    fixture.assert_nothing_runs();
    assert!(!fixture.path("ran").exists());
}
