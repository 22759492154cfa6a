//! Work that blocks its thread, such as a query of the node's GPUs. It runs on the current thread; the runtime moves other tasks to
//! other threads.

/// Runs work that blocks. It must observe the job's stop signal or have a deadline of its own.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
