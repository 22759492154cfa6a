//! The one tokio runtime of the process. `main` builds it; synchronous code uses it to wait for futures.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Builder, Runtime};

/// Worker threads. Tasks on them wait for sockets, processes and timers; computations have threads of their own. More workers would
/// only disturb measurements on the same machine.
const WORKERS: usize = 2;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

static IS_BEING_BUILT: AtomicBool = AtomicBool::new(false);

/// Whether the runtime is being built. tokio panics where it gets no thread, and unwinding then waits for its first worker, which nobody has
/// told to end: who sees that panic must end the process. Nothing was started yet.
#[must_use]
pub fn is_being_built() -> bool {
    IS_BEING_BUILT.load(Ordering::Acquire)
}

/// The runtime, built at the first call. It is never shut down: a blocking task that hangs must not keep the process from
/// exiting.
///
/// # Errors
/// If the system grants no threads or no epoll instance.
pub fn runtime() -> io::Result<&'static Runtime> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    IS_BEING_BUILT.store(true, Ordering::Release);
    let built = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("imax")
        .enable_all()
        .build();
    IS_BEING_BUILT.store(false, Ordering::Release);
    let built = built?;
    Ok(RUNTIME.get_or_init(|| built))
}

/// Runs a future to its end on this thread: the bridge from synchronous code to asynchronous.
///
/// # Errors
/// As [`runtime`].
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = runtime()?;
    // On a worker thread, blocking is only allowed inside `block_in_place`; on other threads this call has no effect.
    Ok(tokio::task::block_in_place(|| runtime.block_on(future)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nests_and_works_from_any_thread() {
        let nested = block_on(async { block_on(async { 1 }).unwrap() }).unwrap();
        let task = block_on(async { tokio::task::spawn_blocking(|| block_on(async { 2 }).unwrap()).await }).unwrap();
        let worker = block_on(async { tokio::spawn(async { block_on(async { 3 }).unwrap() }).await }).unwrap();
        let thread = std::thread::spawn(|| block_on(async { 4 }).unwrap()).join().unwrap();
        assert_eq!([nested, task.unwrap(), worker.unwrap(), thread], [1, 2, 3, 4]);
    }
}
