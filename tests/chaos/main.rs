//! Jobs that are disturbed at random instants: signals, kills, pauses, a full disk, limits of memory and file size, dead engines, containers
//! and container engines, a network that is cut, a clock that is set. Whatever happens, nothing is left and the exit code is a documented one.
//!
//!     cargo test --test chaos -- --ignored --nocapture
//!
//! `IMAX_CHAOS_ROUNDS` is the number of rounds (60), `IMAX_CHAOS_MINUTES` a time instead; `IMAX_CHAOS_SEED` repeats a run, whose seed is
//! printed, and `IMAX_CHAOS_ROUND` a single round of it. `IMAX_CHAOS_LAUNCHERS` is a list of local, docker and slurm; by default those whose
//! programs are installed. The clock is set where libfaketime is installed. The instants depend on the machine too, so that a seed repeats the disturbances and not the exact interleaving.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should panic, and its lines are for people"
)]

#[path = "../running/slurm/cluster.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod cluster;
#[path = "../running/container_engine.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod container_engine;
mod disturbance;
#[path = "../running/fixture.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod fixture;
#[path = "../harness/mod.rs"]
mod harness;
mod launcher;
#[path = "../running/stopwatch.rs"]
mod stopwatch;
mod surroundings;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use disturbance::Disturbance;
use launcher::Launcher;

/// The latest instant of a disturbance, after the start of the job: some come before the engine is ready, most during the load.
const LATEST: Duration = Duration::from_millis(3500);
const ROUNDS: u64 = 60;

#[test]
#[ignore = "needs root, and docker.io and slurm-wlm for their launchers"]
fn nothing_is_left_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seed = number("IMAX_CHAOS_SEED").unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let launchers = Launcher::wanted();
    let until = number("IMAX_CHAOS_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let rounds = number("IMAX_CHAOS_ROUNDS").unwrap_or(ROUNDS);
    let first = number("IMAX_CHAOS_ROUND").unwrap_or(0);
    eprintln!("seed {seed}, launchers {launchers:?}");
    let mut done = 0;
    for round in first.. {
        let is_over = match until {
            Some(until) => Instant::now() >= until,
            None => done >= rounds,
        };
        if is_over || (done > 0 && number("IMAX_CHAOS_ROUND").is_some()) {
            break;
        }
        disturb(seed, round, &launchers);
        done += 1;
    }
    eprintln!("{done} rounds, nothing left");
}

fn disturb(seed: u64, round: u64, launchers: &[Launcher]) {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let launcher = launchers[random.random_range(0..launchers.len())];
    let possible = Disturbance::of(launcher);
    let disturbance = possible[random.random_range(0..possible.len())];
    let after = LATEST.mul_f64(random.random_range(0.0..1.0));
    let again = Duration::from_millis(random.random_range(0..800));
    eprintln!("round {round}: {launcher:?}, {disturbance:?} after {:.3} s", after.as_secs_f64());
    let job = launcher.start(disturbance);
    std::thread::sleep(after);
    disturbance.strike(job, again);
}
