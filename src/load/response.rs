//! The state of one response body while it arrives: the arrival of each chunk with tokens, the token counts that the server reports,
//! and the first failure. Instants are those at which the bytes arrived; time spent on parsing is not part of them.

use super::chunk::{self, Event};
use super::content_coding::{ContentCoding, Decoder};
use super::http::Head;
use super::reason::{Failure, Reason};
use super::record::{ChunkMark, Record, Texts};
use super::sse;
use super::stamp::Stamp;
use crate::model::saturating;

/// Limit of a body that is buffered whole (an error, or a response without streaming), bytes.
const GATHER_LIMIT: usize = 16 << 20;

/// Limits of a stream: chunks with tokens, and bytes of their text. No request asks for as much; a server that never ends a stream
/// would fill the memory.
const MOST_CHUNKS: usize = 1 << 22;
const MOST_TEXT: u64 = 64 << 20;

/// Limit of the number of marks for which memory is reserved at the first token.
const MARKS_AHEAD: usize = 1024;

/// Tokens that a chunk may have beyond its bytes of text: some tokens have no text (half of a multi-byte character, special tokens).
/// A chunk with more new tokens than that shows that earlier tokens were not streamed.
const SILENT_TOKENS: u32 = 8;

/// The format of a body, by its content type and its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Server-sent events.
    Events,
    /// One document, buffered whole.
    Document,
}

impl Form {
    /// The first byte decides if the content type is missing or wrong: a line of an event stream begins with `data`, `event`, `id`,
    /// `retry`, a colon or a byte order mark. A body that begins with `{` or `[` is a document even if the content type is an event
    /// stream, as some errors are.
    fn of(head: &Head, body: &[u8]) -> Option<Self> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
        let looks_like_events = matches!(first, b'd' | b'e' | b'i' | b'r' | b':' | 0xef);
        Some(match first {
            _ if !is_success(head.status) => Self::Document,
            b'{' | b'[' => Self::Document,
            _ if head.is_event_stream || looks_like_events => Self::Events,
            _ => Self::Document,
        })
    }
}

/// The response so far.
#[derive(Debug, Default)]
pub struct Response {
    events: sse::Parser,
    reader: chunk::Reader,
    gathered: Vec<u8>,
    counted: u32,
    marks: Vec<ChunkMark>,
    texts: Option<Box<Texts>>,
    first: Option<(Stamp, Option<u32>)>,
    last: Option<Stamp>,
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    cached_tokens: Option<u32>,
    form: Option<Form>,
    /// Decompressor of the body, if it is compressed.
    decoder: Option<Decoder>,
    /// The server has sent `[DONE]`.
    done: bool,
    /// The server sent a finish reason, or a chunk of a protocol that has none.
    finished: bool,
    /// Length of the streamed text, bytes.
    text_bytes: u64,
    /// Tokens in excess of the text of the chunk that they were counted with; see [`SILENT_TOKENS`].
    silent_tokens: u32,
    /// Requested output length, tokens.
    asked_tokens: u32,
    /// Whether any text or tool call arrived.
    has_output: bool,
    streamed_reasoning: bool,
    reasoning_tokens: Option<u32>,
    keep_texts: bool,
    keep_answer: bool,
    text: String,
    /// Chunks with tokens in the current read.
    in_this_read: u32,
    merged: u32,
    /// Number of marks to reserve memory for, so that the list is not reallocated while it grows.
    expected_marks: usize,
    failure: Option<Failure>,
}

impl Response {
    /// A response before its first byte. `output_tokens` is the requested length. `keep_texts` keeps the texts of chunks without usage,
    /// to count their tokens; `keep_answer` keeps the whole text, to repeat it in a later turn.
    #[must_use]
    pub fn expected(output_tokens: u32, keep_texts: bool, keep_answer: bool) -> Self {
        Self {
            keep_texts,
            keep_answer,
            asked_tokens: output_tokens,
            expected_marks: usize::try_from(output_tokens.saturating_sub(1)).map_or(0, |n| n.min(MARKS_AHEAD)),
            ..Self::default()
        }
    }

    /// Tokens that have arrived; a chunk without usage counts as one.
    #[must_use]
    pub fn tokens_so_far(&self) -> u32 {
        self.counted
    }

    /// Arrival of the first token.
    #[must_use]
    pub fn first_token(&self) -> Option<Stamp> {
        self.first.map(|(at, _)| at)
    }

    /// Whether a failure was recorded.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Records a failure. Only the first is kept, because later ones may be its consequences.
    pub fn fail(&mut self, reason: Reason, detail: &str) {
        if self.failure.is_none() {
            self.failure = Some(Failure::new(reason, detail));
        }
    }

    /// Call before the bytes of each read.
    pub fn begin_read(&mut self) {
        self.in_this_read = 0;
    }

    /// Call after the bytes of each read. A read has only one instant, that of its last bytes, so all but its last chunk with tokens
    /// count as merged.
    pub fn end_read(&mut self) {
        self.merged += self.in_this_read.saturating_sub(1);
    }

    /// Whether the server has sent `[DONE]`. The rest of the body is ignored.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes a part of the body that arrived at `at`.
    pub fn take(&mut self, head: &Head, body: &[u8], at: Stamp) {
        match head.coding {
            ContentCoding::Identity => self.take_decoded(head, body, at),
            ContentCoding::Gzip | ContentCoding::Deflate | ContentCoding::Brotli | ContentCoding::Other(_) => {
                self.take_coded(head, body, at);
            }
        }
    }

    fn take_coded(&mut self, head: &Head, body: &[u8], at: Stamp) {
        if self.done || self.failure.is_some() {
            return;
        }
        if self.decoder.is_none() {
            self.decoder = head.coding.decoder();
        }
        let name = head.coding.as_str();
        match &mut self.decoder {
            Some(decoder) => match decoder.decode(body) {
                Ok(text) => self.take_decoded(head, &text, at),
                Err(error) => self.fail(Reason::MalformedResponse, &format!("content-encoding {name}: {error}")),
            },
            // For an error response, the failure is its status and not its encoding.
            None if !is_success(head.status) => {}
            None => self.fail(
                Reason::UnexpectedContent,
                &format!("content-encoding {name:?}, expected none, gzip, deflate or br; do not compress event streams"),
            ),
        }
    }

    fn take_decoded(&mut self, head: &Head, body: &[u8], at: Stamp) {
        if self.form.is_none() {
            self.form = Form::of(head, body);
        }
        match self.form {
            Some(Form::Events) => self.take_events(body, at),
            Some(Form::Document) | None if self.gathered.len() + body.len() <= GATHER_LIMIT => self.gathered.extend_from_slice(body),
            Some(Form::Document) | None if !is_success(head.status) => self.refuse(head),
            Some(Form::Document) | None => self.fail(Reason::MalformedResponse, "the body is longer than 16 MiB"),
        }
    }

    /// Decides whether the response succeeded, after its body ended at `at` as HTTP requires.
    pub fn judge(&mut self, head: &Head, at: Stamp) {
        if !is_success(head.status) {
            self.refuse(head);
        } else if self.form == Some(Form::Events) {
            self.end_events(at);
        } else if !head.is_event_stream || self.form == Some(Form::Document) {
            self.take_whole(&head.content_type, at);
        }
        if self.failure.is_none() && self.first.is_none() {
            self.fail(Reason::NoTokens, "the answer has no token");
        } else if self.is_empty() {
            let empty = format!(
                "the model ended its answer before any text, after {} of {} tokens; --ignore-eos forbids that",
                self.counted, self.asked_tokens
            );
            self.fail(Reason::EmptyAnswer, &empty);
        }
    }

    /// Whether the model ended its answer before the first text: only the end token was counted. An answer of the requested length may
    /// consist of tokens without text, and a longer one of hidden reasoning.
    fn is_empty(&self) -> bool {
        !self.has_output && self.counted <= SILENT_TOKENS && self.counted < self.asked_tokens
    }

    /// Records a status that is not 2xx, with the server's message or the redirect's location.
    fn refuse(&mut self, head: &Head) {
        let message = chunk::error_message(&self.gathered);
        let Some(location) = &head.location else {
            return self.fail(Reason::Status(head.status), &message);
        };
        if self.failure.is_none() {
            let failure = Failure::new(Reason::Status(head.status), &format!("redirects to {location}"));
            self.failure = Some(failure.with_location(location));
        }
    }

    /// Records a failure if the stream has neither `[DONE]` nor a finish reason.
    fn end_events(&mut self, at: Stamp) {
        if !self.done && self.events.is_inside_event() {
            let last = self.events.unfinished_data();
            // If the last event is not valid, the stream was cut inside it.
            if self.reader.read_event(b"", &last).is_ok() {
                self.take_event(sse::Message { name: b"", data: &last }, at);
            } else {
                self.finished = false;
            }
        }
        if !self.done && !self.finished {
            self.fail(Reason::ClosedEarly, "the stream ended without [DONE] and without a finish reason");
        }
    }

    /// Moves the result into the record of the request.
    pub fn put_into(self, record: &mut Record) {
        record.unstreamed_tokens = self.unstreamed_tokens();
        record.first_token = self.first_token();
        record.first_tokens = self.first.and_then(|(_, tokens)| tokens);
        record.last_token = self.last;
        record.marks = self.marks;
        // Texts of some chunks only cannot be attributed.
        record.texts = self.texts.filter(|texts| texts.len() == record.chunks());
        record.answer = self.text;
        record.merged_chunks = self.merged;
        record.reported_prompt_tokens = self.prompt_tokens;
        record.reported_output_tokens = self.completion_tokens;
        record.reported_cached_tokens = self.cached_tokens;
        record.streamed = self.form == Some(Form::Events);
        record.compressed = self.decoder.is_some();
        record.failure = self.failure;
    }

    /// Tokens that the server counted but did not stream: the largest of three estimates. These are the reported reasoning tokens if no
    /// reasoning was streamed, the excess tokens of single chunks, and the total beyond one token per byte of text.
    fn unstreamed_tokens(&self) -> u32 {
        if self.form != Some(Form::Events) {
            return 0;
        }
        let hidden = self.reasoning_tokens.filter(|_| !self.streamed_reasoning).unwrap_or(0);
        let chunks = saturating::to_u64(self.marks.len()).saturating_add(1);
        let possible = self.text_bytes.saturating_add(chunks + u64::from(SILENT_TOKENS));
        let has_each_count = self.first.is_some_and(|(_, tokens)| tokens.is_some());
        let beyond = match self.completion_tokens {
            Some(total) if !has_each_count => u64::from(total).saturating_sub(possible),
            Some(_) | None => 0,
        };
        hidden.max(self.silent_tokens).max(saturating::to_u32(beyond))
    }

    fn take_events(&mut self, body: &[u8], at: Stamp) {
        let mut events = std::mem::take(&mut self.events);
        if let Err(error) = events.feed(body, |message| self.take_event(message, at)) {
            self.fail(Reason::MalformedEvent, &error.to_string());
        }
        self.events = events;
    }

    fn take_event(&mut self, message: sse::Message<'_>, at: Stamp) {
        if self.done {
            return;
        }
        if self.marks.len() >= MOST_CHUNKS || self.text_bytes >= MOST_TEXT {
            let read = format!(
                "the stream does not end: {} chunks, {} bytes of text",
                self.marks.len(),
                self.text_bytes
            );
            return self.fail(Reason::MalformedResponse, &read);
        }
        match self.reader.read_event(message.name, message.data) {
            Ok(Event::Done) => self.done = true,
            Ok(Event::Ignored) => {}
            Ok(Event::Error(message)) => self.fail(Reason::ServerError, &message),
            Err(error) => self.fail(Reason::MalformedEvent, &error.to_string()),
            Ok(Event::Chunk(chunk)) => {
                let new_tokens = chunk.completion_tokens.map(|total| total.saturating_sub(self.counted));
                self.prompt_tokens = chunk.prompt_tokens.or(self.prompt_tokens);
                self.completion_tokens = chunk.completion_tokens.or(self.completion_tokens);
                self.cached_tokens = chunk.cached_tokens.or(self.cached_tokens);
                self.reasoning_tokens = chunk.reasoning_tokens.or(self.reasoning_tokens);
                self.streamed_reasoning |= chunk.has_reasoning;
                self.finished |= chunk.is_finished || chunk.may_be_last;
                self.keep(&chunk, message.data);
                self.take_tokens(&chunk, new_tokens, message.data, at);
            }
        }
    }

    fn keep(&mut self, chunk: &chunk::Chunk, data: &[u8]) {
        if self.keep_answer {
            if chunk.is_cumulative {
                self.text.clear();
            }
            self.text.push_str(&chunk::text(data));
        }
    }

    /// Records the arrival of a chunk that has text, or new tokens by its usage: some tokens have no text, such as half of a
    /// multi-byte character.
    fn take_tokens(&mut self, chunk: &chunk::Chunk, new_tokens: Option<u32>, data: &[u8], at: Stamp) {
        let new_bytes = self.take_text_bytes(chunk);
        self.has_output |= chunk.has_text || new_bytes > 0;
        let is_final_total = !chunk.has_text && self.first.is_some_and(|(_, tokens)| tokens.is_none());
        let carries = chunk.has_text || (new_tokens.is_some_and(|new| new > 0) && !is_final_total);
        if !carries {
            return;
        }
        // Text although the count has not grown: the server updates its count late. Count the chunk as one token.
        let tokens = new_tokens.filter(|new| *new > 0);
        self.counted += tokens.unwrap_or(1);
        let possible = new_bytes.saturating_add(SILENT_TOKENS);
        self.silent_tokens += tokens.filter(|new| *new > possible).map_or(0, |new| new - new_bytes);
        self.in_this_read += 1;
        match self.last {
            None => {
                self.first = Some((at, tokens));
                self.marks.reserve_exact(self.expected_marks);
            }
            Some(last) => self.marks.push(ChunkMark::new(at.since(last), tokens)),
        }
        self.last = Some(at);
        // Whether the server counts every chunk is known from the second one on.
        if self.keep_texts && (tokens.is_none() || self.marks.is_empty()) {
            self.texts.get_or_insert_default().push(&chunk::text(data));
        }
    }

    /// Length of the new text in a chunk, bytes. A cumulative chunk repeats the text so far.
    fn take_text_bytes(&mut self, chunk: &chunk::Chunk) -> u32 {
        let all = u64::from(chunk.text_bytes);
        let new = if chunk.is_cumulative {
            all.saturating_sub(self.text_bytes)
        } else {
            all
        };
        self.text_bytes = self.text_bytes.saturating_add(new);
        saturating::to_u32(new)
    }

    /// Reads a response without streaming, which is one document.
    fn take_whole(&mut self, content_type: &str, at: Stamp) {
        match chunk::read(&self.gathered) {
            Ok(Event::Chunk(chunk)) => {
                self.prompt_tokens = chunk.prompt_tokens;
                self.completion_tokens = chunk.completion_tokens;
                self.cached_tokens = chunk.cached_tokens;
                let document = std::mem::take(&mut self.gathered);
                self.keep(&chunk, &document);
                self.has_output = chunk.has_text || chunk.text_bytes > 0;
                if chunk.completion_tokens.is_none_or(|tokens| tokens == 0) && self.keep_texts {
                    self.texts.get_or_insert_default().push(&chunk::text(&document));
                }
                if chunk.has_text || chunk.completion_tokens.is_some_and(|tokens| tokens > 0) {
                    self.counted = chunk.completion_tokens.unwrap_or(1);
                    self.first = Some((at, chunk.completion_tokens));
                    self.last = Some(at);
                }
            }
            Ok(Event::Error(message)) => self.fail(Reason::ServerError, &message),
            Ok(Event::Done | Event::Ignored) | Err(_) => {
                let start: String = String::from_utf8_lossy(&self.gathered).chars().take(80).collect();
                self.fail(
                    Reason::UnexpectedContent,
                    &format!("expected a stream of events, found {content_type:?}: {start}"),
                );
            }
        }
    }
}

/// Whether the status is 2xx. Some gateways send streams with 201 or 202.
fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
