//! Metrics of long runs in memory that depends on the duration, not on the number of chunks. A run keeps up to a million chunks
//! individually. After that, each request that ends is folded: its chunks are added to distributions and time bins, and its record
//! keeps only a digest of them.

use serde::{Deserialize, Serialize};

use super::arrival_bins::ArrivalBins;
use super::distribution::Distribution;
use super::metrics::{ItlSource, TokenCounts};
use super::record::{ChunkMark, Record};
use super::stamp::Stamp;
use super::timeline;
use super::tokens::Tokenizer;

/// Summary of the chunks of a request, which its record keeps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Chunks with tokens.
    pub chunks: u32,
    /// Output tokens of the answer.
    pub total_tokens: u32,
    /// Output tokens that were streamed in chunks.
    pub streamed_tokens: u32,
    /// Source of the token count of each chunk.
    pub source: ItlSource,
    /// Whether tokens were counted that were not streamed.
    pub has_unstreamed: bool,
    /// Whether the server's usage has fewer tokens than were streamed; the total is then that of the stream.
    #[serde(default)]
    pub has_undercount: bool,
    /// The longest time between two tokens, milliseconds; `None` if there are no such times.
    pub longest_itl_ms: Option<f64>,
}

impl Digest {
    /// The digest of a request, without a tokenizer to count the tokens of its chunks.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        TokenCounts::of(record, None).digest(record)
    }
}

/// Distributions of the chunks of all folded requests.
#[derive(Debug, Clone)]
pub struct Folded {
    /// Times between two tokens.
    pub itl_ms: Distribution,
    /// Times between two chunks with tokens.
    pub chunk_ms: Distribution,
    /// When chunks and tokens arrived.
    pub arrivals: ArrivalBins,
}

impl Folded {
    /// Empty, for a run that started at `start`.
    #[must_use]
    pub fn new(start: Stamp) -> Self {
        Self {
            itl_ms: Distribution::default(),
            chunk_ms: Distribution::default(),
            arrivals: ArrivalBins::new(start),
        }
    }

    /// Folds the chunks of a request that has ended, and returns them. The tokenizer counts the tokens of chunks for which the server
    /// gave no usage.
    pub fn fold(&mut self, record: &mut Record, tokenizer: Option<&Tokenizer>) -> Vec<ChunkMark> {
        if record.digest.is_some() {
            return Vec::new();
        }
        let counts = TokenCounts::of(record, tokenizer);
        for (at, tokens) in record.kept_arrivals().zip(timeline::tokens_of_chunks(record)) {
            self.arrivals.push(at, if record.is_success() { tokens } else { 0.0 });
        }
        if record.is_success() {
            counts.add_gaps(record, &mut self.itl_ms, &mut self.chunk_ms);
        }
        record.digest = Some(counts.digest(record));
        record.texts = None;
        std::mem::take(&mut record.marks)
    }
}
