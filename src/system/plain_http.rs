//! The bridge from synchronous code to [`http_client::send`].

use std::time::Duration;

use crate::system::http_client::send;
use crate::system::runtime::block_on;

pub use crate::system::http_client::{Answer, HttpError, Question};

/// Interval at which the caller is asked whether to go on. Callers that have a [`crate::system::cancellation::Cancellation`]
/// and can await use [`send`] and drop its future.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Sends a request and waits for the whole response, at most `limit` long and only while `go_on` says so.
///
/// # Errors
/// See [`HttpError`].
pub fn ask(question: Question<'_>, limit: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<Answer, HttpError> {
    let exchange = async {
        let mut exchange = std::pin::pin!(send(&question, limit));
        loop {
            tokio::select! {
                biased;
                answer = &mut exchange => return answer,
                () = tokio::time::sleep(CHECK_INTERVAL) => {
                    if !go_on() {
                        return Err(HttpError::GivenUp);
                    }
                }
            }
        }
    };
    block_on(exchange).map_err(HttpError::Runtime)?
}
