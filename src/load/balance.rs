//! How the requests of a load are spread over several servers.

use serde::{Deserialize, Serialize};

/// The rule by which each request, or each conversation, gets its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Each server in turn, however busy it is. Request number `i` of `n` servers goes to server `i % n`.
    #[default]
    RoundRobin,
    /// The server with the fewest requests in flight.
    LeastRequests,
}

impl Balance {
    /// The name in options and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastRequests => "least-requests",
        }
    }
}

/// The number of the smallest load. Of equal ones it is the first from `start` on, so that an idle fleet is used in turn.
#[must_use]
pub fn least_loaded(loads: &[u32], start: usize) -> usize {
    let count = loads.len().max(1);
    let in_turn = (0..count).map(|step| (start % count + step) % count);
    in_turn.min_by_key(|at| loads.get(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_loads_are_used_in_turn() {
        for (loads, start, expected) in [
            (&[0, 0, 0][..], 0, 0),
            (&[0, 0, 0], 1, 1),
            (&[0, 0, 0], 5, 2),
            (&[3, 1, 1], 0, 1),
            (&[3, 1, 1], 2, 2),
            (&[0, 9], 1, 0),
            (&[7], 4, 0),
            (&[], 4, 0),
        ] {
            assert_eq!(least_loaded(loads, start), expected, "{loads:?} {start}");
        }
    }
}
