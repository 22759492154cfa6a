//! The client's own state during a run: whether its figures can be trusted, or whether it was the bottleneck.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;

/// Where the arrival instants of bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The kernel's receive time stamps: independent of when the client got to read.
    Kernel,
    /// The instant after the read returned.
    Read,
}

/// What the driver observed of itself.
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
    /// How far behind the event loop was: the time from the kernel's receipt of bytes to their reading, or by how much the wake-up
    /// itself was late where that is more. Sampled once a wake-up, milliseconds; empty without kernel time stamps.
    pub read_lag_ms: Distribution,
    /// Connections opened.
    pub connections: u32,
    /// Requests sent again on another connection, because the server had closed theirs after the last answer and before they came.
    pub resent: u32,
    /// Most memory that this process ever held, bytes.
    pub peak_memory: u64,
    /// Most connections that were open at once.
    pub open_connections: u32,
    /// Requests whose time came but that were not sent, because the run's time was over first.
    pub unsent: u32,
    /// Requests a second that the schedule asked for; `None` in a closed loop.
    pub asked_rate: Option<f64>,
    /// How far the real-time clock moved against the monotonic one during the run, in either direction.
    pub clock_step: Duration,
}

/// A step of the system's clock beyond this spoils time stamps of the kernel, which follow that clock. Slewing by a time
/// service stays below it: 500 ppm at most, and usually far less.
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
