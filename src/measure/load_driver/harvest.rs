//! The results of one client thread, and their merge over all threads.

use crate::load::Distribution;

/// Results of one client thread.
#[derive(Debug, Default)]
pub struct Harvest {
    /// Samples of the delay between arrival and read, ms.
    pub read_lag_ms: Distribution,
    /// Number of connections opened.
    pub connections: u32,
    /// Maximum number of connections open at once.
    pub open_connections: u32,
    /// Requests resent because the server had closed the kept connection.
    pub resent: u32,
    /// Whether some bytes had no kernel time stamp.
    pub without_kernel_clock: bool,
}

impl Harvest {
    /// Merges the results of all threads.
    #[must_use]
    pub fn of_all(shares: Vec<Self>) -> Self {
        let mut whole = Self::default();
        for share in shares {
            whole.read_lag_ms.merge(&share.read_lag_ms);
            whole.connections += share.connections;
            whole.open_connections += share.open_connections;
            whole.resent += share.resent;
            whole.without_kernel_clock |= share.without_kernel_clock;
        }
        whole
    }
}
