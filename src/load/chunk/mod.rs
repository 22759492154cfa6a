//! What one event of a stream says about tokens, in the dialects of OpenAI, SGLang's `/generate` and Triton. The hot path looks for the few keys that matter and
//! leaves the rest of the JSON unread; whatever it does not recognise goes through a full parse.
//!
//! Searching for `"text":` is sound: inside a JSON string every quote is escaped, so these bytes with unescaped quotes
//! are always a key.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use serde::Deserialize;

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The end of the stream, `[DONE]`.
    Done,
    /// A chunk of the answer.
    Chunk(Chunk),
    /// An error in place of a chunk.
    Error(String),
}

/// What a chunk says about tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Whether it carries text: an answer's, a reasoning's or a tool call's.
    pub has_text: bool,
    /// Completion tokens so far, where the chunk has usage.
    pub completion_tokens: Option<u32>,
    /// Prompt tokens, where the chunk has usage.
    pub prompt_tokens: Option<u32>,
    /// Prompt tokens that the server's prefix cache had, where the server says it.
    pub cached_tokens: Option<u32>,
    /// Whether its text is the whole answer so far, as SGLang sends it.
    pub is_cumulative: bool,
    /// Whether the stream may end behind it without `[DONE]`, as Triton's does.
    pub may_be_last: bool,
}

/// The event is not JSON of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event is not a chunk of an OpenAI-style stream: {0}")]
pub struct MalformedEvent(String);

/// Keys whose value is text made of generated tokens: completions, chat, and the two spellings of reasoning.
static TEXT_KEYS: [Key; 4] = [
    Key::new(|| Finder::new(b"\"text\":"), 7),
    Key::new(|| Finder::new(b"\"content\":"), 10),
    Key::new(|| Finder::new(b"\"reasoning_content\":"), 20),
    Key::new(|| Finder::new(b"\"reasoning\":"), 12),
];
static CHOICES: Key = Key::new(|| Finder::new(b"\"choices\":"), 10);
static META_INFO: Key = Key::new(|| Finder::new(b"\"meta_info\":"), 12);
static USAGE: Key = Key::new(|| Finder::new(b"\"usage\":"), 8);
static ERROR: Key = Key::new(|| Finder::new(b"\"error\":"), 8);
static COMPLETION_TOKENS: Key = Key::new(|| Finder::new(b"\"completion_tokens\":"), 20);
static TEXT_OUTPUT: Key = Key::new(|| Finder::new(b"\"text_output\":"), 14);
static PROMPT_TOKENS: Key = Key::new(|| Finder::new(b"\"prompt_tokens\":"), 16);
/// In `prompt_tokens_details` of the OpenAI API, and in SGLang's `meta_info`.
static CACHED_TOKENS: Key = Key::new(|| Finder::new(b"\"cached_tokens\":"), 16);

/// Reads one event's data.
///
/// # Errors
/// [`MalformedEvent`] where it is neither `[DONE]` nor JSON of the protocol.
pub fn read(data: &[u8]) -> Result<Event, MalformedEvent> {
    if data == b"[DONE]" {
        return Ok(Event::Done);
    }
    let is_whole = data.first() == Some(&b'{') && data.last() == Some(&b'}');
    if !is_whole {
        return read_fully(data);
    }
    if find(&CHOICES, data).is_none() {
        return match find_last(&META_INFO, data) {
            _ if find(&ERROR, data).is_some() => read_fully(data),
            Some(at) => Ok(Event::Chunk(sglang(data, &data[at..]))),
            None if find(&TEXT_OUTPUT, data).is_some() => Ok(Event::Chunk(triton(data))),
            None => read_fully(data),
        };
    }
    let has_text = TEXT_KEYS.iter().any(|key| has_text_under(data, key));
    // Most chunks end here: what carries text is no error, so only the others are searched for one.
    if !has_text && find(&ERROR, data).is_some() {
        return read_fully(data);
    }
    let mut chunk = Chunk {
        has_text: has_text || memmem::find(data, b"\"tool_calls\":[{").is_some(),
        ..Chunk::default()
    };
    if let Some(at) = find_last(&USAGE, data) {
        let usage = &data[at..];
        chunk.completion_tokens = number_under(usage, &COMPLETION_TOKENS);
        chunk.prompt_tokens = number_under(usage, &PROMPT_TOKENS);
        // Servers say it with the total, which comes without text.
        if !has_text {
            chunk.cached_tokens = number_under(usage, &CACHED_TOKENS);
        }
    }
    Ok(Event::Chunk(chunk))
}

/// A key that is searched for in every chunk; its searcher is made once.
struct Key {
    length: usize,
    finder: LazyLock<Finder<'static>>,
}

impl Key {
    const fn new(finder: fn() -> Finder<'static>, length: usize) -> Self {
        Self {
            length,
            finder: LazyLock::new(finder),
        }
    }
}

fn find(key: &Key, data: &[u8]) -> Option<usize> {
    key.finder.find(data)
}

/// The last place of a key. Searching forwards is vectorised and backwards is not, so all places are gone through.
fn find_last(key: &Key, data: &[u8]) -> Option<usize> {
    key.finder.find_iter(data).last()
}

/// SGLang repeats the text so far and counts its tokens; only the count says whether something new came.
fn sglang(data: &[u8], meta: &[u8]) -> Chunk {
    let completion_tokens = number_under(meta, &COMPLETION_TOKENS);
    Chunk {
        has_text: completion_tokens.is_none() && TEXT_KEYS.iter().take(1).any(|key| has_text_under(data, key)),
        completion_tokens,
        prompt_tokens: number_under(meta, &PROMPT_TOKENS),
        cached_tokens: number_under(meta, &CACHED_TOKENS),
        is_cumulative: true,
        may_be_last: false,
    }
}

fn triton(data: &[u8]) -> Chunk {
    Chunk {
        has_text: has_text_under(data, &TEXT_OUTPUT),
        may_be_last: true,
        ..Chunk::default()
    }
}

fn has_text_under(data: &[u8], key: &Key) -> bool {
    key.finder.find_iter(data).any(|at| {
        let value = data[at + key.length..].trim_ascii_start();
        value.first() == Some(&b'"') && value.get(1).is_some_and(|byte| *byte != b'"')
    })
}

fn number_under(data: &[u8], key: &Key) -> Option<u32> {
    let at = find(key, data)?;
    let value = data[at + key.length..].trim_ascii_start();
    let mut digits = value.iter().take_while(|byte| byte.is_ascii_digit()).peekable();
    digits.peek()?;
    digits.try_fold(0_u32, |number, digit| number.checked_mul(10)?.checked_add(u32::from(digit - b'0')))
}

/// The text that a chunk carries, for counting tokens where the server does not; empty where it carries none.
#[must_use]
pub fn text(data: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<ChunkDocument>(data) else {
        return String::new();
    };
    let mut text = document.text.unwrap_or_default() + &document.text_output.unwrap_or_default();
    for choice in document.choices.into_iter().flatten() {
        let delta = choice.delta.unwrap_or_default();
        let message = choice.message.unwrap_or_default();
        let parts = [
            choice.text,
            delta.content,
            delta.reasoning_content,
            delta.reasoning,
            message.content,
        ];
        for part in parts {
            text.push_str(&part.unwrap_or_default());
        }
    }
    text
}

#[derive(Deserialize)]
struct ChunkDocument {
    choices: Option<Vec<ChoiceDocument>>,
    usage: Option<UsageDocument>,
    error: Option<serde_json::Value>,
    message: Option<serde_json::Value>,
    text: Option<String>,
    meta_info: Option<UsageDocument>,
    text_output: Option<String>,
}

#[derive(Deserialize)]
struct ChoiceDocument {
    text: Option<String>,
    delta: Option<DeltaDocument>,
    message: Option<DeltaDocument>,
}

#[derive(Deserialize, Default)]
struct DeltaDocument {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
struct UsageDocument {
    completion_tokens: Option<u32>,
    prompt_tokens: Option<u32>,
    cached_tokens: Option<u32>,
    prompt_tokens_details: Option<PromptDetailsDocument>,
}

#[derive(Deserialize)]
struct PromptDetailsDocument {
    cached_tokens: Option<u32>,
}

impl UsageDocument {
    fn cached(&self) -> Option<u32> {
        let details = self.prompt_tokens_details.as_ref();
        details.and_then(|details| details.cached_tokens).or(self.cached_tokens)
    }
}

/// Reads a whole document: an unusual chunk, or the answer to a request that was not streamed.
///
/// # Errors
/// [`MalformedEvent`] where it is not JSON of the protocol.
pub fn read_fully(data: &[u8]) -> Result<Event, MalformedEvent> {
    let document: ChunkDocument = serde_json::from_slice(data).map_err(|error| MalformedEvent(error.to_string()))?;
    if let Some(error) = document.error.filter(|error| !error.is_null()) {
        return Ok(Event::Error(message_of(&error)));
    }
    let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if document.meta_info.is_some() || document.text_output.is_some() {
        let usage = document.meta_info.as_ref();
        return Ok(Event::Chunk(Chunk {
            has_text: filled(&document.text) || filled(&document.text_output),
            completion_tokens: usage.and_then(|usage| usage.completion_tokens),
            prompt_tokens: usage.and_then(|usage| usage.prompt_tokens),
            cached_tokens: usage.and_then(UsageDocument::cached),
            is_cumulative: usage.is_some(),
            may_be_last: usage.is_none(),
        }));
    }
    let Some(choices) = document.choices else {
        return match document.message {
            Some(message) => Ok(Event::Error(message_of(&message))),
            None => Err(MalformedEvent("it has neither `choices` nor `error`".to_owned())),
        };
    };
    let speaks = |delta: &DeltaDocument| {
        filled(&delta.content)
            || filled(&delta.reasoning_content)
            || filled(&delta.reasoning)
            || delta.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
    };
    let has_text = choices
        .iter()
        .any(|choice| filled(&choice.text) || choice.delta.as_ref().is_some_and(speaks) || choice.message.as_ref().is_some_and(speaks));
    Ok(Event::Chunk(Chunk {
        has_text,
        completion_tokens: document.usage.as_ref().and_then(|usage| usage.completion_tokens),
        prompt_tokens: document.usage.as_ref().and_then(|usage| usage.prompt_tokens),
        cached_tokens: document.usage.as_ref().and_then(UsageDocument::cached),
        ..Chunk::default()
    }))
}

fn message_of(error: &serde_json::Value) -> String {
    let inner = error.get("message").unwrap_or(error);
    inner.as_str().map_or_else(|| inner.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
