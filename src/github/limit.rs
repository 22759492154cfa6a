//! Rate limits: which responses mean that a request should be sent again, and when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What to do after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    Accept,
    /// Retry after the policy's own delay.
    Retry,
    /// Retry after this time.
    RetryAfter(Duration),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LimitHeaders {
    /// `retry-after`, seconds.
    pub retry_after: Option<u64>,
    /// `x-ratelimit-remaining`.
    pub remaining: Option<u64>,
    /// `x-ratelimit-reset`, seconds since 1970.
    pub reset: Option<u64>,
    /// `date`: the time of the response by GitHub's clock, seconds since 1970.
    pub date: Option<u64>,
}

/// The delay at a limit without a time: GitHub asks for at least a minute.
const DEFAULT_DELAY: Duration = Duration::from_secs(60);

/// GitHub's rules: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>. A 403 is a rate limit if its
/// headers or its message say so; otherwise it is a refusal.
pub(super) fn advise(status: u16, limits: &LimitHeaders, message: &str, now: SystemTime) -> Advice {
    let limited = match status {
        429 => true,
        403 => limits.retry_after.is_some() || limits.remaining == Some(0) || message.to_ascii_lowercase().contains("rate limit"),
        500.. => {
            return limits
                .retry_after
                .map_or(Advice::Retry, |seconds| Advice::RetryAfter(Duration::from_secs(seconds)));
        }
        _ => false,
    };
    if !limited {
        return Advice::Accept;
    }
    let until_reset = limits.reset.filter(|_| limits.remaining == Some(0)).map(|reset| {
        // The reset is a time of GitHub's clock. This machine's clock may be minutes off, so GitHub's `date` is used.
        let own_clock = || now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = limits.date.unwrap_or_else(own_clock);
        // One second more, because the reset is in whole seconds.
        Duration::from_secs(reset.saturating_sub(now) + 1)
    });
    match limits.retry_after.map(Duration::from_secs).or(until_reset) {
        Some(wait) => Advice::RetryAfter(wait),
        None => Advice::RetryAfter(DEFAULT_DELAY),
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
            date: None,
        }
    }

    #[test]
    fn delay_follows_status_and_headers() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let none = limits(None, None, None);
        let seconds = |seconds| Advice::RetryAfter(Duration::from_secs(seconds));
        for (status, limits, message, advice) in [
            (200, none.clone(), "", Advice::Accept),
            (404, none.clone(), "", Advice::Accept),
            (403, none.clone(), "Resource not accessible by integration", Advice::Accept),
            (403, none.clone(), "You have exceeded a secondary rate limit", seconds(60)),
            (403, limits(Some(60), None, None), "", seconds(60)),
            (403, limits(None, Some(0), Some(1030)), "", seconds(31)),
            (403, limits(None, Some(0), Some(900)), "", seconds(1)),
            (429, limits(Some(2), Some(10), Some(1030)), "", seconds(2)),
            (429, none.clone(), "", seconds(60)),
            (502, none.clone(), "", Advice::Retry),
            (503, limits(Some(5), None, None), "", seconds(5)),
        ] {
            assert_eq!(advise(status, &limits, message, now), advice, "{status} {limits:?}");
        }
    }

    #[test]
    fn reset_is_relative_to_the_date_header() {
        let an_hour_slow = UNIX_EPOCH + Duration::from_secs(1000);
        let headers = LimitHeaders {
            date: Some(4600),
            ..limits(None, Some(0), Some(4630))
        };
        assert_eq!(advise(403, &headers, "", an_hour_slow), Advice::RetryAfter(Duration::from_secs(31)));
    }
}
