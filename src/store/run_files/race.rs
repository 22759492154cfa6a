//! Writers that meet: who was refused reads again what there is, after a pause.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

/// The pause before an attempt, from 0 to twice as long each time and `longest` at most. It is random, so that writers that met once do not
/// meet again.
pub(in crate::store) fn race_pause(attempt: u32, longest: Duration) -> Duration {
    let longest = Duration::from_millis(50).saturating_mul(2_u32.saturating_pow(attempt)).min(longest);
    // The library's random seed of hash tables.
    let thousandth = u32::try_from(RandomState::new().hash_one(attempt) % 1000).unwrap_or(0);
    longest / 1000 * thousandth
}
