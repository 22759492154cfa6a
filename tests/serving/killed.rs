//! Servers that are killed while they store: what was answered is stored, nothing is stored twice or in part, and a request that is sent again
//! ends well. Two servers and their writers on one history.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::{Served, send_to, sqlite};
use crate::fixture::Fixture;
use crate::postgres::Server;
use crate::writes::run_of;

/// Rounds of an ingest and a kill; `IMAX_TEST_ROUNDS` sets another number.
const ROUNDS: u64 = 20;
/// Points of a run, so that its transaction has some hundred kilobytes.
const POINTS: u32 = 150;

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): the same instants in each run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A run with many points and a number of its own.
fn large_run(number: u64) -> String {
    let mut run = run_of("2026-12-01T05:00:00Z", "killed");
    run["run_id"] = json!(number.to_string());
    run["context"] = json!({ "provider": "github", "repository": "octo/bench", "attempt": 1 });
    let point = run["run"]["points"][0].clone();
    let points: Vec<Value> = (1..=POINTS)
        .map(|conc| {
            let mut point = point.clone();
            point["key"]["conc"] = json!(conc);
            point
        })
        .collect();
    run["run"]["points"] = json!(points);
    run.to_string()
}

fn token(fixture: &Fixture, history: &str) -> String {
    let made = fixture.imax(&["token", "create", "--history", history, "--name", "ci", "--scope", "ingest"], &[]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    format!("Bearer {}", made.stdout.trim())
}

/// Sends a run. `None` where the server died before it answered.
fn ingest(address: &str, bearer: &str, number: u64) -> Option<Value> {
    let key = format!("run-{number}");
    let headers = [("Authorization", bearer), ("Idempotency-Key", key.as_str())];
    let answer = send_to(address, "POST", "/api/v1/ingest", &headers, large_run(number).as_bytes());
    match answer.status {
        0 => None,
        200 => Some(answer.json()),
        status => panic!("{status}: {}", answer.text()),
    }
}

/// Waits until a server's transaction has come as far as an instant: by the size of SQLite's log, which is the same on a machine of any speed,
/// or by a number of looks. Ends early where the answer is there.
fn await_instant(history: &str, state: &mut u64, is_answered: impl Fn() -> bool) {
    let log = format!("{history}-wal");
    let size = random(state) % 200_000;
    let looks = random(state) % 300;
    for look in 0.. {
        let grown = std::fs::metadata(&log).is_ok_and(|log| log.len() >= size);
        let is_late = history.starts_with("postgres") && look >= looks;
        if grown || is_late || is_answered() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn killed_servers_lose_and_repeat_nothing(fixture: &Fixture, history: &str) {
    let bearer = token(fixture, history);
    let rounds = std::env::var("IMAX_TEST_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut state = 20_261_201;
    for round in 0..rounds {
        let served = Served::start(history, &["--writes", "--token-rate-limit", "0"]);
        let address = served.address.clone();
        let answer = std::thread::scope(|scope| {
            let sending = scope.spawn(|| ingest(&address, &bearer, round));
            await_instant(history, &mut state, || sending.is_finished());
            served.signal(Signal::SIGKILL);
            sending.join().unwrap()
        });
        drop(served);
        let again = Served::start(history, &["--writes", "--token-rate-limit", "0"]);
        let second = ingest(&again.address, &bearer, round).expect("nobody kills this server");
        match answer {
            // Kept with the run, in one transaction: an answer that was given is given again.
            Some(first) => {
                assert_eq!(first, second, "round {round}");
            }
            // The run was stored or not; the answer of the one that stored it is the only one.
            None => {
                assert_eq!(second["runs"], json!({ "new": 1, "unchanged": 0, "revised": 0 }), "round {round}");
            }
        }
        assert_eq!(
            again.json(&format!("/api/v1/runs?branch=killed&limit={}", rounds + 1))["data"]
                .as_array()
                .unwrap()
                .len() as u64,
            round + 1
        );
        drop(again);
        // A command that writes and closes the history empties SQLite's log, whose growth is the clock of the next round.
        fixture.imax(&["token", "revoke", "999", "--history", history], &[]);
    }
    let last = Served::start(history, &[]);
    let listed = last.json(&format!("/api/v1/runs?branch=killed&limit={}", rounds + 1));
    let runs = listed["data"].as_array().unwrap();
    let numbers: std::collections::BTreeSet<&str> = runs.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!((runs.len() as u64, numbers.len() as u64), (rounds, rounds), "no run is there twice");
    assert!(runs.iter().all(|run| run["points"] == json!(POINTS)), "no run is there in part");
    let verified = fixture.imax(&["history", "verify", "--history", history], &[]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
}

#[test]
fn servers_on_sqlite_that_are_killed_lose_and_repeat_nothing() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    killed_servers_lose_and_repeat_nothing(&fixture, &history);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn servers_on_postgresql_that_are_killed_lose_and_repeat_nothing() {
    let fixture = Fixture::new();
    let server = Server::start();
    let history = server.database("killed");
    let nights = crate::client::ten_nights();
    let imported = fixture.imax(&["import", nights.to_str().unwrap(), "--to", &history], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    killed_servers_lose_and_repeat_nothing(&fixture, &history);
}

/// Two servers of one history, two writers at each: each run is sent to both.
fn two_servers_and_their_writers_store_once(fixture: &Fixture, history: &str) {
    const RUNS: u64 = 6;
    let bearer = token(fixture, history);
    let servers: Vec<Served> = (0..2)
        .map(|_| Served::start(history, &["--writes", "--token-rate-limit", "0"]))
        .collect();
    let new: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer: u64| {
                let (address, bearer) = (&servers[(writer % 2) as usize].address, &bearer);
                scope.spawn(move || {
                    let order = (0..RUNS).map(|at| if writer < 2 { at } else { RUNS - 1 - at });
                    // The same key and run from all writers: the answer of the one that stored it is everybody's.
                    order
                        .filter(|run| ingest(address, bearer, *run).unwrap()["runs"]["new"] == json!(1))
                        .count() as u64
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(new, [RUNS; 4], "one key, one answer");
    let listed: Vec<Value> = servers.iter().map(|served| served.json("/api/v1/runs?branch=killed")).collect();
    assert_eq!(listed[0]["data"].as_array().unwrap().len() as u64, RUNS);
    assert_eq!(listed[0], listed[1]);
    drop(servers);
    let verified = fixture.imax(&["history", "verify", "--history", history], &[]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
}

#[test]
fn two_servers_on_sqlite_store_each_run_once() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    two_servers_and_their_writers_store_once(&fixture, &history);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn two_servers_on_postgresql_store_each_run_once() {
    let fixture = Fixture::new();
    let server = Server::start();
    let history = server.database("writers");
    let nights = crate::client::ten_nights();
    let imported = fixture.imax(&["import", nights.to_str().unwrap(), "--to", &history], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    two_servers_and_their_writers_store_once(&fixture, &history);
}
