//! Reads what an event of a stream says about tokens, in the formats of OpenAI, SGLang's `/generate` and Triton. Events are
//! deserialized into types ([`document`]): a text search for keys would also find those of nested objects, and would depend on
//! white space. Ordinary chunks are read by a faster scanner with the same result ([`scan`]).

mod cursor;
mod document;
mod ending;
mod scan;

use document::{Document, Finish, Length, Usage};
use serde_json::Value;

use crate::model::saturating;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The end of the stream, `[DONE]`.
    Done,
    /// A chunk of the answer.
    Chunk(Chunk),
    /// An error instead of a chunk, or a finish reason that means that the server did not complete the answer.
    Error(String),
    /// An event that does not concern the answer: it is empty, or it has another name, such as `ping`.
    Ignored,
}

/// What a chunk says about tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Whether it has generated text: of an answer, reasoning, a refusal or a tool call.
    pub has_text: bool,
    /// Bytes of that text. If it has fewer bytes than new tokens, some tokens were not streamed.
    pub text_bytes: u32,
    /// Whether a part of the text is reasoning.
    pub has_reasoning: bool,
    /// Completion tokens so far, if the chunk has usage.
    pub completion_tokens: Option<u32>,
    /// Reasoning tokens among them, if the server reports them.
    pub reasoning_tokens: Option<u32>,
    /// Prompt tokens, if the chunk has usage.
    pub prompt_tokens: Option<u32>,
    /// Prompt tokens found in the prefix cache of the server, if the server reports them.
    pub cached_tokens: Option<u32>,
    /// Whether its text is the whole answer so far, as SGLang sends it.
    pub is_cumulative: bool,
    /// Whether the server gave a finish reason, so that the answer is complete.
    pub is_finished: bool,
    /// Whether the stream may end after it without `[DONE]` or a finish reason, as Triton's does.
    pub may_be_last: bool,
}

/// The event is not JSON of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event is not a chunk of an OpenAI-style stream: {0}")]
pub struct MalformedEvent(String);

/// Finish reasons that mean the server did not complete the answer: `abort` of vLLM and SGLang, `content_filter` of
/// OpenAI, and those of gateways.
const GIVEN_UP: [&str; 10] = [
    "abort",
    "aborted",
    "content_filter",
    "error",
    "failed",
    "cancelled",
    "canceled",
    "timeout",
    "insufficient_system_resource",
    "unknown_error",
];

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub struct Reader {
    beginning: scan::Beginning,
}

impl Reader {
    /// Reads one event with its name, which is empty if absent, and its data.
    ///
    /// # Errors
    /// [`MalformedEvent`] if an event without a name, or with the name `message`, is neither empty, nor `[DONE]`, nor JSON of the
    /// protocol.
    pub fn read_event(&mut self, name: &[u8], data: &[u8]) -> Result<Event, MalformedEvent> {
        let data = data.trim_ascii();
        if name.eq_ignore_ascii_case(b"error") {
            return Ok(Event::Error(error_message(data)));
        }
        if data.is_empty() {
            return Ok(Event::Ignored);
        }
        if data == b"[DONE]" {
            return Ok(Event::Done);
        }
        match self.read(data) {
            // Events with other names (`ping`, `metadata`) may have any data.
            Err(_) if !name.is_empty() && name != b"message" => Ok(Event::Ignored),
            read => read,
        }
    }

    fn read(&mut self, data: &[u8]) -> Result<Event, MalformedEvent> {
        match scan::scan(data, &mut self.beginning) {
            Some(chunk) => Ok(Event::Chunk(chunk)),
            None => read(data),
        }
    }
}

/// Reads a document of any format, a chunk or the body of a response that was not streamed, with the types of [`document`]. This
/// function is the reference for the scanner.
///
/// # Errors
/// [`MalformedEvent`] if it is not JSON of the protocol.
pub fn read(data: &[u8]) -> Result<Event, MalformedEvent> {
    let document: Document<Length> = serde_json::from_slice(data).map_err(|error| MalformedEvent(error.to_string()))?;
    if let Some(error) = document.error.as_ref().filter(|error| !is_nothing(error)) {
        return Ok(Event::Error(message_of(error)));
    }
    if let Some(meta) = &document.meta_info {
        return Ok(sglang(document.text.0, meta));
    }
    if let Some(text) = &document.text_output {
        return Ok(Event::Chunk(Chunk {
            may_be_last: true,
            ..with_text(text.0)
        }));
    }
    // Some gateways omit the empty `choices` of the last chunk, which has the usage.
    let counts_tokens = document.usage.as_ref().is_some_and(|usage| usage.completion_tokens.0.is_some());
    if document.choices.is_none() && !counts_tokens {
        return match document.message.or(document.detail) {
            Some(message) => Ok(Event::Error(message_of(&message))),
            None => Err(MalformedEvent("it has neither `choices` nor `error`".to_owned())),
        };
    }
    let mut chunk = Chunk::default();
    for choice in document.choices.iter().flatten() {
        if let Some(failure) = failure_of(&choice.finish_reason) {
            return Ok(Event::Error(failure));
        }
        chunk.is_finished |= choice.finish_reason != Finish::NotYet;
        let bytes = choice.bytes();
        if let Some(delta) = choice.delta() {
            chunk.has_reasoning |= delta.reasoning().0 > 0;
            chunk.has_text |= delta.calls_tool();
        }
        chunk.has_text |= bytes > 0;
        chunk.text_bytes = chunk.text_bytes.saturating_add(saturated(bytes));
    }
    if let Some(usage) = &document.usage {
        take_usage(&mut chunk, usage);
    }
    Ok(Event::Chunk(chunk))
}

/// SGLang repeats the whole text in each event and counts its tokens; only the count shows whether there are new tokens.
fn sglang(text: Length, meta: &Usage) -> Event {
    if let Some(failure) = failure_of(&meta.finish_reason) {
        return Event::Error(failure);
    }
    let mut chunk = with_text(text);
    take_usage(&mut chunk, meta);
    chunk.has_text &= chunk.completion_tokens.is_none();
    chunk.is_cumulative = true;
    chunk.is_finished = meta.finish_reason != Finish::NotYet;
    Event::Chunk(chunk)
}

fn with_text(text: Length) -> Chunk {
    Chunk {
        has_text: text.0 > 0,
        text_bytes: saturated(text.0),
        ..Chunk::default()
    }
}

fn take_usage(chunk: &mut Chunk, usage: &Usage) {
    chunk.completion_tokens = usage.completion_tokens.0;
    chunk.prompt_tokens = usage.prompt_tokens.0;
    chunk.cached_tokens = usage.cached();
    chunk.reasoning_tokens = usage.reasoning();
}

fn failure_of(finish: &Finish) -> Option<String> {
    match finish {
        Finish::NotYet => None,
        Finish::Ended { reason, message } => GIVEN_UP.contains(&reason.to_ascii_lowercase().as_str()).then(|| match message {
            Some(message) => format!("the answer ended with {reason}: {message}"),
            None => format!("the answer ended with finish reason {reason:?}"),
        }),
    }
}

/// The generated text of a chunk, empty if there is none. It is used to count tokens if the server does not, and to repeat an
/// answer in the next turn.
#[must_use]
pub fn text(data: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<Document<String>>(data) else {
        return String::new();
    };
    let mut text = document.text.0 + &document.text_output.unwrap_or_default().0;
    for choice in document.choices.into_iter().flatten() {
        choice.fields().for_each(|field| text.push_str(field));
    }
    text
}

/// The message of an error body that may be JSON or text.
#[must_use]
pub fn error_message(data: &[u8]) -> String {
    let text = || String::from_utf8_lossy(data).into_owned();
    match serde_json::from_slice::<Value>(data) {
        Ok(Value::Object(object)) => {
            let inner = ["error", "message", "detail"].into_iter().find_map(|key| object.get(key));
            inner.filter(|inner| !is_nothing(inner)).map_or_else(text, message_of)
        }
        Ok(Value::String(message)) => message,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | Err(_) => text(),
    }
}

fn message_of(error: &Value) -> String {
    let inner = error.get("message").filter(|message| !is_nothing(message)).unwrap_or(error);
    inner.as_str().map_or_else(|| inner.to_string(), str::to_owned)
}

/// Whether a field `error` or `message` means that there is no error: some servers send it empty, null or false.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) => false,
    }
}

fn saturated(bytes: usize) -> u32 {
    saturating::to_u32(bytes)
}

#[cfg(test)]
mod tests;
