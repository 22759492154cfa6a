//! Work that blocks its thread, such as a look at the node's GPUs: it runs on the current thread, and the runtime's other tasks move to
//! other threads meanwhile.

/// Runs work that blocks. It must observe the job's stop signal or have a deadline of its own.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
