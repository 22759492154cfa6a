//! Measurements for the tests of other modules of `load`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::load::health::Clock;
use crate::load::settings::{Dataset, Protocol, RandomLengths, Target};

/// A measurement with these records and a healthy client.
pub fn measured(records: Vec<Record>) -> Measured {
    measured_with(records, |_| {})
}

/// A measurement with these records and a client whose health `change` has modified.
pub fn measured_with(records: Vec<Record>, change: impl FnOnce(&mut Health)) -> Measured {
    let one = NonZeroU32::MIN;
    let lengths = RandomLengths::exact(one, one);
    let target = Target::from_base_url("http://h", "/", Protocol::Completions).unwrap();
    let mut health = Health {
        clock: Clock::Kernel,
        cpu_time: Duration::from_millis(1),
        wall_time: Duration::from_secs(1),
        threads: 1,
        read_lag_ms: Distribution::default(),
        connections: 1,
        open_connections: 1,
        peak_memory: 0,
        resent: 0,
        unsent: 0,
        asked_rate: None,
        clock_step: Duration::ZERO,
    };
    change(&mut health);
    let run = Run {
        started: Stamp::default(),
        ended: records.iter().map(|record| record.ended).max().unwrap_or_default(),
        records,
        folded: None,
        chunk_store: None,
        health,
        interrupted: false,
        stride: None,
        new_servers: Vec::new(),
    };
    Measured::new(BenchmarkSettings::new(target, "m", Dataset::Random(lengths), one), run, None, 0)
}
