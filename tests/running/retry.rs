//! An attempt that failed because of the node is repeated, one of which the benchmark failed is not; `job.json` lists every attempt.

use nix::sys::signal::Signal;
use serde_json::json;

use super::fixture::Fixture;
use super::stopwatch::Stopwatch;
use super::success::ENGINE;
use crate::harness::wait_until;

#[test]
fn infrastructure_failure_is_retried() {
    let fixture = Fixture::with_recipe(&format!("echo the engine of try $(wc -l < tries)\n{ENGINE}"));
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nretries: {attempts: 3, pause: 20ms}\nhooks: {pre: ['echo >> tries; echo from the hook; [ $(wc -l < tries) = 2 ]']}\n",
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("trying again in 0.02 s"), "{}", ended.stderr);
    let job = fixture.job();
    let attempts = job["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(
        (
            &attempts[0]["what"],
            &attempts[0]["number"],
            &attempts[0]["of"],
            &attempts[0]["pause_s"]
        ),
        (&json!("job"), &json!(1), &json!(3), &json!(0.02))
    );
    assert!(attempts[0]["problem"].as_str().unwrap().contains("exit status 1"), "{attempts:?}");
    assert!(attempts[1].get("problem").is_none());
    let launches: Vec<_> = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|phase| phase["phase"] == "launch")
        .map(|phase| (&phase["attempt"], &phase["ending"]))
        .collect();
    assert_eq!(launches, [(&json!(1), &json!("failed")), (&json!(2), &json!("done"))]);
    assert_eq!(fixture.read("out/server.attempt-1.log"), "from the hook\n");
    assert!(fixture.read("out/server.log").contains("the engine of try 2\n"));
    fixture.assert_nothing_runs();
}

#[test]
fn failed_benchmark_is_not_retried() {
    for failing in ["exit 7", "echo 'OSError: [Errno 98] Address already in use'; exit 1"] {
        let fixture = Fixture::with_recipe(&format!("echo >> starts; {failing}"));
        fixture.write("runners/h100-a.yaml", "launcher: local\nretries: {attempts: 5, pause: 1ms}\n");
        assert_eq!(fixture.run().code, Some(1));
        assert_eq!(fixture.read("starts"), "\n");
        assert_eq!(fixture.job()["attempts"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn attempts_are_limited() {
    let fixture = Fixture::with_recipe("touch ran");
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nretries: {attempts: 3, pause: 1ms, backoff: 1}\nhooks: {pre: ['exit 3']}\n",
    );
    assert_eq!(fixture.run().code, Some(4));
    assert_eq!(fixture.job()["attempts"].as_array().unwrap().len(), 3);
    assert!(!fixture.path("ran").exists());
}

#[test]
fn signal_ends_pause_between_attempts() {
    let fixture = Fixture::with_recipe("touch ran");
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nretries: {attempts: 2, pause: 10m}\nhooks: {pre: ['exit 5']}\n",
    );
    let mut run = fixture.start();
    run.await_line("hook `exit 5`");
    wait_until("the pause began", || fixture.path("out/server.log").exists());
    let sent = Stopwatch::start();
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    assert!(!fixture.path("ran").exists());
    assert_eq!(fixture.states(), 0);
}
