//! What Slurm does to a job is told apart from what the engine does.

use serde_json::{Value, json};

use super::super::fixture::Fixture;
use super::cluster::Cluster;
use super::{ENGINE, fixture, id_of};
use crate::harness::Finished;

const SLEEPER: &str = "touch \"$IMAX_OUT/started\"; exec sleep @MARK@";

/// Starts a job, does something to it once its recipe runs, and gives its end.
fn done_to(fixture: &Fixture, deed: impl FnOnce(&str)) -> (Finished, Value) {
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("out/started");
    let number = Cluster::get().queued(&id_of(fixture)).pop().unwrap();
    deed(&number);
    let ended = run.finish();
    let job = fixture.job();
    (ended, job)
}

fn assert_outcome(ended: &Finished, job: &Value, code: i32, class: &str, cause: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let outcome = &job["outcome"];
    assert_eq!((&outcome["class"], &outcome["cause"]), (&json!(class), &json!(cause)), "{outcome}");
}

const ONCE: &str = "retries: {attempts: 1}\n";

#[test]
#[ignore = "needs Slurm"]
fn job_cancelled_by_another_user_is_an_infrastructure_failure() {
    let fixture = fixture(SLEEPER, "main", "");
    let (ended, job) = done_to(&fixture, |number| drop(Cluster::get().tool("scancel", &[number])));
    assert_outcome(&ended, &job, 4, "infra", "slurm-cancelled");
    assert!(ended.stderr.contains("not by this job"), "{}", ended.stderr);
    // What somebody cancelled is not started again.
    assert!(job["attempts"].as_array().is_none_or(|list| list.len() == 1), "{job:#}");
}

#[test]
#[ignore = "needs Slurm"]
fn node_failure_is_an_infrastructure_failure() {
    let cluster = Cluster::get();
    let fixture = fixture(SLEEPER, "fail", ONCE);
    let (ended, job) = done_to(&fixture, |_| {
        let daemon = std::fs::read_to_string(cluster.file("slurmd.node-2.pid")).unwrap();
        let daemon = nix::unistd::Pid::from_raw(daemon.trim().parse().unwrap());
        nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGKILL).unwrap();
        // What the controller does by itself once SlurmdTimeout is over.
        cluster.tool("scontrol", &["update", "nodename=node-2", "state=down", "reason=gone"]);
    });
    assert_outcome(&ended, &job, 4, "infra", "slurm-node-failure");
    assert!(ended.stderr.contains("node-2"), "{}", ended.stderr);
    // The daemon that is gone could not stop the recipe.
    for process in fixture.process_numbers() {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL);
    }
}

#[test]
#[ignore = "needs Slurm"]
fn preempted_job_is_reported_as_infrastructure_failure() {
    let fixture = fixture(SLEEPER, "low", ONCE);
    let mut stranger = None;
    let (ended, job) = done_to(&fixture, |_| stranger = Some(Cluster::get().stranger_soon("high", "stranger")));
    assert_outcome(&ended, &job, 4, "infra", "slurm-preempted");
}

#[test]
#[ignore = "needs Slurm"]
fn suspended_job_is_cancelled() {
    let fixture = fixture(SLEEPER, "main", ONCE);
    let (ended, job) = done_to(&fixture, |number| {
        Cluster::get().tool("scontrol", &["suspend", number]);
    });
    assert_outcome(&ended, &job, 4, "infra", "slurm-suspended");
    assert_eq!(fixture.states(), 0, "{}", ended.stderr);
    assert_eq!(Cluster::get().queued(job["job_id"].as_str().unwrap()), Vec::<String>::new());
}

#[test]
#[ignore = "needs Slurm"]
fn job_at_its_time_limit_is_a_timeout() {
    let fixture = fixture(SLEEPER, "main", "");
    let (ended, job) = done_to(&fixture, |number| {
        Cluster::get().tool("scontrol", &["update", &format!("jobid={number}"), "endtime=now+1"]);
    });
    assert_outcome(&ended, &job, 1, "timeout", "slurm-time-limit");
    assert!(ended.stderr.contains("raise `slurm.time-limit`"), "{}", ended.stderr);
}

#[test]
#[ignore = "needs Slurm"]
fn engine_exit_is_a_server_failure() {
    let fixture = fixture("echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 7", "main", "");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(job["outcome"]["cause"], json!("gpu-out-of-memory"), "{}", job["outcome"]);
    assert!(ended.stderr.contains("exit status 7"), "{}", ended.stderr);
}

#[test]
#[ignore = "needs Slurm"]
fn port_in_use_on_the_node_is_an_infrastructure_failure() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let fixture = fixture(ENGINE, "main", ONCE).arguments(&["--port", &port]);
    let ended = fixture.run();
    assert_outcome(&ended, &fixture.job(), 4, "infra", "port-in-use");
}

#[test]
#[ignore = "needs Slurm"]
fn unknown_partition_is_invalid_input() {
    let fixture = fixture(ENGINE, "nowhere", "");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("correct `slurm` in the runner profile"), "{}", ended.stderr);
}

#[test]
#[ignore = "needs Slurm"]
fn unreachable_controller_is_an_infrastructure_failure() {
    let cluster = Cluster::get();
    let fixture = fixture(ENGINE, "main", ONCE);
    let conf = std::fs::read_to_string(cluster.configuration()).unwrap();
    let elsewhere = |line: &str| {
        if line.starts_with("SlurmctldPort=") {
            "SlurmctldPort=1".to_owned()
        } else {
            line.to_owned()
        }
    };
    let conf: Vec<String> = conf.lines().map(elsewhere).collect();
    fixture.write("slurm.conf", &conf.join("\n"));
    let conf = fixture.path("slurm.conf").display().to_string();
    let fixture = fixture.environment("SLURM_CONF", &conf);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let outcome = &fixture.job()["outcome"];
    assert_eq!(outcome["class"], json!("infra"));
    assert!(ended.stderr.contains("slurm controller does not answer"), "{}", ended.stderr);
    assert!(!fixture.path("out/started").exists());
}
