//! The two clocks of a measurement: the real-time clock, which the kernel's receive time stamps follow, for instants
//! that are subtracted from each other; and the monotonic clock for deadlines. Watches that the first is not set.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::load::Stamp;

/// The present instant by the real-time clock.
#[must_use]
pub fn now() -> Stamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp::from_unix_nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

/// The offset between the two clocks at one instant.
#[derive(Debug, Clone, Copy)]
pub struct ClockWatch {
    real: Stamp,
    monotonic: Instant,
}

impl ClockWatch {
    /// Begins to watch.
    #[must_use]
    pub fn start() -> Self {
        Self {
            real: now(),
            monotonic: Instant::now(),
        }
    }

    /// How far the real-time clock has moved against the monotonic one since the start, in either direction.
    #[must_use]
    pub fn step(&self) -> Duration {
        let by_monotonic = self.monotonic.elapsed();
        let expected = self.real.after(by_monotonic);
        let found = now();
        found.since(expected).max(expected.since(found))
    }
}
