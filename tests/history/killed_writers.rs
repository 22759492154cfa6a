//! Several writers at once, some of which are killed: what was reported as stored is there once, and nothing is there in part.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::engines::Home;
use crate::harness::{Running, imax};

/// Rounds of two ingests; `IMAX_TEST_ROUNDS` sets another number.
const ROUNDS: u64 = 25;
/// Rounds over one history. Verifying a history and finding the levels of its points take time by its runs: 150 took 20 seconds to
/// verify on a busy machine, so 1,000 would come near the deadline of a command, five minutes.
const ROUNDS_OF_A_HISTORY: u64 = 50;
/// Writers that find no history and all create it.
const CREATORS: u64 = 8;
/// Enough for a transaction of a few hundred kilobytes.
const POINTS: u32 = 200;

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): the same instants in each run.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn run_document() -> Value {
    let point = |conc: u32| {
        let numbers =
            json!({ "tput_per_gpu": 100.5 + f64::from(conc), "median_ttft": 0.1, "p99_ttft": 0.2, "other": f64::from(conc) / 7.0 });
        json!({
            "key": {
                "curve": {
                    "model-prefix": "demo", "precision": "fp8", "runner": "h100", "framework": "sim", "spec-decoding": "none", "disagg": false,
                    "workload": "agentic-coding", "layout": format!("tp{}", conc / 10 + 1)
                },
                "conc": conc
            },
            "model": null, "image": "example/engine:1", "gpus": 4, "outcome": { "measured": numbers },
            "layout": { "single-node": { "tp": 4, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 1, "dp-attn": false } }
        })
    };
    json!({ "schema": "imax-run/1", "run": { "points": (1..=POINTS).map(point).collect::<Vec<_>>() } })
}

fn start(home: &Home, run: u64) -> Running {
    let number = run.to_string();
    let arguments = [
        "publish",
        "run.json",
        "--to",
        &home.address,
        "--commit",
        "a",
        "--branch",
        "main",
        "--repo",
        "octo/bench",
        "--run-id",
        &number,
        "--attempt",
        "1",
        "--date",
        "2026-10-01T05:00:00Z",
    ];
    Running::start(
        imax()
            .current_dir(home.fixture.path(""))
            .args(arguments)
            .envs(home.environment.clone()),
    )
}

/// Kills a writer when SQLite's log has grown to a size, which is an instant of its transaction on a machine of any speed. Where there is
/// no log, after a number of looks.
fn kill_at_random(home: &Home, writer: &mut Running, state: &mut u64) {
    let log = home.fixture.path(&format!("{}-wal", home.address));
    let size = random(state) % 600_000;
    let looks = random(state) % 400;
    for look in 0.. {
        let grown = std::fs::metadata(&log).is_ok_and(|log| log.len() >= size);
        let is_late = !home.address.ends_with(".db") && look >= looks;
        if grown || is_late || writer.has_ended() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    if !writer.has_ended() {
        writer.signal(Signal::SIGKILL);
    }
}

pub fn writers_that_create_a_history_together_all_succeed(home: &Home) {
    home.fixture.write("run.json", &run_document().to_string());
    let writers: Vec<Running> = (0..CREATORS).map(|run| start(home, run)).collect();
    for writer in writers {
        let ended = writer.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    assert_eq!(home.list(&[]).len() as u64, CREATORS);
    home.verify();
}

pub fn killed_writers_lose_and_repeat_nothing(home: &Home) {
    home.fixture.write("run.json", &run_document().to_string());
    let rounds = std::env::var("IMAX_TEST_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seed: u64 = std::env::var("IMAX_TEST_SEED").map_or(20_261_130, |seed| seed.parse().unwrap());
    let mut state = seed;
    for first in (0..rounds).step_by(usize::try_from(ROUNDS_OF_A_HISTORY).unwrap()) {
        let of_history = home.another(first / ROUNDS_OF_A_HISTORY);
        rounds_over(&of_history, ROUNDS_OF_A_HISTORY.min(rounds - first), &mut state);
    }
}

/// Rounds of two writers, one of which is killed.
fn rounds_over(home: &Home, rounds: u64, state: &mut u64) {
    let mut stored = BTreeSet::new();
    let mut killed = BTreeSet::new();
    for round in 0..rounds {
        let (victim, survivor) = (2 * round, 2 * round + 1);
        let mut dying = start(home, victim);
        let living = start(home, survivor);
        kill_at_random(home, &mut dying, state);
        // A writer that was faster than its killer has reported success.
        if dying.finish().code == Some(0) {
            stored.insert(victim)
        } else {
            killed.insert(victim)
        };
        let ended = living.finish();
        assert_eq!(ended.code, Some(0), "round {round}: {}", ended.stderr);
        stored.insert(survivor);
    }
    home.verify();
    let found: Vec<Value> = home.list(&[]);
    let runs: BTreeSet<u64> = found.iter().map(|run| run["run_id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(runs.len(), found.len(), "no run is there twice");
    assert!(found.iter().all(|run| run["points"] == json!(POINTS)), "no run is there in part");
    assert!(runs.is_superset(&stored), "lost: {:?}", stored.difference(&runs));

    // Whether a killed writer had committed, the same run again makes it whole.
    for run in &killed {
        assert_eq!(start(home, *run).finish().code, Some(0));
    }
    assert_eq!(home.list(&[]).len() as u64, 2 * rounds);
    home.verify();
}
