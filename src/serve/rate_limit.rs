//! Limits of requests by token or address, with the headers of draft-ietf-httpapi-ratelimit-headers.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::app::{App, PeerAddress};
use super::error::ApiError;

/// A client may send this many seconds' requests at once.
const BURST_S: u32 = 4;
/// Clients that are known before those that are idle are forgotten.
const MOST_CLIENTS: usize = 100_000;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Requests by address, and by token where there is one.
#[derive(Debug)]
pub(super) struct RateLimits {
    /// By IPv4 address, or by the network of an IPv6 address: a host has a /64 of them.
    addresses: Option<Limit<IpAddr>>,
    /// By the number of the token.
    tokens: Option<Limit<i64>>,
}

#[derive(Debug)]
struct Limit<K: Hash + Eq + Clone> {
    /// Its name in the headers.
    name: &'static str,
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    burst: u32,
}

/// A request that was counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    name: &'static str,
    burst: u32,
    /// Requests that may follow at once.
    left: u32,
    /// When to try again, for a request above the limit, s.
    retry_s: Option<u64>,
}

impl RateLimits {
    /// Requests a second of an address and of a token; no limit if it is 0.
    pub(super) fn new(of_address: u32, of_token: u32) -> Self {
        Self {
            addresses: Limit::new("default", of_address),
            tokens: Limit::new("token", of_token),
        }
    }

    /// Counts a request with a valid token; `None` without a limit.
    pub(super) fn count_token(&self, token: i64) -> Option<Counted> {
        Some(self.tokens.as_ref()?.count(&token))
    }
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, requests_per_second: u32) -> Option<Self> {
        let rate = NonZeroU32::new(requests_per_second)?;
        let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_S - 1));
        let quota = Quota::per_second(rate).allow_burst(burst);
        Some(Self {
            name,
            limiter: RateLimiter::dashmap(quota).with_middleware(),
            clock: DefaultClock::default(),
            burst: burst.get(),
        })
    }

    fn count(&self, client: &K) -> Counted {
        if self.limiter.len() > MOST_CLIENTS {
            self.limiter.retain_recent();
        }
        let (left, retry_s) = match self.limiter.check_key(client) {
            Ok(left) => (left.remaining_burst_capacity(), None),
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                (0, Some(wait.as_secs().saturating_add(1)))
            }
        };
        Counted {
            name: self.name,
            burst: self.burst,
            left,
            retry_s,
        }
    }
}

impl Counted {
    pub(super) fn is_above(&self) -> bool {
        self.retry_s.is_some()
    }

    pub(super) fn refusal(&self) -> ApiError {
        ApiError::RateLimited {
            retry_s: self.retry_s.unwrap_or_default(),
        }
    }

    /// Adds what is left to an answer.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let Self {
            name,
            burst,
            left,
            retry_s,
        } = self;
        for (header, text) in [
            (STATE, format!("\"{name}\";r={left};t={}", retry_s.unwrap_or(1))),
            (POLICY, format!("\"{name}\";q={burst};w={BURST_S}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                // A list may be in several fields (RFC 9651, section 4.2).
                headers.append(header, value);
            }
        }
    }
}

/// Counts a request by its address, refuses it above the limit, and says what is left.
pub(super) async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(limit) = &app.rates.addresses else {
        return next.run(request).await;
    };
    let counted = limit.count(&client(&request, app.rules.is_behind_proxy));
    let mut response = if counted.is_above() {
        counted.refusal().into_response()
    } else {
        next.run(request).await
    };
    counted.mark(response.headers_mut());
    response
}

/// A token does not identify a client before it is checked: a new invalid one could be sent with each request.
fn client(request: &Request, is_behind_proxy: bool) -> IpAddr {
    let peer = request.extensions().get::<PeerAddress>().map(|peer| peer.0.ip());
    let forwarded = if is_behind_proxy { forwarded(request.headers()) } else { None };
    network(forwarded.or(peer).unwrap_or(IpAddr::from([0, 0, 0, 0])))
}

/// The address that the proxy saw, the last one; those before it are what the client claims.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").into_iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::from((u128::from(address) >> 64 << 64).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn client_is_the_address_that_the_proxy_saw() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "10.9.9.9".parse().unwrap());
        headers.append("x-forwarded-for", "1.2.3.4, 192.0.2.7".parse().unwrap());
        assert_eq!(forwarded(&headers), Some("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn addresses_of_a_network_are_one_client() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
        }
    }
}
