//! Counts of arrived chunks and tokens in bins of time, for runs that are too long to keep each chunk.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stamp::Stamp;
use crate::model::saturating;

/// Initial width of a bin: 1 ms, in nanoseconds.
const FIRST_WIDTH: u64 = 1_000_000;
/// Maximum number of bins (2 MB). If it is exceeded, adjacent bins are merged in pairs and the width doubles.
const MOST_BINS: usize = 1 << 18;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Maximum number of seconds (a day); later arrivals are counted in the last one.
const MOST_SECONDS: usize = 24 * 3600;

/// Chunks in each second of the run, and tokens in finer bins.
///
/// The tokens of an interval are the sum of its bins; the bins at its ends count in proportion. Once bins are wider than a
/// millisecond, a run has at least 131,072 of them, so the error for an interval of a tenth of the run is below 0.02 % of its
/// tokens if they arrive evenly.
#[derive(Debug, Clone)]
pub struct ArrivalBins {
    start: Stamp,
    chunks: Vec<u32>,
    width: u64,
    tokens: Vec<f64>,
}

/// [`ArrivalBins`] as stored in a file, without the start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ArrivalDocument {
    /// Chunks of each second.
    chunks: Vec<u32>,
    /// Width of a bin, nanoseconds.
    width_ns: u64,
    /// Index of each bin that has tokens, and its number of tokens.
    tokens: Vec<(u32, f64)>,
}

impl ArrivalBins {
    /// Empty bins for a run that started at `start`.
    #[must_use]
    pub fn new(start: Stamp) -> Self {
        Self {
            start,
            chunks: Vec::new(),
            width: FIRST_WIDTH,
            tokens: Vec::new(),
        }
    }

    /// Counts a chunk that arrived at `at` with `tokens` tokens; `tokens` is 0 for chunks of a failed request.
    pub fn push(&mut self, at: Stamp, tokens: f64) {
        let offset = self.offset(at);
        let second = self.second(offset);
        self.chunks[second] += 1;
        self.add_tokens(offset, tokens);
    }

    /// The index into `chunks` for an offset in nanoseconds; extends `chunks` up to it.
    fn second(&mut self, offset: u64) -> usize {
        let second = usize::try_from(offset / NANOS_PER_SECOND).unwrap_or(MOST_SECONDS).min(MOST_SECONDS);
        if self.chunks.len() <= second {
            self.chunks.resize(second + 1, 0);
        }
        second
    }

    fn add_tokens(&mut self, offset: u64, tokens: f64) {
        let bin = self.bin(offset);
        if self.tokens.len() <= bin {
            self.tokens.resize(bin + 1, 0.0);
        }
        self.tokens[bin] += tokens;
    }

    /// Adds the arrivals of another client. Each of its seconds and bins is added at its midpoint, because starts and widths may
    /// differ.
    pub fn merge(&mut self, other: &Self) {
        for (chunks, second) in other.chunks.iter().zip(0_u64..) {
            let middle = other.start.after(Duration::from_secs(second) + Duration::from_millis(500));
            let second = self.second(self.offset(middle));
            self.chunks[second] = self.chunks[second].saturating_add(*chunks);
        }
        for (tokens, bin) in other.tokens.iter().zip(0_u64..).filter(|(tokens, _)| **tokens > 0.0) {
            let middle = bin.saturating_mul(other.width).saturating_add(other.width / 2);
            self.add_tokens(self.offset(other.start.after(Duration::from_nanos(middle))), *tokens);
        }
    }

    /// The form that is stored in a file.
    #[must_use]
    pub fn document(&self) -> ArrivalDocument {
        let bins = self.tokens.iter().copied().zip(0_u32..).filter(|(tokens, _)| *tokens > 0.0);
        ArrivalDocument {
            chunks: self.chunks.clone(),
            width_ns: self.width,
            tokens: bins.map(|(tokens, bin)| (bin, tokens)).collect(),
        }
    }

    /// Restores the bins of a run that started at `start` from a file.
    #[must_use]
    pub fn of_document(start: Stamp, document: &ArrivalDocument) -> Self {
        let mut bins = Self::new(start);
        bins.chunks = document.chunks.iter().copied().take(MOST_SECONDS + 1).collect();
        bins.width = document.width_ns.max(1);
        for (bin, tokens) in &document.tokens {
            let bin = saturating::to_usize(*bin);
            if bin >= MOST_BINS {
                continue;
            }
            if bins.tokens.len() <= bin {
                bins.tokens.resize(bin + 1, 0.0);
            }
            bins.tokens[bin] += tokens;
        }
        bins
    }

    /// Chunks that arrived in each second, from 0.
    #[must_use]
    pub fn chunks(&self) -> &[u32] {
        &self.chunks
    }

    /// Tokens that arrived from one instant up to another.
    #[must_use]
    pub fn tokens_between(&self, from: Stamp, to: Stamp) -> f64 {
        let (from, to) = (self.in_bins(from), self.in_bins(to));
        let bins = self.tokens.iter().zip(0_u32..).map(|(tokens, bin)| {
            let (low, high) = (f64::from(bin), f64::from(bin) + 1.0);
            tokens * (high.min(to) - low.max(from)).max(0.0)
        });
        bins.sum()
    }

    /// The time from the start to `at`, in bin widths.
    fn in_bins(&self, at: Stamp) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the nanoseconds of a day are below 2^53")]
        let bins = self.offset(at) as f64 / self.width as f64;
        bins
    }

    fn offset(&self, at: Stamp) -> u64 {
        at.unix_nanos().saturating_sub(self.start.unix_nanos())
    }

    /// The bin of an offset in nanoseconds. Doubles the width of all bins until the index is below [`MOST_BINS`].
    fn bin(&mut self, offset: u64) -> usize {
        loop {
            match usize::try_from(offset / self.width) {
                Ok(bin) if bin < MOST_BINS => return bin,
                Ok(_) | Err(_) => {
                    self.width *= 2;
                    self.tokens = self.tokens.chunks(2).map(|pair| pair.iter().sum()).collect();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_part_of_an_hour_are_exact_enough() {
        let start = Stamp::from_unix_nanos(1_700_000_000_000_000_000);
        let mut bins = ArrivalBins::new(start);
        // Two tokens every 10 ms for an hour, which is longer than bins of 1 ms can cover.
        let at = |n: u64| start.after(Duration::from_millis(10 * n));
        (0..360_000).for_each(|n| bins.push(at(n), 2.0));
        assert_eq!((bins.chunks().len(), bins.chunks()[0], bins.chunks()[3599]), (3600, 100, 100));
        let found = bins.tokens_between(at(36_000), at(72_000));
        assert!((found / 72_000.0 - 1.0).abs() < 2e-4, "{found}");
        assert!((bins.tokens_between(start, at(1_000_000)) - 720_000.0).abs() < 1e-6);
    }
}
