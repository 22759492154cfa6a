//! Fault injection, for testing clients and pipelines. Which request gets which fault depends on the seed and the request's number
//! alone, so that a test can be repeated.

use std::str::FromStr;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

/// A fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An HTTP error status instead of a response.
    Status(u16),
    /// An HTML page with status 200, as some proxies send.
    Html,
    /// A valid stream without a single token.
    NoTokens,
    /// The connection is closed without a response.
    Close,
    /// The connection is reset in the middle of the response.
    Reset,
    /// The connection is closed in the middle of the response.
    Truncate,
    /// The response stalls in the middle; the connection stays open.
    Hang,
    /// An event that is not JSON in the middle of the response.
    Malformed,
    /// Usage reports more tokens than were sent.
    WrongUsage,
}

/// A fault and the share of requests that get it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultRate {
    pub fault: Fault,
    /// Share of requests, 0 to 1.
    pub share: f64,
}

/// Unknown fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "fault {0:?} is unknown, expected http_STATUS, html, no_tokens, close, reset, truncate, hang, malformed or wrong_usage, and a share from 0 to 1 \
     behind a colon where not all requests are meant, such as http_429:0.1"
)]
pub struct UnknownFault(String);

impl FromStr for FaultRate {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault(text.to_owned());
        let (name, share) = match text.split_once(':') {
            None => (text, 1.0),
            Some((name, share)) => (name, share.parse().map_err(|_| unknown())?),
        };
        let fault = match name {
            "html" => Fault::Html,
            "no_tokens" => Fault::NoTokens,
            "close" => Fault::Close,
            "reset" => Fault::Reset,
            "truncate" => Fault::Truncate,
            "hang" => Fault::Hang,
            "malformed" => Fault::Malformed,
            "wrong_usage" => Fault::WrongUsage,
            _ => {
                let status: u16 = name
                    .strip_prefix("http_")
                    .and_then(|status| status.parse().ok())
                    .ok_or_else(unknown)?;
                if !(400..600).contains(&status) {
                    return Err(unknown());
                }
                Fault::Status(status)
            }
        };
        if (0.0..=1.0).contains(&share) {
            Ok(Self { fault, share })
        } else {
            Err(unknown())
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Faults {
    rates: Vec<FaultRate>,
    seed: u64,
    spared: u64,
}

/// Keeps the draws of faults apart from other draws of the same seed.
const FAULT_SEED: u64 = 0xfa17;

impl Faults {
    /// Faults at these rates; the first one drawn for a request applies. The first `spared` requests have none.
    #[must_use]
    pub fn new(rates: Vec<FaultRate>, seed: u64, spared: u64) -> Self {
        Self { rates, seed, spared }
    }

    /// The fault of request number `id`, from 1.
    #[must_use]
    pub fn of(&self, id: u64) -> Option<Fault> {
        if id <= self.spared {
            return None;
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ FAULT_SEED);
        random.set_stream(id);
        self.rates
            .iter()
            .find(|rate| random.random::<f64>() < rate.share)
            .map(|rate| rate.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_shares() {
        for (text, fault, share) in [
            ("http_429:0.25", Fault::Status(429), 0.25),
            ("hang", Fault::Hang, 1.0),
            ("wrong_usage:0", Fault::WrongUsage, 0.0),
        ] {
            assert_eq!(text.parse::<FaultRate>().unwrap(), FaultRate { fault, share });
        }
        for text in ["", "oops", "http_200", "http_x", "hang:2", "hang:x"] {
            assert!(text.parse::<FaultRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn fault_affects_a_fixed_share_of_requests() {
        let faults = Faults::new(vec!["hang:0.2".parse().unwrap()], 1, 10);
        let hit: Vec<u64> = (1..=10_000).filter(|id| faults.of(*id).is_some()).collect();
        assert!((1_900..2_100).contains(&hit.len()), "{}", hit.len());
        assert!(hit.iter().all(|id| *id > 10));
        assert!(hit.iter().all(|id| faults.of(*id) == Some(Fault::Hang)));
    }
}
