//! Cancelled and killed jobs: no job of imax stays in the queue, and other jobs are never touched.

use nix::sys::signal::Signal;
use serde_json::json;

use super::super::cancel::{cancel_in, cancel_in_collect, cancel_in_eval, cancel_in_stop};
use super::super::fixture::{kill_alone, kill_with_watchdog};
use super::super::stopwatch::Stopwatch;
use super::cluster::Cluster;
use super::{fixture, id_of, phase};
use crate::harness::wait_until;

#[test]
#[ignore = "needs Slurm"]
fn queued_job_is_cancelled_and_other_jobs_are_not() {
    let stranger = Cluster::get().stranger("full", "imax-0");
    let fixture = fixture("touch \"$IMAX_OUT/ran\"", "full", "");
    let mut run = fixture.start();
    run.await_line("slurm job ");
    let id = id_of(&fixture);
    wait_until("the job is queued", || Cluster::get().queued(&id).len() == 1);
    let sent = Stopwatch::start();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(Cluster::get().queued(&id), Vec::<String>::new());
    assert_eq!(phase(&fixture.job(), "queue")["ending"], json!("cancelled"));
    assert_eq!(fixture.states(), 0);
    assert!(!fixture.path("out/ran").exists());
    stranger.assert_runs();

    // The wait for nodes has its own end, with the scheduler's reason.
    let fixture = super::fixture("touch \"$IMAX_OUT/ran\"", "full", "deadlines: {queue: 3s}\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let job = fixture.job();
    let outcome = &job["outcome"];
    assert_eq!(
        (&outcome["class"], &outcome["cause"]),
        (&json!("infra"), &json!("queue-deadline")),
        "{outcome}"
    );
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("waits: ") && reason.contains("after 3 s in the queue"), "{reason}");
    assert!(reason.contains("Resources") || reason.contains("Priority"), "{reason}");
    assert_eq!(phase(&job, "queue")["ending"], json!("deadline-exceeded"));
    assert_eq!(job["attempts"].as_array().map_or(1, Vec::len), 1, "{job:#}");
    assert_eq!(Cluster::get().queued(job["job_id"].as_str().unwrap()), Vec::<String>::new());
    assert!(!fixture.path("out/ran").exists());
    stranger.assert_runs();
}

#[test]
#[ignore = "needs Slurm"]
fn hanging_submission_is_cancelled_with_its_job() {
    let tools = [(
        "sbatch",
        "PATH=${PATH#*:} command sbatch \"$@\" && touch submitted && exec sleep @MARK@",
    )];
    let fixture = fixture("touch \"$IMAX_OUT/ran\"; exec sleep @MARK@", "main", "").tools(&tools);
    cancel_in("launch", &fixture, Signal::SIGTERM, 143, |fixture| fixture.await_file("submitted"));
    let id = fixture.job()["job_id"].as_str().unwrap().to_owned();
    assert_eq!(Cluster::get().queued(&id), Vec::<String>::new());
}

#[test]
#[ignore = "needs Slurm"]
fn running_job_that_ignores_sigterm_is_cancelled_in_time() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        // Deaf in the script itself, and in a step.
        let deaf = "trap '' TERM; touch \"$IMAX_OUT/deaf\"; sleep @MARK@; sleep @MARK@";
        let recipe = if signal == Signal::SIGINT {
            deaf.to_owned()
        } else {
            format!("srun bash -c '{}'", deaf.replace("''", "\"\""))
        };
        let fixture = fixture(&recipe, "main", "");
        let mut run = fixture.start();
        run.await_line("phase ready");
        fixture.await_file("out/deaf");
        let id = id_of(&fixture);
        let sent = Stopwatch::start();
        run.signal(signal);
        let ended = run.finish();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        sent.assert_cancelled_in_time(&ended.stderr);
        assert_eq!(Cluster::get().queued(&id), Vec::<String>::new());
        fixture.assert_nothing_runs();
        assert_eq!(fixture.states(), 0);
    }
}

#[test]
#[ignore = "needs Slurm"]
fn signal_ends_a_job_under_load() {
    let slow = super::ENGINE.replace("--itl-ms 2", "--itl-ms 1000");
    for (phase, warmups, signal, code) in [("warm-up", "1", Signal::SIGINT, 130), ("load", "0", Signal::SIGTERM, 143)] {
        let fixture = fixture(&slow, "main", "").arguments(&["--num-warmups-per-conc", warmups]);
        cancel_in(phase, &fixture, signal, code, |_| {});
    }
}

#[test]
#[ignore = "needs Slurm"]
fn signal_ends_a_job_in_eval_stop_and_collect() {
    let engine = super::ENGINE.replace("--itl-ms 2", "--itl-ms 5");
    let world_of = |recipe: &str| fixture(recipe, "main", "");
    for fixture in [
        cancel_in_eval(world_of, &engine),
        cancel_in_stop(world_of, &engine),
        cancel_in_collect(world_of, &engine),
    ] {
        let id = fixture.job()["job_id"].as_str().unwrap().to_owned();
        assert_eq!(Cluster::get().queued(&id), Vec::<String>::new());
    }
}

#[test]
#[ignore = "needs Slurm"]
fn reaping_removes_only_jobs_of_killed_runs() {
    let cluster = Cluster::get();
    let name = "--job-name=imax-0";
    let number = cluster.tool(
        "sbatch",
        &["--parsable", name, "--comment=imax-0", "--output=/dev/null", "--wrap=sleep 1000"],
    );
    let fixture = fixture("touch \"$IMAX_OUT/started\"; exec sleep @MARK@", "main", "").environment("HF_TOKEN", "x");
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("out/started");
    kill_with_watchdog(run);
    let id = id_of(&fixture);
    assert_eq!(cluster.queued(&id).len(), 1);
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("removed"), "{}", ended.stderr);
    assert_eq!(cluster.queued(&id), Vec::<String>::new());
    fixture.await_no_processes();
    assert_eq!(fixture.states(), 0);
    assert_eq!(cluster.state(&number), "RUNNING");
    cluster.tool("scancel", &[&number]);
}

#[test]
#[ignore = "needs Slurm"]
fn next_run_removes_job_and_secrets_of_a_killed_run() {
    let stranger = Cluster::get().stranger("low", "stranger");
    let fixture = fixture("touch \"$IMAX_OUT/ran\"", "low", "").environment("HF_TOKEN", "x");
    let mut run = fixture.start();
    run.await_line("slurm job ");
    let id = id_of(&fixture);
    wait_until("the job is queued", || Cluster::get().queued(&id).len() == 1);
    kill_with_watchdog(run);
    assert_eq!(std::fs::read_dir(fixture.path("secrets")).unwrap().count(), 1);
    let ended = fixture.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("removed slurm job {id}")), "{}", ended.stderr);
    assert_eq!(Cluster::get().queued(&id), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(fixture.path("secrets")).unwrap().count(), 0);
    stranger.assert_runs();
}

#[test]
#[ignore = "needs Slurm"]
fn job_and_secrets_of_a_killed_run_are_removed_at_once() {
    let fixture = fixture("touch \"$IMAX_OUT/started\"; exec sleep @MARK@", "main", "").environment("HF_TOKEN", "x");
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("out/started");
    let id = id_of(&fixture);
    assert_eq!(Cluster::get().queued(&id).len(), 1);
    kill_alone(run);
    assert_eq!(Cluster::get().queued(&id), Vec::<String>::new());
    fixture.await_no_processes();
    assert_eq!(fixture.states(), 0);
    assert_eq!(std::fs::read_dir(fixture.path("secrets")).unwrap().count(), 0);
}
