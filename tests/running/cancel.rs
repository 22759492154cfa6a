//! SIGINT, SIGTERM and SIGHUP at every phase: everything stopped within 7 s, the right exit code, partial results kept.
//!
//! Here are the processes of a recipe and of a launch script. What differs with other launchers is beside their own tests: containers in
//! `docker`, `podman` and `cancel_containers`, Slurm in `slurm::stopping`; the checks before a launch in `doctor` and `unanswered`.

use imax::system::plain_http::{self, Question};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::evals::with_task;
use super::stopwatch::Stopwatch;
use super::world::{PATIENCE, World, await_that};

/// Cancels in a phase, and holds what must hold after it.
pub fn cancel_in(phase: &str, world: &World, signal: Signal, code: i32, wait: impl FnOnce(&World)) {
    let mut run = world.start();
    run.await_line(&format!("phase {phase}"));
    wait(world);
    let sent = Stopwatch::start();
    run.signal(signal);
    let ended = run.end();
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    world.assert_nothing_runs();
    assert_eq!(world.states(), 0);
    let job = world.job();
    assert_eq!(job["exit_code"], json!(code));
    assert_eq!(job["outcome"]["class"], json!("cancelled"), "{}", job["outcome"]);
    let cancelled = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|record| record["ending"] == "cancelled");
    assert_eq!(cancelled.unwrap()["phase"], json!(phase));
}

/// Cancels while an engine is awaited that does not obey SIGTERM.
pub fn cancel_in_ready(world_of: impl Fn(&str) -> World) -> World {
    let world = world_of("trap '' TERM; touch \"$IMAX_OUT/deaf\"; sleep @MARK@; sleep @MARK@");
    cancel_in("ready", &world, Signal::SIGINT, 130, |world| world.await_file("out/deaf"));
    world
}

/// Cancels in an evaluation: one token comes, which is enough to be ready, and then none.
pub fn cancel_in_eval(world_of: impl Fn(&str) -> World, engine: &str) -> World {
    let world = with_task(world_of(&engine.replace("--itl-ms 5", "--itl-ms 600000")));
    world.change_row(|row| row["eval-only"] = json!(true));
    cancel_in("eval", &world, Signal::SIGTERM, 143, |_| {});
    world
}

/// Cancels while the profile is patient with an engine that does not obey SIGTERM.
pub fn cancel_in_stop(world_of: impl Fn(&str) -> World, engine: &str) -> World {
    let deaf = format!("trap '' TERM\n({engine}) &\nsleep @MARK@; sleep @MARK@");
    let world = world_of(&deaf);
    let profile = world.read("runners/h100-a.yaml");
    world.write("runners/h100-a.yaml", &format!("{profile}deadlines: {{stop: 10m}}\n"));
    cancel_in("stop", &world, Signal::SIGINT, 130, |_| {});
    // What was measured before the signal came is whole and stays.
    assert_eq!(world.job()["points"][0]["outcome"]["status"], json!("ok"));
    assert!(world.results().iter().any(|name| name.starts_with("agg_")));
    world
}

/// Cancels after everything was stopped.
pub fn cancel_in_collect(world_of: impl Fn(&str) -> World, engine: &str) -> World {
    let world = world_of(engine);
    super::collect::cancel_in_collect(&world, Signal::SIGTERM, 143);
    world
}

#[test]
fn in_preflight_while_a_container_engine_hangs() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let world = World::with_recipe("touch ran");
        // It takes connections and never says a word.
        let socket = world.path("engine.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let profile = format!("launcher: docker\ndocker: {{socket: {}}}\n", socket.display());
        world.write("runners/h100-a.yaml", &profile);
        cancel_in("preflight", &world, signal, code, |_| drop(listener.accept().map(std::mem::forget)));
    }
}

#[test]
fn in_launch_while_a_hook_runs() {
    let world = World::with_recipe("touch ran");
    world.write(
        "runners/h100-a.yaml",
        "launcher: local\nhooks: {pre: ['touch hooked; sleep @MARK@']}\n",
    );
    cancel_in("launch", &world, Signal::SIGINT, 130, |world| world.await_file("hooked"));
    assert!(!world.path("ran").exists());
}

#[test]
fn in_ready_with_a_daemon_that_ignores_sigterm() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let world = World::with_recipe("(setsid -f bash -c 'trap \"\" TERM; touch deaf; sleep @MARK@; sleep @MARK@'); exec sleep @MARK@");
        cancel_in("ready", &world, signal, code, |world| world.await_file("deaf"));
    }
}

#[test]
fn by_the_end_of_the_terminal() {
    let world = World::with_recipe("touch started; exec sleep @MARK@").started_by(&["env", "--default-signal=HUP"]);
    cancel_in("ready", &world, Signal::SIGHUP, 143, |world| world.await_file("started"));
    assert_eq!(world.job()["outcome"]["reason"], json!("cancelled by SIGHUP in phase ready"));
}

#[test]
fn not_by_the_end_of_the_terminal_under_nohup() {
    let world = World::with_recipe("touch started; exec sleep @MARK@").started_by(&["env", "--ignore-signal=HUP"]);
    let mut run = world.start();
    run.await_line("phase ready");
    world.await_file("started");
    run.signal(Signal::SIGHUP);
    // By the time that another command has run, a signal would have been noticed.
    assert!(world.reap().stderr.contains("no dead job"));
    run.signal(Signal::SIGTERM);
    assert_eq!(run.end().code, Some(143));
    assert_eq!(world.job()["outcome"]["reason"], json!("cancelled by SIGTERM in phase ready"));
}

/// Each token takes a second, so every phase with requests lasts until it is cancelled.
fn slow_engine() -> String {
    super::success::ENGINE.replace("--itl-ms 5", "--itl-ms 1000")
}

#[test]
fn in_warm_up() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        cancel_in("warm-up", &World::with_recipe(&slow_engine()), signal, code, |_| {});
    }
}

/// Requests that the simulated engine at a port has taken.
fn taken(port: u16) -> u64 {
    let question = Question {
        host: "127.0.0.1",
        port,
        path: "/metrics",
        json: None,
        headers: &[],
        tls: None,
    };
    let answer = plain_http::ask(question, PATIENCE, &mut || true).unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("imax_sim_requests_total "));
    count.unwrap().parse().unwrap()
}

#[test]
fn in_load_with_what_was_measured_kept_and_marked() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let recipe = format!("echo \"$PORT\" > port\n{}", super::success::ENGINE);
        let world = World::with_recipe(&recipe).arguments(&["--num-prompts-per-conc", "200"]);
        world.row(|row| {
            row["osl"] = json!(100);
            row["max-model-len"] = json!(200);
        });
        // So many requests take more than a minute. Two are sent at once, so some are over when the engine has taken six more.
        cancel_in("load", &world, signal, code, |world| {
            let port = world.read("port").trim().parse().unwrap();
            let before = taken(port);
            await_that("the engine served", || taken(port) >= before + 6);
        });
        let job = world.job();
        let raw = job["points"][0]["raw"].as_str().unwrap();
        assert!(raw.starts_with("partial_demo_"), "{raw}");
        let raw: Value = serde_json::from_str(&world.read(&format!("out/{raw}"))).unwrap();
        assert_eq!(raw["imax"]["partial"], json!(true));
        assert!(raw["completed"].as_u64().unwrap() > 0);
        assert!(
            !world.results().iter().any(|name| name.starts_with("agg_")),
            "{:?}",
            world.results()
        );
    }
}

#[test]
fn in_stop_the_patience_with_a_deaf_engine_ends() {
    cancel_in_stop(World::with_recipe, super::success::ENGINE);
}

/// A world whose own launch script starts the recipe.
fn with_launch_script(recipe: &str) -> World {
    let world = World::with_recipe(recipe);
    world.write("runners/h100-a.yaml", "launcher: script\nscript: launch.sh\n");
    world.write(
        "runners/launch.sh",
        "bash \"$GITHUB_WORKSPACE/benchmarks/demo_fp8_h100_sim.sh\" &\nwait\n",
    );
    world
}

#[test]
fn in_each_phase_of_a_launch_script() {
    cancel_in_ready(with_launch_script);
    cancel_in_eval(with_launch_script, super::success::ENGINE);
    cancel_in_stop(with_launch_script, super::success::ENGINE);
    cancel_in_collect(with_launch_script, super::success::ENGINE);
    for (phase, warmups, signal, code) in [("warm-up", "1", Signal::SIGINT, 130), ("load", "0", Signal::SIGTERM, 143)] {
        let world = with_launch_script(&slow_engine()).arguments(&["--num-warmups-per-conc", warmups]);
        cancel_in(phase, &world, signal, code, |_| {});
    }
}

#[test]
fn in_stop_while_a_post_hook_runs() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let world = World::with_recipe(super::success::ENGINE);
        // The hook is as deaf as an engine may be, and leaves something in the background.
        let hook = "setsid -f sleep @MARK@; trap \"\" TERM; touch hooked; sleep @MARK@; sleep @MARK@";
        world.write(
            "runners/h100-a.yaml",
            &format!("launcher: local\nhooks: {{post: ['{hook}', 'touch second']}}\n"),
        );
        cancel_in("stop", &world, signal, code, |world| world.await_file("hooked"));
        // What was measured before stays, and the next hook has its part of the time.
        assert_eq!(world.job()["points"][0]["outcome"]["status"], json!("ok"));
        assert!(world.path("second").exists());
    }
}

#[test]
fn in_warm_up_while_prompts_are_made() {
    let world = World::with_recipe(&slow_engine()).arguments(&["--num-prompts-per-conc", "1000000"]);
    cancel_in("warm-up", &world, Signal::SIGINT, 130, |_| {});
}
