//! The requests of the OpenAI API that the simulated engine understands, and its answers to those it does not.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::load::Tokenizer;

/// Which of the two text APIs was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/v1/completions`.
    Completions,
    /// `/v1/chat/completions`.
    Chat,
}

/// What a request's method and path ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Whether the engine serves.
    Health,
    /// The list of models.
    Models,
    /// Counters for Prometheus.
    Metrics,
    /// Text.
    Generate(Api),
    /// Nothing that is served: the status and the message.
    Refuse(u16, &'static str),
}

/// Reads method and path.
#[must_use]
pub fn route(method: &str, path: &str) -> Route {
    let (expected, route) = match path {
        "/health" | "/ping" => ("GET", Route::Health),
        "/v1/models" => ("GET", Route::Models),
        "/metrics" => ("GET", Route::Metrics),
        "/v1/completions" => ("POST", Route::Generate(Api::Completions)),
        "/v1/chat/completions" => ("POST", Route::Generate(Api::Chat)),
        _ => return Route::Refuse(404, "not found"),
    };
    if method == expected {
        route
    } else {
        Route::Refuse(405, "method not allowed")
    }
}

/// A request to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateRequest {
    /// Which API.
    pub api: Api,
    /// The model asked for.
    pub model: String,
    /// Prompt length, tokens.
    pub prompt_tokens: u32,
    /// Most tokens to generate.
    pub max_tokens: u32,
    /// Whether to go on where the model would end.
    pub ignore_eos: bool,
    /// Whether to stream.
    pub stream: bool,
    /// Whether the stream ends with usage.
    pub include_usage: bool,
    /// Whether every chunk has usage.
    pub continuous_usage: bool,
}

/// Why a request is refused: the HTTP status and the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The message.
    pub message: String,
}

impl Refusal {
    /// The body, as OpenAI-compatible servers send it.
    #[must_use]
    pub fn body(&self) -> String {
        json!({ "error": { "message": self.message, "type": "invalid_request_error", "param": null, "code": self.status } }).to_string()
    }
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

/// What the APIs generate where the request does not say how much.
const DEFAULT_COMPLETION_TOKENS: u32 = 16;
const DEFAULT_CHAT_TOKENS: u32 = 256;

/// Reads a request's body. Text is counted by the tokenizer where there is one, else by its words; token ids by their
/// number.
///
/// # Errors
/// The [`Refusal`] to answer with.
pub fn parse(api: Api, body: &[u8], tokenizer: Option<&Tokenizer>) -> Result<GenerateRequest, Refusal> {
    let body: Body = serde_json::from_slice(body).map_err(|error| bad(format!("the body is not a request: {error}")))?;
    if body.n.is_some_and(|n| n != 1) {
        return Err(bad("`n` other than 1 is not supported"));
    }
    let prompt_tokens = match api {
        Api::Completions => prompt_tokens(&body.prompt.ok_or_else(|| bad("`prompt` is missing"))?, tokenizer)?,
        Api::Chat => {
            let messages = body.messages.ok_or_else(|| bad("`messages` is missing"))?;
            let contents = messages.iter().filter_map(|message| message.content.as_ref());
            contents.map(|content| content_tokens(content, tokenizer)).sum::<Result<u32, _>>()?
        }
    };
    let default = match api {
        Api::Completions => DEFAULT_COMPLETION_TOKENS,
        Api::Chat => DEFAULT_CHAT_TOKENS,
    };
    let max_tokens = body.max_completion_tokens.or(body.max_tokens).unwrap_or(default);
    if max_tokens == 0 {
        return Err(bad("`max_tokens` is 0, expected at least 1"));
    }
    let options = body.stream_options.unwrap_or_default();
    Ok(GenerateRequest {
        api,
        model: body.model.unwrap_or_default(),
        prompt_tokens,
        max_tokens,
        ignore_eos: body.ignore_eos,
        stream: body.stream,
        include_usage: options.include_usage,
        continuous_usage: options.include_usage && options.continuous_usage_stats,
    })
}

/// A prompt is a text, a list of token ids, or a list with one of either.
fn prompt_tokens(prompt: &Value, tokenizer: Option<&Tokenizer>) -> Result<u32, Refusal> {
    match prompt {
        Value::String(text) => count(text, tokenizer),
        Value::Array(items) if items.iter().all(Value::is_u64) && !items.is_empty() => Ok(length(items.len())),
        Value::Array(items) if items.len() == 1 => prompt_tokens(&items[0], tokenizer),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(bad(
            "`prompt` is neither a text nor a list of token ids; several prompts in one request are not supported",
        )),
    }
}

/// A message's content is a text, or a list of parts of which the texts count.
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
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let body = br#"{"model":"m","prompt":" a b c","max_tokens":9,"stream":true,"ignore_eos":true,"temperature":0,
                        "stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#;
        let request = parse(Api::Completions, body, None).unwrap();
        assert_eq!((request.prompt_tokens, request.max_tokens), (3, 9));
        assert!(request.stream && request.ignore_eos && request.include_usage && request.continuous_usage);
        for (prompt, tokens) in [("[1,2,3,4]", 4), ("[[5,6]]", 2), ("[\"x y\"]", 2)] {
            let body = format!("{{\"prompt\":{prompt}}}");
            let request = parse(Api::Completions, body.as_bytes(), None).unwrap();
            assert_eq!((request.prompt_tokens, request.max_tokens), (tokens, 16), "{prompt}");
        }
        let body = br#"{"messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi"}]}],
                        "max_completion_tokens":5}"#;
        let request = parse(Api::Chat, body, None).unwrap();
        assert_eq!((request.prompt_tokens, request.max_tokens), (3, 5));
    }

    #[test]
    fn refuses_with_a_message() {
        for (body, message) in [
            ("{", "not a request"),
            ("{}", "`prompt` is missing"),
            (r#"{"prompt":["a","b"]}"#, "several prompts"),
            (r#"{"prompt":"a","n":2}"#, "`n`"),
            (r#"{"prompt":"a","max_tokens":0}"#, "`max_tokens`"),
        ] {
            let refusal = parse(Api::Completions, body.as_bytes(), None).unwrap_err();
            assert!(refusal.message.contains(message), "{body}: {}", refusal.message);
            assert_eq!(refusal.status, 400);
        }
    }
}
