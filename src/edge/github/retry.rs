//! What is tried again, and when: answers that say "later" are believed, within a bound.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often and how patiently requests are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// The wait after the first failure; it doubles each time.
    pub first_wait: Duration,
    /// The longest wait that is accepted, also where GitHub asks for it. Longer ones end the request.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// Secondary limits ask for about a minute (GitHub's documentation), so waits up to two are accepted.
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(120),
        }
    }
}

/// What an answer means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// It is the answer.
    Accept,
    /// Ask again after the policy's own wait.
    Again,
    /// Ask again after this time.
    After(Duration),
}

/// The headers that a limit is told with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LimitHeaders {
    /// `retry-after`, seconds.
    pub retry_after: Option<u64>,
    /// `x-ratelimit-remaining`.
    pub remaining: Option<u64>,
    /// `x-ratelimit-reset`, seconds since 1970.
    pub reset: Option<u64>,
}

/// GitHub's rules: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>. 403 and 429 are limits
/// where their headers or words say so; a 403 that does not is a refusal.
pub(super) fn advise(status: u16, limits: &LimitHeaders, message: &str, now: SystemTime) -> Advice {
    let limited = match status {
        429 => true,
        403 => limits.retry_after.is_some() || limits.remaining == Some(0) || message.to_ascii_lowercase().contains("rate limit"),
        500.. => {
            return limits
                .retry_after
                .map_or(Advice::Again, |seconds| Advice::After(Duration::from_secs(seconds)));
        }
        _ => false,
    };
    if !limited {
        return Advice::Accept;
    }
    let until_reset = limits.reset.filter(|_| limits.remaining == Some(0)).map(|reset| {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // One second more, because the two clocks need not agree.
        Duration::from_secs(reset.saturating_sub(now) + 1)
    });
    match limits.retry_after.map(Duration::from_secs).or(until_reset) {
        Some(wait) => Advice::After(wait),
        None => Advice::Again,
    }
}

impl RetryPolicy {
    /// The wait after the `failed`-th failure, counted from one.
    pub(super) fn wait(&self, failed: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failed.saturating_sub(1));
        self.first_wait.saturating_mul(factor).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(retry_after: Option<u64>, remaining: Option<u64>, reset: Option<u64>) -> LimitHeaders {
        LimitHeaders {
            retry_after,
            remaining,
            reset,
        }
    }

    #[test]
    fn believes_what_github_says_about_later() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let none = limits(None, None, None);
        let seconds = |seconds| Advice::After(Duration::from_secs(seconds));
        for (status, limits, message, advice) in [
            (200, none.clone(), "", Advice::Accept),
            (404, none.clone(), "", Advice::Accept),
            (403, none.clone(), "Resource not accessible by integration", Advice::Accept),
            (403, none.clone(), "You have exceeded a secondary rate limit", Advice::Again),
            (403, limits(Some(60), None, None), "", seconds(60)),
            (403, limits(None, Some(0), Some(1030)), "", seconds(31)),
            (403, limits(None, Some(0), Some(900)), "", seconds(1)),
            (429, limits(Some(2), Some(10), Some(1030)), "", seconds(2)),
            (429, none.clone(), "", Advice::Again),
            (502, none.clone(), "", Advice::Again),
            (503, limits(Some(5), None, None), "", seconds(5)),
        ] {
            assert_eq!(advise(status, &limits, message, now), advice, "{status} {limits:?}");
        }
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
}
