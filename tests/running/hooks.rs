//! Post-hooks run however the job ends, once a pre-hook has begun.

use nix::sys::signal::Signal;
use serde_json::json;

use super::cancel::cancel_in;
use super::world::World;

/// A world whose pre-hook creates the file `taken`, which its post-hook removes.
fn world(recipe: &str, more_pre: &str) -> World {
    let world = World::with_recipe(recipe);
    world.write(
        "runners/h100-a.yaml",
        &format!(
            "launcher: local\nretries: {{attempts: 1}}\nhooks:\n  pre: ['touch taken'{more_pre}]\n  post: ['rm -f taken; echo >> given']\n"
        ),
    );
    world
}

fn assert_given_back(world: &World) {
    assert!(!world.path("taken").exists());
    assert_eq!(world.read("given"), "\n");
    world.assert_nothing_runs();
}

#[test]
fn post_hooks_run_after_failed_launch() {
    let world = world("touch ran", ", 'exit 3'");
    let ended = world.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(!world.path("ran").exists());
    assert_given_back(&world);
    assert_eq!(world.states(), 0);
    let job = world.job();
    assert!(job["outcome"]["reason"].as_str().unwrap().contains("`exit 3`"), "{job:#}");
    let phases = job["phases"].as_array().unwrap();
    assert_eq!(
        phases.last().map(|phase| (&phase["phase"], &phase["ending"])),
        Some((&json!("stop"), &json!("done")))
    );
}

#[test]
fn post_hooks_run_after_cancelled_pre_hook() {
    let world = world("touch ran", ", 'touch waits; sleep @MARK@'");
    cancel_in("launch", &world, Signal::SIGTERM, 143, |world| world.await_file("waits"));
    assert!(!world.path("ran").exists());
    assert_given_back(&world);
}

#[test]
fn post_hooks_run_after_cancelled_engine_that_ignores_sigterm() {
    let world = world("trap '' TERM; touch trapped; sleep @MARK@; sleep @MARK@", "");
    cancel_in("ready", &world, Signal::SIGINT, 130, |world| world.await_file("trapped"));
    assert_given_back(&world);
}

#[test]
fn post_hooks_run_after_one_that_fails() {
    let world = World::with_recipe(super::success::ENGINE);
    world.write(
        "runners/h100-a.yaml",
        "launcher: local\nretries: {attempts: 1}\nhooks: {post: ['exit 5', 'touch second']}\n",
    );
    let ended = world.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("hook `exit 5` ended with exit status 5"), "{}", ended.stderr);
    assert!(world.path("second").exists());
}

#[test]
fn post_hooks_do_not_run_before_pre_hooks_began() {
    let world = world("touch ran", "");
    let profile = world.read("runners/h100-a.yaml");
    world.write("runners/h100-a.yaml", &format!("{profile}node: {{free-disk-gib: 1e9}}\n"));
    assert_eq!(world.run().code, Some(4));
    assert!(!world.path("given").exists());
}

/// A job that was killed after its pre-hook.
fn killed() -> World {
    let world = world("touch started; exec sleep @MARK@", "");
    let mut run = world.start();
    run.await_line("phase ready");
    world.await_file("started");
    run.signal(Signal::SIGKILL);
    run.finish();
    assert!(world.path("taken").exists());
    world
}

#[test]
fn next_job_runs_same_post_hooks_of_killed_job() {
    let world = killed();
    world.write("benchmarks/demo_fp8_h100_sim.sh", "exit 1");
    let profile = world.read("runners/h100-a.yaml");
    world.write("runners/h100-a.yaml", &profile.replace("'touch taken'", "'[ ! -e taken ]'"));
    let ended = world.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("may not have run its post-hooks"), "{}", ended.stderr);
    assert_eq!(world.read("given"), "\n\n");
}

#[test]
fn reap_only_lists_post_hooks_of_killed_job() {
    let world = killed();
    let ended = world.reap();
    let named = "post-hook that may not have run: rm -f taken; echo >> given";
    assert!(ended.stderr.contains(named), "{}", ended.stderr);
    assert!(!world.path("given").exists());
}
