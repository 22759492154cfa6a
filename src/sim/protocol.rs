//! The requests that the simulated engine understands, in the dialects of OpenAI, SGLang and Triton, and its error responses to
//! the others.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::load::Tokenizer;
use crate::model::saturating;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/v1/completions`.
    Completions,
    /// `/v1/chat/completions`.
    Chat,
    /// SGLang's `/generate`.
    Sglang,
    /// Triton's `/v2/models/NAME/generate`.
    Triton,
    /// Triton's `/v2/models/NAME/generate_stream`.
    TritonStream,
}

/// What a request's method and path ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Whether the engine serves.
    Health,
    /// The list of models.
    Models,
    Metrics,
    /// Starts or stops the profiler.
    Profile {
        on: bool,
    },
    Tokenize,
    Detokenize,
    Generate(Api),
    /// Not served: status and message.
    Refuse(u16, &'static str),
}

#[must_use]
pub fn route(method: &str, path: &str) -> Route {
    let (expected, route) = match path {
        "/health" | "/ping" => ("GET", Route::Health),
        "/v1/models" => ("GET", Route::Models),
        "/metrics" => ("GET", Route::Metrics),
        "/v1/completions" => ("POST", Route::Generate(Api::Completions)),
        "/v1/chat/completions" => ("POST", Route::Generate(Api::Chat)),
        "/generate" => ("POST", Route::Generate(Api::Sglang)),
        "/tokenize" => ("POST", Route::Tokenize),
        "/detokenize" => ("POST", Route::Detokenize),
        "/start_profile" => ("POST", Route::Profile { on: true }),
        "/stop_profile" => ("POST", Route::Profile { on: false }),
        path if path.starts_with("/v2/models/") && path.ends_with("/generate") => ("POST", Route::Generate(Api::Triton)),
        path if path.starts_with("/v2/models/") && path.ends_with("/generate_stream") => ("POST", Route::Generate(Api::TritonStream)),
        _ => return Route::Refuse(404, "not found"),
    };
    if method == expected {
        route
    } else {
        Route::Refuse(405, "method not allowed")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateRequest {
    pub api: Api,
    /// The requested model; empty if the API has none.
    pub model: String,
    /// Hashes of the prompt's blocks, each over everything up to its end; empty unless requested by [`Counting`].
    pub blocks: Vec<u64>,
    /// The prompt's text; empty unless requested by [`Counting`], and for a prompt of token ids.
    pub prompt: String,
    /// Prompt length, tokens.
    pub prompt_tokens: u32,
    /// Maximum tokens to generate.
    pub max_tokens: u32,
    /// Whether to continue where the model would stop (`ignore_eos`).
    pub ignore_eos: bool,
    /// Whether to stream.
    pub stream: bool,
    /// Whether the stream ends with usage.
    pub include_usage: bool,
    /// Whether every chunk has usage.
    pub continuous_usage: bool,
}

/// An error response: HTTP status and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
}

impl Refusal {
    /// The body, as OpenAI-compatible servers send it.
    #[must_use]
    pub fn body(&self) -> String {
        json!({ "error": { "message": self.message, "type": "invalid_request_error", "param": null, "code": self.status } }).to_string()
    }
}

fn missing(name: &str) -> Refusal {
    bad(format!("`{name}` is missing"))
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal {
        status: 400,
        message: message.into(),
    }
}

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    prompt: Option<Value>,
    messages: Option<Vec<Message>>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    #[serde(default)]
    ignore_eos: bool,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    text: Option<Value>,
    input_ids: Option<Value>,
    #[serde(default)]
    sampling_params: SamplingParams,
    text_input: Option<Value>,
    min_length: Option<u32>,
}

#[derive(Deserialize, Default)]
struct SamplingParams {
    max_new_tokens: Option<u32>,
    #[serde(default)]
    ignore_eos: bool,
}

#[derive(Deserialize)]
struct Message {
    content: Option<Value>,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
    #[serde(default)]
    continuous_usage_stats: bool,
}

/// Defaults of the APIs.
const DEFAULT_COMPLETION_TOKENS: u32 = 16;
const DEFAULT_CHAT_TOKENS: u32 = 256;
const DEFAULT_SGLANG_TOKENS: u32 = 128;

/// How prompts are counted, and what else is kept of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counting<'a> {
    /// Counts the tokens of texts; without a tokenizer, words are counted.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Whether a prefix cache needs the hashes of blocks.
    pub blocks: bool,
    /// Whether the text is needed.
    pub text: bool,
}

/// Reads a request body. Text is counted by the tokenizer if there is one, else by words; token ids by their
/// number.
///
/// # Errors
/// The [`Refusal`] to respond with.
pub fn parse(api: Api, body: &[u8], counting: Counting<'_>) -> Result<GenerateRequest, Refusal> {
    let body: Body = serde_json::from_slice(body).map_err(|error| bad(format!("the body is not a request: {error}")))?;
    if body.n.is_some_and(|n| n != 1) {
        return Err(bad("`n` other than 1 is not supported"));
    }
    let (prompts, default): (Vec<Value>, u32) = match api {
        Api::Completions => (vec![body.prompt.ok_or_else(|| missing("prompt"))?], DEFAULT_COMPLETION_TOKENS),
        Api::Chat => {
            let messages = body.messages.ok_or_else(|| missing("messages"))?;
            (
                messages.into_iter().filter_map(|message| message.content).collect(),
                DEFAULT_CHAT_TOKENS,
            )
        }
        Api::Sglang => (
            vec![body.input_ids.or(body.text).ok_or_else(|| missing("text"))?],
            DEFAULT_SGLANG_TOKENS,
        ),
        Api::Triton | Api::TritonStream => (
            vec![body.text_input.ok_or_else(|| missing("text_input"))?],
            DEFAULT_COMPLETION_TOKENS,
        ),
    };
    let mut prompt_tokens = 0;
    for prompt in &prompts {
        prompt_tokens += match api {
            Api::Chat => content_tokens(prompt, counting.tokenizer)?,
            Api::Completions | Api::Sglang | Api::Triton | Api::TritonStream => prompt_tokens_of(prompt, counting.tokenizer)?,
        };
    }
    let asked = body
        .max_completion_tokens
        .or(body.max_tokens)
        .or(body.sampling_params.max_new_tokens);
    let max_tokens = asked.unwrap_or(default);
    if max_tokens == 0 {
        return Err(bad("`max_tokens` is 0, expected at least 1"));
    }
    let options = body.stream_options.unwrap_or_default();
    let stream = match api {
        Api::TritonStream => true,
        Api::Triton => false,
        Api::Completions | Api::Chat | Api::Sglang => body.stream,
    };
    Ok(GenerateRequest {
        api,
        model: body.model.unwrap_or_default(),
        blocks: if counting.blocks {
            super::prefix_cache::blocks(&prompts)
        } else {
            Vec::new()
        },
        prompt: if counting.text {
            prompts.iter().map(text_of).collect::<Vec<_>>().join("\n")
        } else {
            String::new()
        },
        prompt_tokens,
        max_tokens,
        ignore_eos: body.ignore_eos || body.sampling_params.ignore_eos || body.min_length.is_some_and(|length| length >= max_tokens),
        stream,
        include_usage: options.include_usage,
        continuous_usage: options.include_usage && options.continuous_usage_stats,
    })
}

/// The text of a prompt or of a message's content; the texts of a list are concatenated.
fn text_of(prompt: &Value) -> String {
    match prompt {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of).collect(),
        Value::Object(part) => part.get("text").map(text_of).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

/// A prompt is a text, a list of token ids, or a list with one of either.
fn prompt_tokens_of(prompt: &Value, tokenizer: Option<&Tokenizer>) -> Result<u32, Refusal> {
    match prompt {
        Value::String(text) => count(text, tokenizer),
        Value::Array(items) if items.iter().all(Value::is_u64) && !items.is_empty() => Ok(length(items.len())),
        Value::Array(items) if items.len() == 1 => prompt_tokens_of(&items[0], tokenizer),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(bad(
            "`prompt` is neither a text nor a list of token ids; several prompts in one request are not supported",
        )),
    }
}

/// A message's content is a text, or a list of parts of which only texts count.
fn content_tokens(content: &Value, tokenizer: Option<&Tokenizer>) -> Result<u32, Refusal> {
    match content {
        Value::String(text) => count(text, tokenizer),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.map(|text| count(text, tokenizer)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(bad("a message's `content` is not a text")),
    }
}

fn count(text: &str, tokenizer: Option<&Tokenizer>) -> Result<u32, Refusal> {
    match tokenizer {
        None => Ok(length(text.split_whitespace().count())),
        Some(tokenizer) => tokenizer.count(text).map(length).map_err(|error| bad(error.to_string())),
    }
}

fn length(n: usize) -> u32 {
    saturating::to_u32(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests_of_real_clients() {
        let body = br#"{"model":"m","prompt":" a b c","max_tokens":9,"stream":true,"ignore_eos":true,"temperature":0,
                        "stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#;
        let request = parse(Api::Completions, body, Counting::default()).unwrap();
        assert_eq!((request.prompt_tokens, request.max_tokens), (3, 9));
        assert!(request.stream && request.ignore_eos && request.include_usage && request.continuous_usage);
        for (prompt, tokens) in [("[1,2,3,4]", 4), ("[[5,6]]", 2), ("[\"x y\"]", 2)] {
            let body = format!("{{\"prompt\":{prompt}}}");
            let request = parse(Api::Completions, body.as_bytes(), Counting::default()).unwrap();
            assert_eq!((request.prompt_tokens, request.max_tokens), (tokens, 16), "{prompt}");
        }
        let body = br#"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi"}]}],
                        "max_completion_tokens":5}"#;
        let request = parse(Api::Chat, body, Counting::default()).unwrap();
        assert_eq!((request.prompt_tokens, request.max_tokens), (3, 5));
    }

    #[test]
    fn refuses_invalid_bodies() {
        for (body, message) in [
            ("{", "not a request"),
            ("{}", "`prompt` is missing"),
            (r#"{"prompt":["a","b"]}"#, "several prompts"),
            (r#"{"prompt":"a","n":2}"#, "`n`"),
            (r#"{"prompt":"a","max_tokens":0}"#, "`max_tokens`"),
        ] {
            let refusal = parse(Api::Completions, body.as_bytes(), Counting::default()).unwrap_err();
            assert!(refusal.message.contains(message), "{body}: {}", refusal.message);
            assert_eq!(refusal.status, 400);
        }
    }
}
