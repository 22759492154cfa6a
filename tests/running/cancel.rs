//! SIGINT, SIGTERM and SIGHUP in every phase: everything is stopped within 7 s, with the right exit code and partial results.
//!
//! These tests cover the processes of a recipe and of a launch script. Other launchers have tests of their own: containers in `docker`,
//! `podman` and `cancel_containers`, Slurm in `slurm::stopping`, the checks before a launch in `doctor` and `unanswered`.

use imax::testing::{Question, send_blocking};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::evals::with_task;
use super::fixture::Fixture;
use super::stopwatch::Stopwatch;
use crate::harness::{DEADLINE, wait_until};

/// Cancels in a phase, and asserts that nothing is left and that the record is right.
pub fn cancel_in(phase: &str, fixture: &Fixture, signal: Signal, code: i32, wait: impl FnOnce(&Fixture)) {
    let mut run = fixture.start();
    run.await_line(&format!("phase {phase}"));
    wait(fixture);
    let sent = Stopwatch::start();
    run.signal(signal);
    let ended = run.finish();
    sent.assert_cancelled_in_time(&ended.stderr);
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 0);
    let job = fixture.job();
    assert_eq!(job["exit_code"], json!(code));
    assert_eq!(job["outcome"]["class"], json!("cancelled"), "{}", job["outcome"]);
    let cancelled = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|record| record["ending"] == "cancelled");
    assert_eq!(cancelled.unwrap()["phase"], json!(phase));
}

/// Cancels while the job waits for an engine that ignores SIGTERM.
pub fn cancel_in_ready(fixture_of: impl Fn(&str) -> Fixture) -> Fixture {
    let fixture = fixture_of("trap '' TERM; touch \"$IMAX_OUT/trapped\"; sleep @MARK@; sleep @MARK@");
    cancel_in("ready", &fixture, Signal::SIGINT, 130, |fixture| fixture.await_file("out/trapped"));
    fixture
}

/// Cancels during an evaluation. The engine gives one token, which makes it ready, and then none.
pub fn cancel_in_eval(fixture_of: impl Fn(&str) -> Fixture, engine: &str) -> Fixture {
    let fixture = with_task(fixture_of(&engine.replace("--itl-ms 5", "--itl-ms 600000")));
    fixture.change_row(|row| row["eval-only"] = json!(true));
    cancel_in("eval", &fixture, Signal::SIGTERM, 143, |_| {});
    fixture
}

/// Cancels during the long grace period of an engine that ignores SIGTERM.
pub fn cancel_in_stop(fixture_of: impl Fn(&str) -> Fixture, engine: &str) -> Fixture {
    let recipe = format!("trap '' TERM\n({engine}) &\nsleep @MARK@; sleep @MARK@");
    let fixture = fixture_of(&recipe);
    let profile = fixture.read("runners/h100-a.yaml");
    fixture.write("runners/h100-a.yaml", &format!("{profile}deadlines: {{stop: 10m}}\n"));
    cancel_in("stop", &fixture, Signal::SIGINT, 130, |_| {});
    // What was measured before the signal is kept.
    assert_eq!(fixture.job()["points"][0]["outcome"]["status"], json!("ok"));
    assert!(fixture.results().iter().any(|name| name.starts_with("agg_")));
    fixture
}

/// Cancels after everything is stopped.
pub fn cancel_in_collect(fixture_of: impl Fn(&str) -> Fixture, engine: &str) -> Fixture {
    let fixture = fixture_of(engine);
    super::collect::cancel_in_collect(&fixture, Signal::SIGTERM, 143);
    fixture
}

#[test]
fn in_preflight_while_container_engine_hangs() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fixture = Fixture::with_recipe("touch ran");
        // It accepts connections and never answers.
        let socket = fixture.path("engine.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let profile = format!("launcher: docker\ndocker: {{socket: {}}}\n", socket.display());
        fixture.write("runners/h100-a.yaml", &profile);
        cancel_in("preflight", &fixture, signal, code, |_| {
            drop(listener.accept().map(std::mem::forget))
        });
    }
}

#[test]
fn in_launch_while_pre_hook_runs() {
    let fixture = Fixture::with_recipe("touch ran");
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\nhooks: {pre: ['touch hooked; sleep @MARK@']}\n",
    );
    cancel_in("launch", &fixture, Signal::SIGINT, 130, |fixture| fixture.await_file("hooked"));
    assert!(!fixture.path("ran").exists());
}

#[test]
fn in_ready_with_daemon_that_ignores_sigterm() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fixture =
            Fixture::with_recipe("(setsid -f bash -c 'trap \"\" TERM; touch trapped; sleep @MARK@; sleep @MARK@'); exec sleep @MARK@");
        cancel_in("ready", &fixture, signal, code, |fixture| fixture.await_file("trapped"));
    }
}

#[test]
fn by_sighup() {
    let fixture = Fixture::with_recipe("touch started; exec sleep @MARK@").started_by(&["env", "--default-signal=HUP"]);
    cancel_in("ready", &fixture, Signal::SIGHUP, 143, |fixture| fixture.await_file("started"));
    assert_eq!(fixture.job()["outcome"]["reason"], json!("cancelled by SIGHUP in phase ready"));
}

#[test]
fn not_by_sighup_under_nohup() {
    let fixture = Fixture::with_recipe("touch started; exec sleep @MARK@").started_by(&["env", "--ignore-signal=HUP"]);
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("started");
    run.signal(Signal::SIGHUP);
    // After another command has run, the signal would have had its effect.
    assert!(fixture.reap().stderr.contains("nothing to clean up"));
    run.signal(Signal::SIGTERM);
    assert_eq!(run.finish().code, Some(143));
    assert_eq!(fixture.job()["outcome"]["reason"], json!("cancelled by SIGTERM in phase ready"));
}

/// Each token takes a second, so every phase with requests lasts until it is cancelled.
fn slow_engine() -> String {
    super::success::ENGINE.replace("--itl-ms 5", "--itl-ms 1000")
}

#[test]
fn in_warm_up() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        cancel_in("warm-up", &Fixture::with_recipe(&slow_engine()), signal, code, |_| {});
    }
}

/// The number of requests that the simulated engine at a port has accepted.
fn accepted_requests(port: u16) -> u64 {
    let question = Question {
        host: "127.0.0.1",
        port,
        path: "/metrics",
        json: None,
        headers: &[],
        tls: None,
        unix_socket: None,
        proxy: None,
    };
    let answer = send_blocking(&question, DEADLINE, std::future::pending::<()>()).unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("imax_sim_requests_total "));
    count.unwrap().parse().unwrap()
}

#[test]
fn in_load_keeps_partial_result() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let recipe = format!("echo \"$PORT\" > port\n{}", super::success::ENGINE);
        let fixture = Fixture::with_recipe(&recipe).arguments(&["--num-prompts-per-conc", "200"]);
        fixture.row(|row| {
            row["osl"] = json!(100);
            row["max-model-len"] = json!(200);
        });
        // 400 requests take more than a minute. Two run at a time, so some have completed when the engine has accepted six more.
        cancel_in("load", &fixture, signal, code, |fixture| {
            let port = fixture.read("port").trim().parse().unwrap();
            let before = accepted_requests(port);
            wait_until("the engine served", || accepted_requests(port) >= before + 6);
        });
        let job = fixture.job();
        let raw = job["points"][0]["raw"].as_str().unwrap();
        assert!(raw.starts_with("partial_demo_"), "{raw}");
        let raw: Value = serde_json::from_str(&fixture.read(&format!("out/{raw}"))).unwrap();
        assert_eq!(raw["imax"]["partial"], json!(true));
        assert!(raw["completed"].as_u64().unwrap() > 0);
        assert!(
            !fixture.results().iter().any(|name| name.starts_with("agg_")),
            "{:?}",
            fixture.results()
        );
    }
}

#[test]
fn in_stop_ends_grace_period() {
    cancel_in_stop(Fixture::with_recipe, super::success::ENGINE);
}

/// A fixture whose launch script starts the recipe.
fn with_launch_script(recipe: &str) -> Fixture {
    let fixture = Fixture::with_recipe(recipe);
    fixture.write("runners/h100-a.yaml", "launcher: script\nscript: launch.sh\n");
    fixture.write(
        "runners/launch.sh",
        "bash \"$GITHUB_WORKSPACE/benchmarks/demo_fp8_h100_sim.sh\" &\nwait\n",
    );
    fixture
}

#[test]
fn in_each_phase_with_launch_script() {
    cancel_in_ready(with_launch_script);
    cancel_in_eval(with_launch_script, super::success::ENGINE);
    cancel_in_stop(with_launch_script, super::success::ENGINE);
    cancel_in_collect(with_launch_script, super::success::ENGINE);
    for (phase, warmups, signal, code) in [("warm-up", "1", Signal::SIGINT, 130), ("load", "0", Signal::SIGTERM, 143)] {
        let fixture = with_launch_script(&slow_engine()).arguments(&["--num-warmups-per-conc", warmups]);
        cancel_in(phase, &fixture, signal, code, |_| {});
    }
}

#[test]
fn in_stop_while_post_hook_runs() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let fixture = Fixture::with_recipe(super::success::ENGINE);
        // The hook ignores SIGTERM and leaves a process in the background.
        let hook = "setsid -f sleep @MARK@; trap \"\" TERM; touch hooked; sleep @MARK@; sleep @MARK@";
        fixture.write(
            "runners/h100-a.yaml",
            &format!("launcher: local\nhooks: {{post: ['{hook}', 'touch second']}}\n"),
        );
        cancel_in("stop", &fixture, signal, code, |fixture| fixture.await_file("hooked"));
        // What was measured before is kept, and the next hook has its share of the time.
        assert_eq!(fixture.job()["points"][0]["outcome"]["status"], json!("ok"));
        assert!(fixture.path("second").exists());
    }
}

#[test]
fn in_warm_up_while_prompts_are_generated() {
    let fixture = Fixture::with_recipe(&slow_engine()).arguments(&["--num-prompts-per-conc", "1000000"]);
    cancel_in("warm-up", &fixture, Signal::SIGINT, 130, |_| {});
}
