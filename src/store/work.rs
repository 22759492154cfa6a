//! How far long work is: counted by what does it, shown by whoever waits for it.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter of steps, such as runs that are read or files that are written. It only ever grows, so that work which starts again because another
/// writer was faster does not seem to lose what it had done.
#[derive(Debug, Default)]
pub(crate) struct Work {
    expected: AtomicU64,
    done: AtomicU64,
}

impl Work {
    /// Adds steps that are to be done.
    pub(crate) fn expect(&self, steps: usize) {
        self.expected.fetch_add(steps as u64, Ordering::Relaxed);
    }

    /// Adds steps that are done.
    pub(crate) fn advance(&self, steps: usize) {
        self.done.fetch_add(steps as u64, Ordering::Relaxed);
    }

    /// At least this number of steps is done.
    pub(super) fn reach(&self, steps: u64) {
        self.done.fetch_max(steps, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The steps of all, as far as is known; never fewer than are done.
    pub(crate) fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed).max(self.done())
    }
}
