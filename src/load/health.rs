//! The client's own state during a run: whether its figures can be trusted, or whether it was the bottleneck.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;

/// Where the arrival instants of bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The kernel's receive time stamps: independent of when the client reads.
    Kernel,
    /// The time after the read call returned.
    Read,
}

/// What the load driver measured about itself.
#[derive(Debug, Clone)]
pub struct Health {
    /// Where arrival instants came from; `Read` if any connection had to fall back to it.
    pub clock: Clock,
    /// CPU time of this process during the run, user and system.
    pub cpu_time: Duration,
    /// Wall time of the run.
    pub wall_time: Duration,
    /// Client threads.
    pub threads: u32,
    /// Lag of the event loop, milliseconds: the time from the kernel's receipt of bytes to their read, or the delay of the wake-up
    /// itself if that is longer. One sample per wake-up; empty without kernel time stamps.
    pub read_lag_ms: Distribution,
    /// Connections opened.
    pub connections: u32,
    /// Requests that were sent again on another connection, because the server had closed the idle connection before they arrived.
    pub resent: u32,
    /// Peak memory of this process, bytes.
    pub peak_memory: u64,
    /// Maximum number of connections that were open at once.
    pub open_connections: u32,
    /// Requests that were due but not sent, because the duration of the run was over.
    pub unsent: u32,
    /// Requests per second of the schedule; `None` in a closed loop.
    pub asked_rate: Option<f64>,
    /// How far the real-time clock moved against the monotonic one during the run, in either direction.
    pub clock_step: Duration,
}

/// Limit for steps of the system clock. Kernel time stamps follow that clock, so a larger step makes them unusable. Slewing by a
/// time service stays below it: 500 ppm at most, and usually far less.
pub const CLOCK_STEP_LIMIT: Duration = Duration::from_millis(5);

impl Health {
    /// CPU time as a share of what the client's threads could use, 0 to 1.
    #[must_use]
    pub fn cpu_share(&self) -> f64 {
        let available = self.wall_time.as_secs_f64() * f64::from(self.threads);
        if available > 0.0 {
            self.cpu_time.as_secs_f64() / available
        } else {
            0.0
        }
    }
}
