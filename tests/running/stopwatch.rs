//! How long a cancelled job took to end.

use std::fs;
use std::time::{Duration, Instant};

/// A cancelled job must have stopped everything by then.
const CANCELLED_WITHIN: Duration = Duration::from_secs(7);

/// No load of the machine explains a job that takes this long.
const HANGS: Duration = Duration::from_secs(60);

/// Measures the time since a signal. Time in which processes waited for CPU or disk on a busy machine is not counted: it says nothing
/// about imax.
pub struct Stopwatch {
    since: Instant,
    waited: Duration,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self {
            since: Instant::now(),
            waited: waited(),
        }
    }

    /// Asserts that a cancelled job, which printed `said`, ended in time.
    pub fn assert_cancelled_in_time(&self, said: &str) {
        let took = self.since.elapsed();
        let waited = waited().saturating_sub(self.waited);
        assert!(
            took.saturating_sub(waited) < CANCELLED_WITHIN && took < HANGS,
            "{took:?}, of which processes waited {waited:?} for CPU and disk: {said}"
        );
    }
}

/// The time since boot in which some process waited for a CPU or a disk
/// (<https://docs.kernel.org/accounting/psi.html>); zero on a kernel that does not count it.
fn waited() -> Duration {
    let total = |resource| {
        let text = fs::read_to_string(format!("/proc/pressure/{resource}")).ok()?;
        let some = text.lines().find(|line| line.starts_with("some "))?;
        some.rsplit_once("total=")?.1.trim().parse::<u64>().ok()
    };
    Duration::from_micros(["cpu", "io"].into_iter().filter_map(total).max().unwrap_or(0))
}
