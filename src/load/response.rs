//! What is gathered of one answer's body while it arrives: when which tokens came, what the server says of their number, and what
//! is wrong with it. The instants are those of the bytes; nothing here takes time into account that passes while parsing.

use super::chunk::{self, Event};
use super::content_coding::{ContentCoding, Decoder};
use super::http::Head;
use super::reason::{Failure, Reason};
use super::record::{ChunkMark, Record, Texts};
use super::sse;
use super::stamp::Stamp;

/// Bodies that are gathered whole (errors, answers without streaming) are cut beyond this.
const GATHER_LIMIT: usize = 16 << 20;

/// Room for more marks than this is made when they come.
const MARKS_AHEAD: usize = 1024;

/// Tokens without text of their own (half of a character, special tokens) may come with any chunk; more than these were generated
/// before and not streamed.
const SILENT_TOKENS: u32 = 8;

/// What a body is, by its content type or its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Server-sent events.
    Events,
    /// One document, gathered whole.
    Document,
}

impl Form {
    /// A server that has no content type, or a wrong one, is understood by the first byte of the body: fields of events begin with
    /// letters or a colon, documents do not. An error may be a document although events were announced.
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

/// The answer so far.
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
    /// Of a compressed body.
    decoder: Option<Decoder>,
    /// The server has sent the end of the answer: `[DONE]`.
    done: bool,
    /// The server gave a finish reason, or its protocol has none.
    finished: bool,
    /// Text that was streamed, bytes.
    text_bytes: u64,
    /// Tokens that came with less text than they can have.
    silent_tokens: u32,
    streamed_reasoning: bool,
    reasoning_tokens: Option<u32>,
    keep_texts: bool,
    keep_answer: bool,
    text: String,
    /// Chunks with tokens among the bytes of the present read.
    in_this_read: u32,
    merged: u32,
    /// Chunks to make room for, so that a long answer's marks are not moved as they grow.
    expected_marks: usize,
    failure: Option<Failure>,
}

impl Response {
    /// An answer of which nothing has come. `output_tokens` is its length as asked for; the texts of chunks without usage are kept
    /// to count their tokens, the whole text to repeat it in a further turn.
    #[must_use]
    pub fn expected(output_tokens: u32, keep_texts: bool, keep_answer: bool) -> Self {
        Self {
            keep_texts,
            keep_answer,
            expected_marks: usize::try_from(output_tokens.saturating_sub(1)).map_or(0, |n| n.min(MARKS_AHEAD)),
            ..Self::default()
        }
    }

    /// Tokens that have arrived, as far as known now.
    #[must_use]
    pub fn tokens_so_far(&self) -> u32 {
        self.counted
    }

    /// Arrival of the first token.
    #[must_use]
    pub fn first_token(&self) -> Option<Stamp> {
        self.first.map(|(at, _)| at)
    }

    /// Whether something is wrong with it already.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Notes what is wrong. The first cause counts; what follows from it does not.
    pub fn fail(&mut self, reason: Reason, detail: &str) {
        if self.failure.is_none() {
            self.failure = Some(Failure::new(reason, detail));
        }
    }

    /// Begins with the bytes of another read.
    pub fn begin_read(&mut self) {
        self.in_this_read = 0;
    }

    /// Ends it: one read has one instant, that of its last bytes; the chunks before it got that one too.
    pub fn end_read(&mut self) {
        self.merged += self.in_this_read.saturating_sub(1);
    }

    /// Whether the server said that the answer is over. What still comes of the body says nothing.
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
            // The status of a refusal says more than its form.
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
            Some(Form::Document) | None if self.gathered.len() < GATHER_LIMIT => self.gathered.extend_from_slice(body),
            Some(Form::Document) | None => {}
        }
    }

    /// Judges the body once it has ended properly at `at`.
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
        }
    }

    /// A status that is not 2xx: the server's words, and where a redirect points.
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

    /// A stream whose body ended as HTTP wants it is complete with `[DONE]`, or with a finish reason.
    fn end_events(&mut self, at: Stamp) {
        if !self.done && self.events.is_inside_event() {
            let last = self.events.unfinished_data();
            // Where it is not whole, the stream was cut in it.
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

    /// Puts what was gathered into the request's record.
    pub fn put_into(self, record: &mut Record) {
        record.unstreamed_tokens = self.unstreamed_tokens();
        record.first_token = self.first_token();
        record.first_tokens = self.first.and_then(|(_, tokens)| tokens);
        record.last_token = self.last;
        record.marks = self.marks;
        record.texts = self.texts;
        record.answer = self.text;
        record.merged_chunks = self.merged;
        record.reported_prompt_tokens = self.prompt_tokens;
        record.reported_output_tokens = self.completion_tokens;
        record.reported_cached_tokens = self.cached_tokens;
        record.streamed = self.form == Some(Form::Events);
        record.compressed = self.decoder.is_some();
        record.failure = self.failure;
    }

    /// Tokens that the server counted and did not stream: reasoning that it hides, or more than the text can hold, since a token
    /// has at least a byte.
    fn unstreamed_tokens(&self) -> u32 {
        if self.form != Some(Form::Events) {
            return 0;
        }
        let hidden = self.reasoning_tokens.filter(|_| !self.streamed_reasoning).unwrap_or(0);
        let chunks = u64::try_from(self.marks.len()).unwrap_or(u64::MAX).saturating_add(1);
        let possible = self.text_bytes.saturating_add(chunks + u64::from(SILENT_TOKENS));
        let has_each_count = self.first.is_some_and(|(_, tokens)| tokens.is_some());
        let beyond = match self.completion_tokens {
            Some(total) if !has_each_count => u64::from(total).saturating_sub(possible),
            Some(_) | None => 0,
        };
        hidden.max(self.silent_tokens).max(u32::try_from(beyond).unwrap_or(u32::MAX))
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

    /// A chunk carries tokens where it has text, or where usage says that tokens came: some have no text of their own,
    /// such as half of a multi-byte character.
    fn take_tokens(&mut self, chunk: &chunk::Chunk, new_tokens: Option<u32>, data: &[u8], at: Stamp) {
        let new_bytes = self.take_text_bytes(chunk);
        let is_final_total = !chunk.has_text && self.first.is_some_and(|(_, tokens)| tokens.is_none());
        let carries = chunk.has_text || (new_tokens.is_some_and(|new| new > 0) && !is_final_total);
        if !carries {
            return;
        }
        // Text without a new token in the count: the server counts late; the chunk is at least one token's.
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
        if tokens.is_none() && self.keep_texts {
            self.texts.get_or_insert_default().push(&chunk::text(data));
        }
    }

    /// Bytes of text that came new with a chunk.
    fn take_text_bytes(&mut self, chunk: &chunk::Chunk) -> u32 {
        let all = u64::from(chunk.text_bytes);
        let new = if chunk.is_cumulative {
            all.saturating_sub(self.text_bytes)
        } else {
            all
        };
        self.text_bytes = self.text_bytes.saturating_add(new);
        u32::try_from(new).unwrap_or(u32::MAX)
    }

    /// An answer without streaming: one document.
    fn take_whole(&mut self, content_type: &str, at: Stamp) {
        match chunk::read(&self.gathered) {
            Ok(Event::Chunk(chunk)) => {
                self.prompt_tokens = chunk.prompt_tokens;
                self.completion_tokens = chunk.completion_tokens;
                self.cached_tokens = chunk.cached_tokens;
                let document = std::mem::take(&mut self.gathered);
                self.keep(&chunk, &document);
                if chunk.completion_tokens.is_none() && self.keep_texts {
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

/// Any 2xx: gateways answer a stream with 201 or 202 too.
fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
