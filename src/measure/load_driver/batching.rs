//! Fewer wake-ups. Arrival instants come from the kernel, so a client with many streams may read late without being
//! wrong; it then finds more to read each time it wakes. With a few streams that would only cost sleeps.

use std::time::{Duration, Instant};

/// The longest time between two wake-ups.
const LONGEST: Duration = Duration::from_millis(1);
/// At most this part of the time between two chunks of a stream, so that two chunks seldom meet in one read, which has
/// one instant only.
const PART_OF_CHUNK_TIME: u32 = 5;
/// Below this many streams a wake-up finds hardly more than one chunk anyway.
pub const FEWEST_STREAMS: usize = 32;
/// Shorter sleeps cost more than the wake-ups that they save.
const SHORTEST: Duration = Duration::from_micros(100);

/// When to look at the sockets again.
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
    /// Notes a wake-up.
    pub fn woke(&mut self, now: Instant) {
        self.last_wake = now;
    }

    /// How long to sleep before the sockets are looked at, where `wait` is the time to the next thing to do.
    #[must_use]
    pub fn pause(&self, wait: Duration) -> Option<Duration> {
        if self.interval.is_zero() {
            return None;
        }
        let left = self.interval.checked_sub(self.last_wake.elapsed())?.min(wait);
        (left >= SHORTEST).then_some(left)
    }

    /// Sets the interval from what the last window of time brought: so many reads on so many streams.
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
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    let chunk_time = window.saturating_mul(streams) / reads;
    (chunk_time / PART_OF_CHUNK_TIME).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_with_many_streams_and_a_fifth_of_the_chunk_time_at_most() {
        let window = Duration::from_millis(50);
        for (streams, reads, expected_us) in [
            // 10 ms between chunks: a fifth is 2 ms, and 1 ms is the most.
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
    fn never_sleeps_beyond_the_next_thing_to_do() {
        let batching = Batching {
            interval: Duration::from_secs(1000),
            ..Batching::default()
        };
        assert_eq!(batching.pause(Duration::from_millis(3)), Some(Duration::from_millis(3)));
        assert_eq!(batching.pause(Duration::ZERO), None);
        assert_eq!(Batching::default().pause(Duration::from_millis(3)), None);
    }
}
