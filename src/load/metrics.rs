//! Computes metrics from records, with the definitions of benchmark_serving.py: TTFT from the send to the first token; E2EL to the
//! last token; TPOT = (E2EL - TTFT) / (output tokens - 1). ITL is per token here, not per chunk; see [`ItlSource`].

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use super::folded::{Digest, Folded};
use super::record::Record;
use super::stamp::millis;
use super::tokens::Tokenizer;
use crate::model::saturating;

/// Source of the token count of each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItlSource {
    /// The usage of the server: of each chunk, or a total that equals the number of chunks, so each chunk has one token.
    Usage,
    /// The tokenizer, from the chunk's text.
    Tokenizer,
    /// No source: each chunk counts as one token, so ITL is the time between chunks.
    Chunk,
}

/// The values of all successful requests, times in milliseconds.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Time to first token, one per streamed request.
    pub ttft_ms: Vec<f64>,
    /// Time per output token after the first, one per request with at least two tokens.
    pub tpot_ms: Vec<f64>,
    /// Time between two tokens, one per token except the first of each request.
    pub itl_ms: Distribution,
    /// Time between two chunks with tokens.
    pub chunk_ms: Distribution,
    /// End-to-end latency, one per request.
    pub e2el_ms: Vec<f64>,
    /// TTFT from the scheduled instant.
    pub scheduled_ttft_ms: Vec<f64>,
    /// E2EL from the scheduled instant.
    pub scheduled_e2el_ms: Vec<f64>,
    /// Time from the scheduled instant to the send.
    pub send_lag_ms: Vec<f64>,
    /// Output tokens of each request.
    pub output_tokens: Vec<u32>,
    /// Prompt tokens of each request, as planned.
    pub input_tokens: Vec<u32>,
    /// The least exact source among all requests.
    pub itl_source: ItlSource,
    /// Requests whose output length differs from the requested one.
    pub wrong_output_lengths: u32,
    /// Requests whose prompt the server counted differently.
    pub wrong_input_lengths: u32,
    /// Requests whose prompt count differs by more than what a server adds to a plain prompt.
    pub far_input_lengths: u32,
    /// Requests with tokens that were counted but not streamed. Their TPOT is of the tokens after the first chunk, and they have no ITL
    /// if only the counts of chunks say how many those are: it is unknown when the others were generated.
    pub unstreamed: u32,
    /// Requests whose answer was not streamed. They have no TTFT, TPOT or ITL.
    pub not_streamed: u32,
    /// Requests whose stream was compressed: times between chunks are those of the compressor's blocks.
    pub compressed: u32,
    /// Requests whose usage has fewer tokens than were streamed.
    pub undercounted: u32,
    /// Requests whose tokens were counted neither by the server nor by a tokenizer.
    pub uncounted: u32,
}

/// A prompt count is far off if it differs by more than 64 tokens and by more than a quarter. A chat template adds some dozens of
/// tokens; another tokenizer changes the count by a large part.
const FAR_TOKENS: u32 = 64;
const FAR_PART: u32 = 4;
/// A server never counts fewer tokens than a prompt has, unless it has another tokenizer, which changes short prompts little, or cuts
/// the prompt to its context.
const FAR_FEWER_TOKENS: u32 = 16;

impl Metrics {
    /// Computes the values. The tokenizer is used if the server gave no usage.
    #[must_use]
    pub fn of(records: &[Record], tokenizer: Option<&Tokenizer>) -> Self {
        Self::with_folded(records, None, tokenizer)
    }

    /// Computes the values if some requests are folded.
    #[must_use]
    pub fn with_folded(records: &[Record], folded: Option<&Folded>, tokenizer: Option<&Tokenizer>) -> Self {
        let mut metrics = Self::empty();
        if let Some(folded) = folded {
            metrics.itl_ms = folded.itl_ms.clone();
            metrics.chunk_ms = folded.chunk_ms.clone();
        }
        for record in records.iter().filter(|record| record.is_success()) {
            if let Some(digest) = &record.digest {
                metrics.add(record, digest, tokenizer.is_some());
            } else {
                let counts = TokenCounts::of(record, tokenizer);
                metrics.add(record, &counts.digest(record), tokenizer.is_some());
                counts.add_gaps(record, &mut metrics.itl_ms, &mut metrics.chunk_ms);
            }
        }
        metrics
    }

    /// The values of one request, apart from the times between its chunks.
    pub(super) fn of_one(record: &Record, digest: &Digest) -> Self {
        let mut metrics = Self::empty();
        metrics.add(record, digest, false);
        metrics
    }

    fn empty() -> Self {
        Self {
            ttft_ms: Vec::new(),
            tpot_ms: Vec::new(),
            itl_ms: Distribution::default(),
            chunk_ms: Distribution::default(),
            e2el_ms: Vec::new(),
            scheduled_ttft_ms: Vec::new(),
            scheduled_e2el_ms: Vec::new(),
            send_lag_ms: Vec::new(),
            output_tokens: Vec::new(),
            input_tokens: Vec::new(),
            itl_source: ItlSource::Usage,
            wrong_output_lengths: 0,
            wrong_input_lengths: 0,
            far_input_lengths: 0,
            unstreamed: 0,
            not_streamed: 0,
            compressed: 0,
            undercounted: 0,
            uncounted: 0,
        }
    }

    fn add(&mut self, record: &Record, digest: &Digest, has_tokenizer: bool) {
        let end = record.last_token.unwrap_or(record.ended);
        let e2el = millis(end.since(record.sent));
        self.e2el_ms.push(e2el);
        self.scheduled_e2el_ms.push(millis(end.since(record.scheduled)));
        self.send_lag_ms.push(millis(record.sent.since(record.scheduled)));
        // No prompt has no token: zero means that the server does not count.
        let reported = record
            .reported_prompt_tokens
            .filter(|tokens| *tokens > 0)
            .unwrap_or(record.prompt_tokens);
        // Without a tokenizer the server's count is the only one.
        let planned = if record.prompt_tokens == 0 {
            reported
        } else {
            record.prompt_tokens
        };
        self.input_tokens.push(planned);
        let is_counted = (record.reported_output_tokens.is_some() && !digest.has_undercount) || has_tokenizer;
        self.undercounted += u32::from(digest.has_undercount);
        self.uncounted += u32::from(planned == 0 || !is_counted);
        self.output_tokens.push(digest.total_tokens);
        self.wrong_output_lengths += u32::from(digest.total_tokens != record.asked_tokens);
        self.wrong_input_lengths += u32::from(reported != planned);
        let least = if reported < planned { FAR_FEWER_TOKENS } else { FAR_TOKENS };
        let allowed = least.max(planned / FAR_PART);
        self.far_input_lengths += u32::from(reported.abs_diff(planned) > allowed);
        let Some(first) = record.first_token.filter(|_| record.streamed) else {
            self.not_streamed += 1;
            return;
        };
        self.compressed += u32::from(record.compressed);
        let ttft = millis(first.since(record.sent));
        self.ttft_ms.push(ttft);
        self.scheduled_ttft_ms.push(millis(first.since(record.scheduled)));
        self.unstreamed += u32::from(digest.has_unstreamed);
        let streamed = if digest.has_unstreamed {
            digest.streamed_tokens
        } else {
            digest.total_tokens
        };
        if streamed > 1 {
            self.tpot_ms.push((e2el - ttft) / f64::from(streamed - 1));
        }
        if digest.has_gaps(record) {
            self.itl_source = self.itl_source.max(digest.source);
        }
    }
}

impl Digest {
    /// Whether times between tokens are meaningful. They are not if the answer was not streamed, or if the counts of chunks include
    /// tokens that were not streamed.
    fn has_gaps(&self, record: &Record) -> bool {
        let is_streamed = record.first_token.is_some() && record.streamed;
        is_streamed && !(self.has_unstreamed && self.source == ItlSource::Usage)
    }
}

/// Token counts of the chunks of one record.
pub(super) struct TokenCounts {
    first: u32,
    further: Vec<u32>,
    total: u32,
    source: ItlSource,
    /// Whether the server counted far more tokens than the streamed text has by the tokenizer.
    has_unstreamed: bool,
    /// Whether the server's usage has fewer tokens than the stream; see [`TokenCounts::correct_total`].
    has_undercount: bool,
}

/// Tokens count as not streamed if the total of the server exceeds the count of the tokenizer by more than a third of the total and
/// by more than 16. Different tokenizers, and tokens that straddle chunks, cause smaller differences.
const UNSTREAMED_PART: u32 = 3;
const UNSTREAMED_TOKENS: u32 = 16;

/// The server's total is too low if the stream has more tokens by this part of it and by more than one.
const UNDERCOUNTED_PART: u32 = 3;
/// Without a tokenizer: chunks for each token of the server's total.
const UNDERCOUNTED_CHUNKS: u32 = 2;

impl TokenCounts {
    /// The first token and those that were generated after it; TPOT is of them. With usage, the first chunk counts as one token, because
    /// its count includes tokens before it that were not streamed: vLLM's tool calls begin with the name of the function, 20 tokens
    /// after the first.
    fn streamed(&self) -> u32 {
        let first = match self.source {
            ItlSource::Tokenizer | ItlSource::Chunk => self.first,
            ItlSource::Usage => 1,
        };
        first + self.further.iter().sum::<u32>()
    }

    /// The summary that a record keeps when its chunks are folded.
    pub(super) fn digest(&self, record: &Record) -> Digest {
        let mut digest = Digest {
            chunks: saturating::to_u32(record.chunks()),
            total_tokens: self.total,
            streamed_tokens: self.streamed(),
            source: self.source,
            has_unstreamed: record.unstreamed_tokens > 0 || self.has_unstreamed,
            has_undercount: self.has_undercount,
            longest_itl_ms: None,
        };
        if digest.has_gaps(record) {
            let shares = self.gaps(record).map(|(gap, tokens)| gap / f64::from(tokens));
            let longest = shares.reduce(f64::max);
            digest.longest_itl_ms = longest.or((self.first > 1).then_some(0.0));
        }
        digest
    }

    /// Adds the times between the tokens and between the chunks of a successful request, if they are meaningful.
    pub(super) fn add_gaps(&self, record: &Record, itl_ms: &mut Distribution, chunk_ms: &mut Distribution) {
        if !self.digest(record).has_gaps(record) {
            return;
        }
        // All tokens of the first chunk arrived together, so the time between them is 0.
        itl_ms.push_n(0.0, self.first.saturating_sub(1));
        for (gap, tokens) in self.gaps(record) {
            chunk_ms.push(gap);
            itl_ms.push_n(gap / f64::from(tokens), tokens);
        }
    }

    /// The times between the tokens of a request that is not folded, milliseconds; empty if they are not meaningful.
    pub(super) fn itl_ms<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = f64> + 'a {
        let says_something = self.digest(record).has_gaps(record);
        let in_first = (1..self.first).map(|_| 0.0);
        let further = self
            .gaps(record)
            .flat_map(|(gap, tokens)| (0..tokens).map(move |_| gap / f64::from(tokens)));
        in_first.chain(further).filter(move |_| says_something)
    }

    /// The time before each chunk after the first, milliseconds, and its tokens.
    fn gaps<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = (f64, u32)> + 'a {
        let tokens = self.further.iter().map(|tokens| (*tokens).max(1));
        record.marks.iter().map(|mark| mark.gap_ms()).zip(tokens)
    }

    fn one_each_chunk(record: &Record, total: u32, source: ItlSource) -> Self {
        Self {
            first: 1,
            further: vec![1; record.marks.len()],
            total,
            source,
            has_unstreamed: false,
            has_undercount: false,
        }
    }

    pub(super) fn of(record: &Record, tokenizer: Option<&Tokenizer>) -> Self {
        Self::by_best_source(record, tokenizer).correct_total(record, tokenizer)
    }

    /// Replaces a total of the server that is too low: zero, that of the last chunk alone, or one without reasoning. A chunk with text
    /// has at least one token unless a gateway cuts tokens into letters, so chunks alone prove less than the tokenizer's count.
    fn correct_total(mut self, record: &Record, tokenizer: Option<&Tokenizer>) -> Self {
        let Some(reported) = record.reported_output_tokens else {
            return self;
        };
        let (is_counted, chunks) = (record.has_continuous_usage(), saturating::to_u32(record.chunks()));
        let streamed = if is_counted {
            self.further.iter().fold(self.first, |sum, tokens| sum.saturating_add(*tokens))
        } else {
            chunks
        };
        // The ordinary case, for which no text is tokenised.
        if streamed <= reported {
            return self;
        }
        let enough = reported.saturating_add((reported / UNDERCOUNTED_PART).max(u32::from(reported > 0)));
        let text = tokenizer.filter(|_| !is_counted).and_then(|tokenizer| {
            let texts = record.texts.as_deref().filter(|texts| texts.len() == record.chunks())?;
            Some(count_tokens(tokenizer, texts.whole()))
        });
        let is_more = match text {
            Some(text) => text > enough,
            None if is_counted => streamed > enough,
            None => reported == 0 || chunks / UNDERCOUNTED_CHUNKS > enough,
        };
        if is_more {
            self.total = text.unwrap_or(streamed);
            self.has_undercount = true;
        }
        self
    }

    fn by_best_source(record: &Record, tokenizer: Option<&Tokenizer>) -> Self {
        let chunks = saturating::to_u32(record.chunks());
        if record.has_continuous_usage() {
            let further: Vec<u32> = record.marks.iter().filter_map(|mark| mark.tokens()).collect();
            let first = record.first_tokens.unwrap_or(1);
            let counted = first + further.iter().sum::<u32>();
            let total = record.reported_output_tokens.unwrap_or(counted);
            return Self {
                first,
                further,
                total,
                source: ItlSource::Usage,
                has_unstreamed: false,
                has_undercount: false,
            };
        }
        match (record.reported_output_tokens, tokenizer) {
            (Some(total), _) if total == chunks => Self::one_each_chunk(record, total, ItlSource::Usage),
            (reported, Some(tokenizer)) if let Some(texts) = record.texts.as_deref().filter(|texts| texts.len() == record.chunks()) => {
                let mut counts = texts.iter().map(|text| count_tokens(tokenizer, text));
                let first = counts.next().unwrap_or(1);
                let further: Vec<u32> = counts.collect();
                // The total is counted over the whole text: a token may straddle two chunks.
                let total = reported.unwrap_or_else(|| count_tokens(tokenizer, texts.whole()));
                let streamed = first + further.iter().sum::<u32>();
                Self {
                    first,
                    further,
                    total,
                    source: ItlSource::Tokenizer,
                    has_unstreamed: total > streamed + (total / UNSTREAMED_PART).max(UNSTREAMED_TOKENS),
                    has_undercount: false,
                }
            }
            (reported, _) => Self::one_each_chunk(record, reported.unwrap_or(chunks), ItlSource::Chunk),
        }
    }
}

/// Tokens of a text; one if the tokenizer fails, because a chunk has at least one.
fn count_tokens(tokenizer: &Tokenizer, text: &str) -> u32 {
    tokenizer.count(text).ok().and_then(|n| u32::try_from(n).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::record::{ChunkMark, Texts};
    use crate::load::stamp::Stamp;
    use std::time::Duration;

    fn at(ms: u64) -> Stamp {
        Stamp::from_unix_nanos(ms * 1_000_000)
    }

    /// Scheduled at 0, sent at 10, first token at 60, then chunks every 20 ms.
    fn record(first_tokens: Option<u32>, chunks: &[Option<u32>], reported: Option<u32>) -> Record {
        let last = 60 + 20 * chunks.len() as u64;
        Record {
            index: 0,
            scheduled: at(0),
            sent: at(10),
            connect: None,
            first_token: Some(at(60)),
            first_tokens,
            last_token: Some(at(last)),
            ended: at(last + 5),
            marks: chunks.iter().map(|n| ChunkMark::new(Duration::from_millis(20), *n)).collect(),
            prompt_tokens: 7,
            asked_tokens: 9,
            reported_prompt_tokens: Some(7),
            reported_output_tokens: reported,
            streamed: true,
            ..Record::default()
        }
    }

    #[test]
    fn a_chunk_of_several_tokens_is_shared_among_them() {
        let metrics = Metrics::of(&[record(Some(4), &[Some(4), Some(1)], Some(9))], None);
        assert_eq!(metrics.itl_ms.values().unwrap(), [0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0, 20.0]);
        assert_eq!(metrics.chunk_ms.values().unwrap(), [20.0, 20.0]);
        assert_eq!((metrics.ttft_ms[0], metrics.e2el_ms[0], metrics.tpot_ms[0]), (50.0, 90.0, 5.0));
        assert_eq!((metrics.scheduled_ttft_ms[0], metrics.send_lag_ms[0]), (60.0, 10.0));
        assert_eq!((metrics.itl_source, metrics.wrong_output_lengths), (ItlSource::Usage, 0));
    }

    #[test]
    fn the_source_is_said() {
        let single = record(None, &[None, None], Some(3));
        let coarse = record(None, &[None, None], Some(9));
        let unknown = record(None, &[None, None], None);
        for (record, source, total) in [
            (single, ItlSource::Usage, 3),
            (coarse, ItlSource::Chunk, 9),
            (unknown, ItlSource::Chunk, 3),
        ] {
            let metrics = Metrics::of(&[record], None);
            assert_eq!((metrics.itl_source, metrics.output_tokens[0]), (source, total));
        }
    }

    #[test]
    fn the_tokenizer_counts_where_usage_does_not() {
        let tokenizer = Tokenizer::from_json(include_bytes!("../../benchmarks/demo/tokenizer.json")).unwrap();
        let words: Vec<String> = tokenizer
            .word_ids()
            .unwrap()
            .iter()
            .take(3)
            .map(|id| tokenizer.decode(&[*id]).unwrap())
            .collect();
        let mut record = record(None, &[None], None);
        record.texts = Some(Box::new(Texts::from_iter([words[0].clone(), format!("{}{}", words[1], words[2])])));
        let metrics = Metrics::of(&[record], Some(&tokenizer));
        assert_eq!(metrics.itl_ms.values().unwrap(), [10.0, 10.0]);
        assert_eq!((metrics.itl_source, metrics.output_tokens[0]), (ItlSource::Tokenizer, 3));
    }

    /// Usage of zero, of one chunk alone, or without reasoning.
    #[test]
    fn usage_below_what_was_streamed_is_not_believed() {
        let ten = [None; 9];
        for (first, marks, reported, expected) in [
            (None, ten.as_slice(), Some(0), (10, 1)),
            (None, ten.as_slice(), Some(1), (10, 1)),
            (Some(1), ten.as_slice(), Some(1), (10, 1)),
            (Some(5), [Some(5), Some(5)].as_slice(), Some(4), (15, 1)),
            // A gateway may cut a token in two.
            (None, ten.as_slice(), Some(5), (5, 0)),
            (None, ten.as_slice(), Some(u32::MAX), (u32::MAX, 0)),
            (None, ten.as_slice(), None, (10, 0)),
            (Some(1), [Some(1), Some(1)].as_slice(), Some(2), (2, 0)),
        ] {
            let metrics = Metrics::of(&[record(first, marks, reported)], None);
            assert_eq!((metrics.output_tokens[0], metrics.undercounted), expected, "{first:?} {reported:?}");
        }
    }

    #[test]
    fn prompts_that_a_context_cuts_are_far_off() {
        for (reported, far) in [
            (Some(60), 0),
            (Some(50), 0),
            (Some(16), 1),
            (Some(0), 0),
            (Some(100), 0),
            (Some(125), 1),
        ] {
            let cut = Record {
                prompt_tokens: 60,
                reported_prompt_tokens: reported,
                ..record(None, &[], Some(1))
            };
            assert_eq!(Metrics::of(&[cut], None).far_input_lengths, far, "{reported:?}");
        }
    }

    #[test]
    fn unstreamed_tokens_do_not_speed_up_the_others() {
        let hidden = Record {
            unstreamed_tokens: 100,
            ..record(None, &[None, None], Some(103))
        };
        // 40 ms for the two streamed tokens after the first, not for 102.
        let metrics = Metrics::of(&[hidden, record(Some(1), &[Some(1)], Some(2))], None);
        assert_eq!(
            (metrics.ttft_ms.len(), metrics.tpot_ms.as_slice(), metrics.unstreamed),
            (2, [20.0, 20.0].as_slice(), 1)
        );
        let whole = Record {
            streamed: false,
            ..record(None, &[], Some(9))
        };
        let metrics = Metrics::of(&[whole], None);
        assert_eq!((metrics.ttft_ms.len(), metrics.e2el_ms.len(), metrics.not_streamed), (0, 1, 1));
    }

    #[test]
    fn tokens_before_the_first_chunk_do_not_slow_down_the_others() {
        let call = Record {
            unstreamed_tokens: 24,
            ..record(Some(25), &[Some(4), Some(1)], Some(30))
        };
        // 40 ms for the five tokens after the first chunk; how they were spread is unknown.
        let metrics = Metrics::of(&[call], None);
        assert_eq!(
            (metrics.tpot_ms.as_slice(), metrics.itl_ms.len(), metrics.unstreamed),
            ([8.0].as_slice(), 0, 1)
        );
    }

    #[test]
    fn folded_requests_have_the_figures_of_kept_ones() {
        let records = [
            record(Some(4), &[Some(4), Some(1)], Some(9)),
            record(None, &[None, None], Some(3)),
            record(None, &[None], Some(9)),
            Record {
                unstreamed_tokens: 100,
                ..record(None, &[None, None], Some(103))
            },
        ];
        let kept = Metrics::of(&records, None);
        let mut folded = Folded::new(at(0));
        let folded_records = records.clone().map(|mut record| {
            assert_eq!(folded.fold(&mut record, None).len() + 1, record.chunks());
            record
        });
        let found = Metrics::with_folded(&folded_records, Some(&folded), None);
        assert_eq!(format!("{found:?}"), format!("{kept:?}"));
    }

    #[test]
    fn failures_have_no_latency() {
        let mut failed = record(None, &[], None);
        failed.failure = Some(crate::load::Failure::new(crate::load::Reason::NoTokens, ""));
        assert!(Metrics::of(&[failed], None).ttft_ms.is_empty());
    }
}
