//! Counts as real numbers.

use super::saturating;

/// A count of things (requests, tokens, GPUs, bytes) as a float; exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted stays below 2^53, or its last digits do not matter"
)]
pub(crate) fn count(things: impl TryInto<u64>) -> f64 {
    saturating::to_u64(things) as f64
}
