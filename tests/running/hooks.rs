//! Post-hooks run however the job ends, once a pre-hook has begun.

use nix::sys::signal::Signal;
use serde_json::json;

use super::cancel::cancel_in;
use super::fixture::{Fixture, kill_alone};

/// A fixture whose pre-hook creates the file `taken`, which its post-hook removes.
fn fixture(recipe: &str, more_pre: &str) -> Fixture {
    let fixture = Fixture::with_recipe(recipe);
    fixture.write(
        "runners/h100-a.yaml",
        &format!(
            "launcher: local\nretries: {{attempts: 1}}\nhooks:\n  pre: ['touch taken'{more_pre}]\n  post: ['rm -f taken; echo >> given']\n"
        ),
    );
    fixture
}

fn assert_given_back(fixture: &Fixture) {
    assert!(!fixture.path("taken").exists());
    assert_eq!(fixture.read("given"), "\n");
    fixture.assert_nothing_runs();
}

#[test]
fn post_hooks_run_after_failed_launch() {
    let fixture = fixture("touch ran", ", 'exit 3'");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(!fixture.path("ran").exists());
    assert_given_back(&fixture);
    assert_eq!(fixture.states(), 0);
    let job = fixture.job();
    assert!(job["outcome"]["reason"].as_str().unwrap().contains("`exit 3`"), "{job:#}");
    let phases = job["phases"].as_array().unwrap();
    assert_eq!(
        phases.last().map(|phase| (&phase["phase"], &phase["ending"])),
        Some((&json!("stop"), &json!("done")))
    );
}

#[test]
fn post_hooks_run_after_cancelled_pre_hook() {
    let fixture = fixture("touch ran", ", 'touch waits; sleep @MARK@'");
    cancel_in("launch", &fixture, Signal::SIGTERM, 143, |fixture| fixture.await_file("waits"));
    assert!(!fixture.path("ran").exists());
    assert_given_back(&fixture);
}

#[test]
fn post_hooks_run_after_cancelled_engine_that_ignores_sigterm() {
    let fixture = fixture("trap '' TERM; touch trapped; sleep @MARK@; sleep @MARK@", "");
    cancel_in("ready", &fixture, Signal::SIGINT, 130, |fixture| fixture.await_file("trapped"));
    assert_given_back(&fixture);
}

#[test]
fn post_hooks_run_after_one_that_fails() {
    let fixture = Fixture::with_recipe(super::success::ENGINE);
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nretries: {attempts: 1}\nhooks: {post: ['exit 5', 'touch second']}\n",
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("hook `exit 5` ended with exit status 5"), "{}", ended.stderr);
    assert!(fixture.path("second").exists());
}

#[test]
fn post_hooks_do_not_run_before_pre_hooks_began() {
    let fixture = fixture("touch ran", "");
    let profile = fixture.read("runners/h100-a.yaml");
    fixture.write("runners/h100-a.yaml", &format!("{profile}node: {{free-disk-gib: 1e9}}\n"));
    assert_eq!(fixture.run().code, Some(4));
    assert!(!fixture.path("given").exists());
}

/// A job that was killed after its pre-hook.
fn killed() -> Fixture {
    let fixture = fixture("touch started; exec sleep @MARK@", "");
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    // The watchdog stops what ran, but runs no hooks.
    kill_alone(run);
    fixture.assert_nothing_runs();
    assert!(fixture.path("taken").exists());
    assert_eq!(fixture.states(), 1);
    fixture
}

#[test]
fn next_job_runs_same_post_hooks_of_killed_job() {
    let fixture = killed();
    fixture.write("benchmarks/demo_fp8_h100_sim.sh", "exit 1");
    let profile = fixture.read("runners/h100-a.yaml");
    fixture.write("runners/h100-a.yaml", &profile.replace("'touch taken'", "'[ ! -e taken ]'"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("may not have run its post-hooks"), "{}", ended.stderr);
    assert_eq!(fixture.read("given"), "\n\n");
}

#[test]
fn reap_only_lists_post_hooks_of_killed_job() {
    let fixture = killed();
    let ended = fixture.reap();
    let named = "post-hook that may not have run: rm -f taken; echo >> given";
    assert!(ended.stderr.contains(named), "{}", ended.stderr);
    assert!(!fixture.path("given").exists());
}
