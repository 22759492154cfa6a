//! The record of one request: the instants from which its latencies are computed, and its outcome.

use std::time::Duration;

use super::folded::Digest;
use super::reason::Failure;
use super::stamp::Stamp;
use crate::model::saturating;

/// A chunk with tokens, other than the first one. It has eight bytes, because a long run has tens of millions of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMark {
    /// Time since the previous chunk, in units of [`ChunkMark::UNIT`].
    gap: u32,
    /// Tokens in the chunk by the server's continuous usage; 0 if the chunk had no usage.
    tokens: u32,
}

impl ChunkMark {
    /// The resolution of a gap: fine enough for microseconds, and 32 bits of it reach to seven minutes.
    pub const UNIT: Duration = Duration::from_nanos(100);

    /// A mark; gaps beyond seven minutes are clamped.
    #[must_use]
    pub fn new(gap: Duration, tokens: Option<u32>) -> Self {
        Self {
            gap: saturating::to_u32(gap.as_nanos() / Self::UNIT.as_nanos()),
            tokens: tokens.unwrap_or(0),
        }
    }

    /// A number of [`ChunkMark::UNIT`] in milliseconds.
    #[must_use]
    pub fn millis_of(units: u32) -> f64 {
        f64::from(units) * 1e-4
    }

    /// Time since the previous chunk, milliseconds.
    #[must_use]
    pub fn gap_ms(self) -> f64 {
        Self::millis_of(self.gap)
    }

    /// Time since the previous chunk.
    #[must_use]
    pub fn gap(self) -> Duration {
        Self::UNIT * self.gap
    }

    /// Size of [`Self::to_bytes`].
    pub const BYTES: usize = 8;

    /// The mark as bytes, for the temporary chunk file of a run.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        (u64::from(self.gap) << 32 | u64::from(self.tokens)).to_le_bytes()
    }

    /// The inverse of [`Self::to_bytes`].
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of eight bytes")]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let both = u64::from_le_bytes(bytes);
        Self {
            gap: (both >> 32) as u32,
            tokens: both as u32,
        }
    }

    /// Tokens in the chunk, if the server reported them.
    #[must_use]
    pub fn tokens(self) -> Option<u32> {
        (self.tokens > 0).then_some(self.tokens)
    }
}

/// The record of one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Number of the request in the plan.
    pub index: u32,
    /// Number of the server in the settings that it was sent to; 0 if there is one.
    pub server: usize,
    /// The instant at which the arrival process scheduled it; in a closed loop, the instant at which a slot became free.
    pub scheduled: Stamp,
    /// The instant just before the first byte was written to the socket.
    pub sent: Stamp,
    /// Time to open the connection, if this request needed a new one; not part of any latency.
    pub connect: Option<Duration>,
    /// Arrival of the first chunk that carried a token.
    pub first_token: Option<Stamp>,
    /// Tokens in the first chunk, by continuous usage.
    pub first_tokens: Option<u32>,
    /// Arrival of the last chunk that carried a token.
    pub last_token: Option<Stamp>,
    /// Arrival of the last byte of the response, or the instant of the failure.
    pub ended: Stamp,
    /// The chunks with tokens after the first; empty once the record is folded (see [`super::folded`]).
    pub marks: Vec<ChunkMark>,
    /// Summary of the chunks, once the record is folded.
    pub digest: Option<Digest>,
    /// The server's `Date`, seconds since the Unix epoch, and the arrival of the response head that has it.
    pub server_date: Option<(u64, Stamp)>,
    /// Prompt length as planned, tokens; 0 if no tokenizer counted it.
    pub prompt_tokens: u32,
    /// Requested output length, tokens.
    pub asked_tokens: u32,
    /// Prompt length by the server's usage.
    pub reported_prompt_tokens: Option<u32>,
    /// Output length by the server's usage.
    pub reported_output_tokens: Option<u32>,
    /// Prompt tokens found in the server's prefix cache, by the server's usage.
    pub reported_cached_tokens: Option<u32>,
    /// The texts of chunks that came without a token count, for a tokenizer to count.
    pub texts: Option<Box<Texts>>,
    /// The text of the response, kept if a later turn of the conversation repeats it.
    pub answer: String,
    /// Chunks that were read together with a later one and therefore have its arrival instant.
    pub merged_chunks: u32,
    /// Tokens that the server counted but did not stream, such as hidden reasoning. They were generated before or between the
    /// chunks; their instants are unknown.
    pub unstreamed_tokens: u32,
    /// Whether the response was a stream; otherwise there is no time to first token.
    pub streamed: bool,
    /// Whether the body was compressed; chunks then arrive in the compressor's blocks.
    pub compressed: bool,
    /// Why the request failed; `None` if it succeeded.
    pub failure: Option<Failure>,
}

impl Record {
    /// Whether the request succeeded, with a complete response of at least one token.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// Number of chunks with tokens.
    #[must_use]
    pub fn chunks(&self) -> usize {
        if let Some(digest) = &self.digest {
            return saturating::to_usize(digest.chunks);
        }
        usize::from(self.first_token.is_some()) + self.marks.len()
    }

    /// Whether the server reported the number of tokens of every chunk.
    #[must_use]
    pub fn has_continuous_usage(&self) -> bool {
        self.first_tokens.is_some() && self.marks.iter().all(|mark| mark.tokens().is_some())
    }

    /// Arrivals of the chunks with tokens; none if the record is folded.
    pub fn kept_arrivals(&self) -> impl Iterator<Item = Stamp> + '_ {
        let is_kept = self.digest.is_none();
        self.arrivals().filter(move |_| is_kept)
    }

    /// Arrivals of the chunks with tokens; of a folded record, only the first.
    fn arrivals(&self) -> impl Iterator<Item = Stamp> + '_ {
        let mut at = self.first_token;
        let first = at.into_iter();
        let further = self.marks.iter().filter_map(move |mark| {
            at = at.map(|at| at.after(mark.gap()));
            at
        });
        first.chain(further)
    }
}

/// A list of texts in one allocation, because a run without usage keeps one text for each chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    whole: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Adds a text.
    pub fn push(&mut self, text: &str) {
        self.whole.push_str(text);
        // The total stays far below the 4 GiB of a u32: these are the texts of one response.
        self.ends.push(saturating::to_u32(self.whole.len()));
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All texts as one.
    #[must_use]
    pub fn whole(&self) -> &str {
        &self.whole
    }

    /// Each text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| {
            self.whole
                .get(saturating::to_usize(*start)..saturating::to_usize(*end))
                .unwrap_or_default()
        })
    }
}

impl<T: AsRef<str>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut made = Self::default();
        texts.into_iter().for_each(|text| made.push(text.as_ref()));
        made
    }
}
