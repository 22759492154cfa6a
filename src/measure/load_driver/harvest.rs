//! What a client thread brings home of a run, and how the threads' shares become one.

use crate::load::Record;

/// A thread's share.
#[derive(Debug, Default)]
pub struct Harvest {
    /// Records of the requests it started.
    pub records: Vec<Record>,
    /// Samples of how late it read.
    pub read_lag_ms: Vec<f64>,
    /// Connections it opened.
    pub connections: u32,
    /// Most connections that were open at once.
    pub open_connections: u32,
    /// Requests sent again on another connection, because the server had closed theirs before they came.
    pub resent: u32,
    /// Whether some bytes came without a kernel time stamp.
    pub without_kernel_clock: bool,
}

impl Harvest {
    /// The shares of all threads together.
    #[must_use]
    pub fn of_all(shares: Vec<Self>) -> Self {
        let mut whole = Self::default();
        for share in shares {
            whole.records.extend(share.records);
            whole.read_lag_ms.extend(share.read_lag_ms);
            whole.connections += share.connections;
            whole.open_connections += share.open_connections;
            whole.resent += share.resent;
            whole.without_kernel_clock |= share.without_kernel_clock;
        }
        whole
    }
}
