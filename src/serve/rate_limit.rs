//! Limits of requests by token or address, with the headers of draft-ietf-httpapi-ratelimit-headers.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

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

/// Requests are counted by IPv4 address, or by the network of an IPv6 address: a host has a /64 of them.
type Limiter = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

/// The limit of each client; none if it is 0.
#[derive(Debug)]
pub(super) struct RateLimits(Option<Limit>);

#[derive(Debug)]
struct Limit {
    limiter: Limiter,
    clock: DefaultClock,
    burst: u32,
}

impl RateLimits {
    pub(super) fn new(requests_per_second: u32) -> Self {
        let Some(rate) = NonZeroU32::new(requests_per_second) else {
            return Self(None);
        };
        let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_S - 1));
        let quota = Quota::per_second(rate).allow_burst(burst);
        Self(Some(Limit {
            limiter: RateLimiter::dashmap(quota).with_middleware(),
            clock: DefaultClock::default(),
            burst: burst.get(),
        }))
    }
}

/// Counts a request, refuses it above the limit, and says what is left.
pub(super) async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(limit) = &app.rates.0 else {
        return next.run(request).await;
    };
    if limit.limiter.len() > MOST_CLIENTS {
        limit.limiter.retain_recent();
    }
    let client = client(&request, app.rules.is_behind_proxy);
    let mut response = match limit.limiter.check_key(&client) {
        Ok(left) => {
            let mut response = next.run(request).await;
            state(response.headers_mut(), left.remaining_burst_capacity(), Duration::from_secs(1));
            response
        }
        Err(until) => {
            let wait = until.wait_time_from(limit.clock.now());
            let retry_s = wait.as_secs().saturating_add(1);
            let mut response = ApiError::RateLimited { retry_s }.into_response();
            state(response.headers_mut(), 0, Duration::from_secs(retry_s));
            response
        }
    };
    let policy = format!("\"default\";q={};w={BURST_S}", limit.burst);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(POLICY, policy);
    }
    response
}

fn state(headers: &mut HeaderMap, left: u32, reset: Duration) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"default\";r={left};t={}", reset.as_secs())) {
        headers.insert(STATE, value);
    }
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
