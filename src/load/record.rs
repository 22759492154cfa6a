//! What happened to one request: the instants of everything that a latency is made of, and its outcome.

use std::time::Duration;

use super::folded::Digest;
use super::reason::Failure;
use super::stamp::Stamp;

/// A chunk that carried tokens, after the first one. Eight bytes, because a long run has tens of millions of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMark {
    /// Time since the chunk before, in units of [`ChunkMark::UNIT`].
    gap: u32,
    /// Tokens in the chunk by the server's continuous usage; 0 if the chunk had none.
    tokens: u32,
}

impl ChunkMark {
    /// The resolution of a gap: fine enough for microsecond schedules, and 32 bits of it are seven minutes.
    pub const UNIT: Duration = Duration::from_nanos(100);

    /// A mark; gaps beyond seven minutes are held at that.
    #[must_use]
    pub fn new(gap: Duration, tokens: Option<u32>) -> Self {
        Self {
            gap: u32::try_from(gap.as_nanos() / Self::UNIT.as_nanos()).unwrap_or(u32::MAX),
            tokens: tokens.unwrap_or(0),
        }
    }

    /// Time since the chunk before, milliseconds.
    #[must_use]
    pub fn gap_ms(self) -> f64 {
        f64::from(self.gap) * 1e-4
    }

    /// Time since the chunk before.
    #[must_use]
    pub fn gap(self) -> Duration {
        Self::UNIT * self.gap
    }

    /// Size of [`Self::to_bytes`].
    pub const BYTES: usize = 8;

    /// The mark as bytes, for a file of this process.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        (u64::from(self.gap) << 32 | u64::from(self.tokens)).to_le_bytes()
    }

    /// The mark of [`Self::to_bytes`].
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

/// What happened to one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Number of the request in the plan.
    pub index: u32,
    /// The instant at which the arrival process wanted it sent; in a closed loop the instant at which a slot was free.
    pub scheduled: Stamp,
    /// The instant before the first byte was handed to the kernel.
    pub sent: Stamp,
    /// Time to open the connection, where this request needed a new one; not part of any latency.
    pub connect: Option<Duration>,
    /// Arrival of the first chunk that carried a token.
    pub first_token: Option<Stamp>,
    /// Tokens in that chunk by continuous usage.
    pub first_tokens: Option<u32>,
    /// Arrival of the last chunk that carried a token.
    pub last_token: Option<Stamp>,
    /// The end: the last byte of the answer, or the failure.
    pub ended: Stamp,
    /// The chunks with tokens after the first; empty once they are folded.
    pub marks: Vec<ChunkMark>,
    /// What is known of the chunks once they are folded.
    pub digest: Option<Digest>,
    /// Prompt length as planned, tokens; 0 if no tokenizer counted it.
    pub prompt_tokens: u32,
    /// Output length as asked for, tokens.
    pub asked_tokens: u32,
    /// Prompt length by the server's usage.
    pub reported_prompt_tokens: Option<u32>,
    /// Output length by the server's usage.
    pub reported_output_tokens: Option<u32>,
    /// Prompt tokens that the server's prefix cache had, by the server's usage.
    pub reported_cached_tokens: Option<u32>,
    /// The text of each chunk with tokens, kept where usage does not count each chunk.
    pub texts: Option<Box<Texts>>,
    /// The answer's text, kept where a further turn repeats it.
    pub answer: String,
    /// Chunks that were read together with a later one: they have that one's arrival.
    pub merged_chunks: u32,
    /// Tokens that the server counted but did not stream, such as reasoning that it hides: they came before or between the chunks,
    /// nobody knows when.
    pub unstreamed_tokens: u32,
    /// Whether the answer was a stream; without one there is no time to first token.
    pub streamed: bool,
    /// Whether the body was compressed: chunks then arrive in blocks of the compressor.
    pub compressed: bool,
    /// Why it failed; `None` is success.
    pub failure: Option<Failure>,
}

impl Record {
    /// Whether it succeeded: a complete answer with at least one token.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// Chunks with tokens.
    #[must_use]
    pub fn chunks(&self) -> usize {
        if let Some(digest) = &self.digest {
            return usize::try_from(digest.chunks).unwrap_or(usize::MAX);
        }
        usize::from(self.first_token.is_some()) + self.marks.len()
    }

    /// Whether the server reported the number of tokens of every chunk.
    #[must_use]
    pub fn has_continuous_usage(&self) -> bool {
        self.first_tokens.is_some() && self.marks.iter().all(|mark| mark.tokens().is_some())
    }

    /// Arrivals of the chunks with tokens; none if they are folded.
    pub fn kept_arrivals(&self) -> impl Iterator<Item = Stamp> + '_ {
        let is_kept = self.digest.is_none();
        self.arrivals().filter(move |_| is_kept)
    }

    /// Arrivals of the chunks with tokens, of a request that is not folded.
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

/// Texts one after the other, in one allocation: a run without usage has one for each of its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    whole: String,
    ends: Vec<u32>,
}

impl Texts {
    /// Adds a text.
    pub fn push(&mut self, text: &str) {
        self.whole.push_str(text);
        // An answer is far below 4 GB: a single event is refused beyond 64 MB, and a slot gathers one answer.
        self.ends.push(u32::try_from(self.whole.len()).unwrap_or(u32::MAX));
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
            let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
            self.whole.get(place(*start)..place(*end)).unwrap_or_default()
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
