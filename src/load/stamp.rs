//! Instants of a measurement. They count from the Unix epoch, as the kernel's receive time stamps do, so that instants
//! taken by the client and by the kernel can be subtracted from each other.

use std::time::{Duration, Instant};

use crate::model::saturating;

/// An instant in nanoseconds since the Unix epoch, by the system's real-time clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(u64);

impl Stamp {
    /// The instant that many nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn unix_seconds(self) -> f64 {
        Duration::from_nanos(self.0).as_secs_f64()
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant `time` before this one; the epoch if that would be before the epoch.
    #[must_use]
    pub fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(saturating::to_u64(time.as_nanos())))
    }

    /// The instant `time` after this one.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(saturating::to_u64(time.as_nanos())))
    }
}

/// Number of attempts to read both clocks. The thread may be preempted during one attempt, but hardly during all of them.
const READINGS: usize = 5;

/// The same instant by two clocks, given as functions that read them. The clocks cannot be read at once, so the real-time clock is read
/// between two readings of the monotonic clock. Of several attempts, the one with the shortest time between these two is used.
pub fn by_both_clocks(real: impl Fn() -> Stamp, monotonic: impl Fn() -> Instant) -> (Stamp, Instant) {
    let mut closest = reading(&real, &monotonic);
    for _ in 1..READINGS {
        let again = reading(&real, &monotonic);
        if again.0 < closest.0 {
            closest = again;
        }
    }
    (closest.1, closest.2)
}

/// One reading: how long it took, the real time, and the middle of the monotonic instants around it.
fn reading(real: impl Fn() -> Stamp, monotonic: impl Fn() -> Instant) -> (Duration, Stamp, Instant) {
    let before = monotonic();
    let stamp = real();
    let apart = monotonic().saturating_duration_since(before);
    (apart, stamp, before + apart / 2)
}

/// A duration in milliseconds, as results state it.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn one_delayed_reading_does_not_skew_the_clocks() {
        // Both clocks show a time that advances by 1 µs with each reading, and once by 1 s.
        for held_up_at in 0..6 {
            let (start, time, readings) = (Instant::now(), Cell::new(Duration::ZERO), Cell::new(0));
            let read = || {
                let pause = if readings.get() == held_up_at { 1_000_000 } else { 1 };
                time.set(time.get() + Duration::from_micros(pause));
                readings.set(readings.get() + 1);
                time.get()
            };
            let (real, monotonic) = by_both_clocks(|| Stamp::default().after(read()), || start + read());
            assert_eq!(real.since(Stamp::default()), monotonic - start, "{held_up_at}");
        }
    }
}
