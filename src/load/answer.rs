//! What is gathered of one answer's body while it arrives: when which tokens came, what the server says of their number, and what
//! is wrong with it. The instants are those of the bytes; nothing here takes time into account that passes while parsing.

use super::chunk::{self, Event};
use super::http::Head;
use super::reason::{Failure, Reason};
use super::record::{ChunkMark, Record};
use super::sse;
use super::stamp::Stamp;

/// Bodies that are gathered whole (errors, answers without streaming) are cut beyond this.
const GATHER_LIMIT: usize = 16 << 20;

/// Room for more marks than this is made when they come.
const MARKS_AHEAD: usize = 1024;

/// The answer so far.
#[derive(Debug, Default)]
pub struct Answer {
    events: sse::Parser,
    gathered: Vec<u8>,
    counted: u32,
    marks: Vec<ChunkMark>,
    texts: Vec<String>,
    first: Option<(Stamp, Option<u32>)>,
    last: Option<Stamp>,
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
    cached_tokens: Option<u32>,
    streamed: bool,
    done: bool,
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

impl Answer {
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

    /// Takes a part of the body that arrived at `at`.
    pub fn take(&mut self, head: &Head, body: &[u8], at: Stamp) {
        if head.status == 200 && head.is_event_stream {
            self.take_events(body, at);
        } else if self.gathered.len() < GATHER_LIMIT {
            self.gathered.extend_from_slice(body);
        }
    }

    /// Judges the body once it has ended properly at `at`.
    pub fn judge(&mut self, head: &Head, at: Stamp) {
        if head.status != 200 {
            let message = match chunk::read_fully(&self.gathered) {
                Ok(Event::Error(message)) => message,
                Ok(Event::Chunk(_) | Event::Done) | Err(_) => String::from_utf8_lossy(&self.gathered).into_owned(),
            };
            self.fail(Reason::Status(head.status), &message);
        } else if !self.streamed && !head.is_event_stream {
            self.take_whole(&head.content_type, at);
        } else if self.events.is_inside_event() || !self.done {
            self.fail(Reason::ClosedEarly, "the stream ended without [DONE]");
        }
        if self.failure.is_none() && self.first.is_none() {
            self.fail(Reason::NoTokens, "the answer has no token");
        }
    }

    /// Puts what was gathered into the request's record.
    pub fn put_into(self, record: &mut Record) {
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
        record.streamed = self.streamed;
        record.failure = self.failure;
    }

    fn take_events(&mut self, body: &[u8], at: Stamp) {
        self.streamed = true;
        let mut events = std::mem::take(&mut self.events);
        if let Err(error) = events.feed(body, |data| self.take_event(data, at)) {
            self.fail(Reason::MalformedEvent, &error.to_string());
        }
        self.events = events;
    }

    fn take_event(&mut self, data: &[u8], at: Stamp) {
        match chunk::read(data) {
            Ok(Event::Done) => self.done = true,
            Ok(Event::Error(message)) => self.fail(Reason::ServerError, &message),
            Err(error) => self.fail(Reason::MalformedEvent, &error.to_string()),
            Ok(Event::Chunk(chunk)) => {
                let new_tokens = chunk.completion_tokens.map(|total| total.saturating_sub(self.counted));
                self.prompt_tokens = chunk.prompt_tokens.or(self.prompt_tokens);
                self.completion_tokens = chunk.completion_tokens.or(self.completion_tokens);
                self.cached_tokens = chunk.cached_tokens.or(self.cached_tokens);
                self.done |= chunk.may_be_last;
                self.keep(&chunk, data);
                self.take_tokens(&chunk, new_tokens, data, at);
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
        let is_final_total = !chunk.has_text && self.first.is_some_and(|(_, tokens)| tokens.is_none());
        let carries = chunk.has_text || (new_tokens.is_some_and(|new| new > 0) && !is_final_total);
        if !carries {
            return;
        }
        // Text without a new token in the count: the server counts late; the chunk is at least one token's.
        let tokens = new_tokens.filter(|new| *new > 0);
        self.counted += tokens.unwrap_or(1);
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
            self.texts.push(chunk::text(data));
        }
    }

    /// An answer without streaming: one document.
    fn take_whole(&mut self, content_type: &str, at: Stamp) {
        match chunk::read_fully(&self.gathered) {
            Ok(Event::Chunk(chunk)) => {
                self.prompt_tokens = chunk.prompt_tokens;
                self.completion_tokens = chunk.completion_tokens;
                self.cached_tokens = chunk.cached_tokens;
                let document = std::mem::take(&mut self.gathered);
                self.keep(&chunk, &document);
                if chunk.completion_tokens.is_none() && self.keep_texts {
                    self.texts.push(chunk::text(&document));
                }
                if chunk.has_text || chunk.completion_tokens.is_some_and(|tokens| tokens > 0) {
                    self.counted = chunk.completion_tokens.unwrap_or(1);
                    self.first = Some((at, chunk.completion_tokens));
                    self.last = Some(at);
                }
            }
            Ok(Event::Error(message)) => self.fail(Reason::ServerError, &message),
            Ok(Event::Done) | Err(_) => {
                let start: String = String::from_utf8_lossy(&self.gathered).chars().take(80).collect();
                self.fail(
                    Reason::UnexpectedContent,
                    &format!("expected a stream of events, found {content_type:?}: {start}"),
                );
            }
        }
    }
}
