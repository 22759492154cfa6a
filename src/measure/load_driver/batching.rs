//! Batches reads to save wake-ups. The kernel stamps arrivals, so a client with many streams may read late without an error in the
//! times; each wake-up then reads more chunks. With few streams there is nothing to save.

use std::time::{Duration, Instant};

use crate::model::saturating;

/// Maximum time between two wake-ups.
const LONGEST: Duration = Duration::from_millis(1);
/// The interval is at most this fraction of the time between two chunks of a stream. Two chunks in one read would share one time
/// stamp.
const PART_OF_CHUNK_TIME: u32 = 5;
/// With fewer streams a wake-up seldom finds more than one chunk.
pub const FEWEST_STREAMS: usize = 32;
/// Shorter sleeps cost more than they save.
const SHORTEST: Duration = Duration::from_micros(100);

/// Decides when the sockets are polled again.
#[derive(Debug)]
pub struct Batching {
    interval: Duration,
    last_wake: Instant,
    window_start: Instant,
}

impl Default for Batching {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            interval: Duration::ZERO,
            last_wake: now,
            window_start: now,
        }
    }
}

impl Batching {
    /// Records a wake-up.
    pub fn woke(&mut self, now: Instant) {
        self.last_wake = now;
    }

    /// How long to sleep before the sockets are polled; at most `wait`, the time to the next task.
    #[must_use]
    pub fn pause(&self, wait: Duration) -> Option<Duration> {
        if self.interval.is_zero() {
            return None;
        }
        let left = self.interval.checked_sub(self.last_wake.elapsed())?.min(wait);
        (left >= SHORTEST).then_some(left)
    }

    /// Sets the interval from the number of reads and streams in the last time window.
    pub fn adapt(&mut self, streams: usize, reads: u32, has_kernel_clock: bool) {
        let window = self.window_start.elapsed();
        self.window_start = Instant::now();
        self.interval = if has_kernel_clock {
            interval(streams, reads, window)
        } else {
            Duration::ZERO
        };
    }
}

fn interval(streams: usize, reads: u32, window: Duration) -> Duration {
    if streams < FEWEST_STREAMS || reads == 0 {
        return Duration::ZERO;
    }
    let streams = saturating::to_u32(streams);
    let chunk_time = window.saturating_mul(streams) / reads;
    (chunk_time / PART_OF_CHUNK_TIME).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_a_fifth_of_the_chunk_time_and_needs_many_streams() {
        let window = Duration::from_millis(50);
        for (streams, reads, expected_us) in [
            // 10 ms between chunks: a fifth is 2 ms, limited to 1 ms.
            (1000, 5000, 1000),
            // 2 ms between chunks.
            (1000, 25_000, 400),
            (8, 40, 0),
            (1000, 0, 0),
        ] {
            assert_eq!(
                interval(streams, reads, window),
                Duration::from_micros(expected_us),
                "{streams} {reads}"
            );
        }
    }

    #[test]
    fn sleep_ends_before_the_next_task() {
        let batching = Batching {
            interval: Duration::from_secs(1000),
            ..Batching::default()
        };
        assert_eq!(batching.pause(Duration::from_millis(3)), Some(Duration::from_millis(3)));
        assert_eq!(batching.pause(Duration::ZERO), None);
        assert_eq!(Batching::default().pause(Duration::from_millis(3)), None);
    }
}
