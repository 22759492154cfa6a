//! Work on the history, apart from the connections of clients. Futures of statements borrow what `Send` cannot be shown for
//! (<https://github.com/rust-lang/rust/issues/110338>), and some compute for long: each request has a thread for blocking work while it is made.

use std::time::Duration;

use tokio::runtime::Handle;

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
