//! Work on the history, apart from the connections of clients. Futures of statements borrow what `Send` cannot be shown for
//! (<https://github.com/rust-lang/rust/issues/110338>), and some compute for long: each request has a thread for blocking work while it is made.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::error::ApiError;

/// Runs work to its end, at most for a time.
///
/// # Errors
/// Those of the work; [`ApiError::TooSlow`] after the time.
pub(super) async fn on_blocking_thread<T, F>(time: Duration, work: impl FnOnce() -> F + Send + 'static) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ApiError>>,
{
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(async { tokio::time::timeout(time, work()).await }));
    match done.await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(ApiError::TooSlow(time.as_secs())),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(30);

/// The turns of reads. A read that waits costs no thread: five hundred threads, each with a heap of its own, took half a gigabyte.
#[derive(Debug, Clone)]
pub(super) struct ReadTurns(Arc<Semaphore>);

impl ReadTurns {
    /// Turns for this number of reads at a time.
    pub(super) fn new(reads: usize) -> Self {
        Self(Arc::new(Semaphore::new(reads)))
    }

    /// Runs a read to its end when it is its turn, at most for a time from then on.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if the turn does not come; those of [`on_blocking_thread`].
    pub(super) async fn run<T, F>(&self, time: Duration, work: impl FnOnce() -> F + Send + 'static) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>>,
    {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(ApiError::Busy);
        };
        // The turn is over with the work, not with a client that has gone.
        let work = move || async move {
            let _turn = turn;
            work().await
        };
        on_blocking_thread(time, work).await
    }
}
