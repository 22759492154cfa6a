//! The two clocks of a measurement. Durations are differences on the real-time clock, because the kernel's receive time stamps use
//! it; deadlines use the monotonic clock. [`ClockWatch`] detects steps of the real-time clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::load::Stamp;
use crate::load::stamp::by_both_clocks;
use crate::model::saturating;

/// The current time of the real-time clock.
#[must_use]
pub fn now() -> Stamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp::from_unix_nanos(saturating::to_u64(since_epoch.as_nanos()))
}

/// The offset between the two clocks at one instant.
#[derive(Debug, Clone, Copy)]
pub struct ClockWatch {
    real: Stamp,
    monotonic: Instant,
}

impl ClockWatch {
    /// Records the offset at the start.
    #[must_use]
    pub fn start() -> Self {
        let (real, monotonic) = by_both_clocks(now, Instant::now);
        Self { real, monotonic }
    }

    /// By how much the real-time clock has moved against the monotonic one since the start, in either direction.
    #[must_use]
    pub fn step(&self) -> Duration {
        let (found, monotonic) = by_both_clocks(now, Instant::now);
        let expected = self.real.after(monotonic.saturating_duration_since(self.monotonic));
        found.since(expected).max(expected.since(found))
    }
}
