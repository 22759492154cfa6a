//! The two clocks of a measurement: the real-time clock, which the kernel's receive time stamps follow, for instants
//! that are subtracted from each other; and the monotonic clock for deadlines. Watches that the first is not set.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::load::Stamp;
use crate::load::stamp::by_both_clocks;

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
        let (real, monotonic) = by_both_clocks(now, Instant::now);
        Self { real, monotonic }
    }

    /// How far the real-time clock has moved against the monotonic one since the start, in either direction.
    #[must_use]
    pub fn step(&self) -> Duration {
        let (found, monotonic) = by_both_clocks(now, Instant::now);
        let expected = self.real.after(monotonic.saturating_duration_since(self.monotonic));
        found.since(expected).max(expected.since(found))
    }
}
