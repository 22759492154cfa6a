//! Work that waits by itself, such as a launcher that talks to Docker: it runs on the current thread, and the runtime's other
//! tasks move to other threads meanwhile.

/// Runs work that blocks. It must observe the job's stop signal or have a deadline of its own.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
