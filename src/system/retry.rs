//! Retries of network requests with exponential backoff.

use std::time::Duration;

use tokio::time;

/// Number of attempts and waits between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum number of attempts, including the first.
    pub attempts: u32,
    /// Wait after the first failure; it doubles with each failure.
    pub first_wait: Duration,
    /// Maximum wait. A server that asks for a longer one (`Retry-After`) ends the request.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// GitHub's secondary rate limits ask for about a minute according to its documentation, so up to two minutes are accepted.
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(120),
        }
    }
}

/// Result of one attempt.
pub(crate) enum Attempt<T> {
    /// Final: a success, or a failure that a retry cannot change.
    Done(T),
    Again {
        /// Delay requested by the server; `None` for the policy's delay.
        wait: Option<Duration>,
        reason: String,
    },
}

/// Why no further attempt was made.
#[derive(Debug)]
pub(crate) enum GaveUp {
    /// All attempts failed.
    Exhausted {
        /// Number of attempts.
        attempts: u32,
        /// The last failure.
        reason: String,
    },
    /// The server asks for a longer wait than the policy accepts.
    TooLong { wait: Duration },
}

impl RetryPolicy {
    /// Makes attempts until one is final.
    pub(crate) async fn run<T, F: Future<Output = Attempt<T>>>(&self, mut attempt: impl FnMut() -> F) -> Result<T, GaveUp> {
        let mut failed = 0;
        loop {
            let (wait, reason) = match attempt().await {
                Attempt::Done(done) => return Ok(done),
                Attempt::Again { wait, reason } => (wait, reason),
            };
            failed += 1;
            let wait = wait.unwrap_or_else(|| self.wait(failed));
            if wait > self.longest_wait {
                return Err(GaveUp::TooLong { wait });
            }
            if failed >= self.attempts {
                return Err(GaveUp::Exhausted { attempts: failed, reason });
            }
            tracing::info!(failed, ?wait, reason, "request failed, trying again");
            time::sleep(wait).await;
        }
    }

    /// The wait after the `failed`-th failure, counted from one.
    fn wait(&self, failed: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failed.saturating_sub(1));
        self.first_wait.saturating_mul(factor).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 3,
        first_wait: Duration::ZERO,
        longest_wait: Duration::from_secs(5),
    };

    fn again(wait: Option<Duration>) -> Attempt<u32> {
        let reason = "busy".to_owned();
        Attempt::Again { wait, reason }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = RetryPolicy {
            attempts: 9,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(5),
        };
        let waits: Vec<u64> = (1..=5).map(|failed| policy.wait(failed).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
    }

    #[tokio::test]
    async fn final_attempt_ends_the_retries() {
        let made = Cell::new(0);
        let done = POLICY.run(async || {
            made.set(made.get() + 1);
            if made.get() < 3 { again(None) } else { Attempt::Done(made.get()) }
        });
        assert_eq!(done.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn attempts_and_waits_are_bounded() {
        let exhausted = POLICY.run(async || again(None)).await;
        assert!(matches!(exhausted, Err(GaveUp::Exhausted { attempts: 3, .. })), "{exhausted:?}");
        let wait = Duration::from_secs(6);
        let too_long = POLICY.run(async || again(Some(wait))).await;
        assert!(
            matches!(too_long, Err(GaveUp::TooLong { wait: asked }) if asked == wait),
            "{too_long:?}"
        );
    }
}
