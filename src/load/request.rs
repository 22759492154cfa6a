//! The bytes of one request, HTTP head and body. They are made before the measurement starts, so that sending is one write. The first lines
//! differ between servers and are the server's ([`opening`]); the rest is the request's.

use rand::RngExt as _;
use serde_json::{Map, Value, json};

use super::optional_key::OptionalKey;
use super::plan::PreparedRequest;
use super::prompt::{Content, Prompt};
use super::settings::{BenchmarkSettings, Protocol};
use super::target::Target;

/// The `X-Request-Id` of a request, which identifies it in the logs of client and server.
#[must_use]
pub fn id(prefix: &str, index: u32) -> String {
    format!("{prefix}{index}")
}

/// Builds the request for a prompt, with the lengths of the prompt.
#[must_use]
pub fn prepare(settings: &BenchmarkSettings, index: u32, prompt: &Prompt) -> PreparedRequest {
    PreparedRequest {
        bytes: bytes(settings, index, prompt),
        prompt_tokens: prompt.tokens,
        output_tokens: prompt.output_tokens,
    }
}

/// The first lines of every request to a server: method and URL, `Host`, and what a proxy demands. They may hold a password: never log
/// them.
#[must_use]
pub fn opening(target: &Target) -> Box<[u8]> {
    let mut opening = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", target.request_target(), target.authority());
    // With TLS the proxy gets this header in its CONNECT request, and does not see the requests in the tunnel.
    let proxy = target.proxy.as_ref().filter(|_| !target.tls);
    if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.as_ref()) {
        opening.push_str("Proxy-Authorization: ");
        opening.push_str(authorization.expose());
        opening.push_str("\r\n");
    }
    opening.into_bytes().into_boxed_slice()
}

/// Builds the HTTP/1.1 request for a prompt, after the lines of [`opening`]. The bytes hold the API key if there is one: never log them.
#[must_use]
pub fn bytes(settings: &BenchmarkSettings, index: u32, prompt: &Prompt) -> Box<[u8]> {
    let body = body(settings, model_of(settings, index), prompt).to_string();
    let accept = if settings.stream { "text/event-stream" } else { "application/json" };
    let mut request = format!(
        "User-Agent: imax/{}\r\nAccept: {accept}\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nX-Request-Id: {}\r\n",
        env!("CARGO_PKG_VERSION"),
        body.len(),
        id(&settings.request_id_prefix, index),
    );
    for (name, value) in headers(settings) {
        request.push_str(name);
        request.push_str(": ");
        request.push_str(&value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.push_str(&body);
    request.into_bytes().into_boxed_slice()
}

/// The user's headers with their secret values: `Authorization`, if there is an API key, then `extra_headers`.
pub fn headers(settings: &BenchmarkSettings) -> impl Iterator<Item = (&str, String)> {
    let key = settings
        .api_key
        .iter()
        .map(|key| ("Authorization", format!("Bearer {}", key.expose())));
    let further = settings
        .extra_headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose().to_owned()));
    key.chain(further)
}

/// XORed with the seed, so that the choice of adapters does not use the same random stream as the prompts.
const ADAPTER_SEED: u64 = 0x10_4a;

/// The model name in request `index`: a LoRA adapter chosen uniformly at random, or the model if there are no adapters.
fn model_of(settings: &BenchmarkSettings, index: u32) -> &str {
    if settings.lora_modules.is_empty() {
        return settings.request_model();
    }
    let mut random = super::prompt::random_stream(settings.seed ^ ADAPTER_SEED, u64::from(index));
    &settings.lora_modules[random.random_range(0..settings.lora_modules.len())]
}

/// The body of a request, as JSON text.
pub(super) fn json(settings: &BenchmarkSettings, model: &str, prompt: &Prompt) -> String {
    body(settings, model, prompt).to_string()
}

fn body(settings: &BenchmarkSettings, model: &str, prompt: &Prompt) -> Value {
    let mut body = own_body(settings, model, prompt);
    for (key, value) in &settings.extra_body {
        merge_key(&mut body, key, value);
    }
    Value::Object(body)
}

/// The optional key that the server's error message names, if imax added it to the request. Keys of `--extra-body` are never omitted.
#[must_use]
pub fn refused_key(settings: &BenchmarkSettings, prompt: &Prompt, refusal: &str) -> Option<OptionalKey> {
    OptionalKey::refused(refusal, &own_body(settings, settings.request_model(), prompt))
}

/// The body without the keys of `--extra-body`.
fn own_body(settings: &BenchmarkSettings, model: &str, prompt: &Prompt) -> Map<String, Value> {
    let mut body = match settings.target.protocol {
        Protocol::Completions | Protocol::ChatCompletions => openai_body(settings, model, prompt),
        Protocol::SglangGenerate => sglang_body(settings, model, prompt),
        Protocol::TritonGenerate => triton_body(settings, prompt),
    };
    for key in &settings.omitted_keys {
        key.omit(&mut body);
    }
    body
}

/// Applies a JSON merge patch (RFC 7396): null removes a key, objects are merged key by key, so that a single sampling parameter can be
/// added, and all other values are replaced.
fn merge_key(body: &mut Map<String, Value>, key: &str, patch: &Value) {
    match patch {
        Value::Null => {
            body.shift_remove(key);
        }
        Value::Object(patch) => {
            let mut inner = match body.get_mut(key).map(Value::take) {
                Some(Value::Object(inner)) => inner,
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | None => Map::new(),
            };
            for (key, value) in patch {
                merge_key(&mut inner, key, value);
            }
            body.insert(key.to_owned(), Value::Object(inner));
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            body.insert(key.to_owned(), patch.clone());
        }
    }
}

fn openai_body(settings: &BenchmarkSettings, model: &str, prompt: &Prompt) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let chat = settings.target.protocol == Protocol::ChatCompletions;
    match &prompt.content {
        Content::Text(text) if chat => body.insert("messages".to_owned(), json!([{ "role": "user", "content": text }])),
        Content::Text(text) => body.insert("prompt".to_owned(), json!(text)),
        Content::Tokens(ids) => body.insert("prompt".to_owned(), json!(ids)),
        Content::Images(text, images) => body.insert("messages".to_owned(), json!([{ "role": "user", "content": parts(text, images) }])),
        Content::Messages(messages) => body.insert("messages".to_owned(), json!(messages)),
    };
    body.insert("temperature".to_owned(), json!(0.0));
    body.insert(settings.max_tokens_field.clone(), json!(prompt.output_tokens));
    body.insert("stream".to_owned(), json!(settings.stream));
    if settings.stream {
        // Times per token, rather than per chunk, need the token count of each chunk. Most servers without the key ignore it.
        body.insert(
            "stream_options".to_owned(),
            json!({ "include_usage": true, "continuous_usage_stats": true }),
        );
    }
    if settings.ignore_eos {
        body.insert("ignore_eos".to_owned(), json!(true));
    }
    body
}

/// A message of text and images, as content parts of the chat API.
fn parts(text: &str, images: &[String]) -> Vec<Value> {
    let images = images.iter().map(|url| json!({ "type": "image_url", "image_url": { "url": url } }));
    std::iter::once(json!({ "type": "text", "text": text })).chain(images).collect()
}

fn sglang_body(settings: &BenchmarkSettings, model: &str, prompt: &Prompt) -> Map<String, Value> {
    let mut body = Map::new();
    match &prompt.content {
        Content::Tokens(ids) => body.insert("input_ids".to_owned(), json!(ids)),
        Content::Text(_) | Content::Images(..) | Content::Messages(_) => body.insert("text".to_owned(), json!(prompt.content.plain_text())),
    };
    let sampling = json!({ "temperature": 0.0, "max_new_tokens": prompt.output_tokens, "ignore_eos": settings.ignore_eos });
    body.insert("sampling_params".to_owned(), sampling);
    body.insert("stream".to_owned(), json!(settings.stream));
    if !settings.lora_modules.is_empty() {
        body.insert("lora_path".to_owned(), json!(model));
    }
    body
}

fn triton_body(settings: &BenchmarkSettings, prompt: &Prompt) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("text_input".to_owned(), json!(prompt.content.plain_text()));
    body.insert("temperature".to_owned(), json!(0.0));
    body.insert("max_tokens".to_owned(), json!(prompt.output_tokens));
    body.insert("stream".to_owned(), json!(settings.stream));
    // If on, each chunk repeats the text so far, and the bytes of a response grow with the square of its length.
    body.insert("accumulate_tokens".to_owned(), json!(false));
    if settings.ignore_eos {
        // The TensorRT-LLM backend has no `ignore_eos`; with `min_length` it does not stop before this length.
        body.insert("min_length".to_owned(), json!(prompt.output_tokens));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::settings::{Dataset, RandomLengths, Target};
    use crate::model::Secret;
    use std::num::NonZeroU32;

    fn settings(protocol: Protocol) -> BenchmarkSettings {
        let one = NonZeroU32::MIN;
        let lengths = RandomLengths::exact(one, one);
        let target = Target::from_base_url("http://127.0.0.1:8000", protocol.default_endpoint(true), protocol).unwrap();
        BenchmarkSettings::new(target, "org/m", Dataset::Random(lengths), one)
    }

    fn prompt() -> Prompt {
        Prompt {
            content: Content::Text("a \"b\"".to_owned()),
            tokens: 3,
            wanted_tokens: 3,
            output_tokens: 9,
        }
    }

    fn whole(settings: &BenchmarkSettings, index: u32, prompt: &Prompt) -> Vec<u8> {
        [opening(&settings.target), bytes(settings, index, prompt)].concat()
    }

    fn split(bytes: &[u8]) -> (String, Value) {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn completions() {
        let mut settings = settings(Protocol::Completions);
        settings.ignore_eos = true;
        settings.api_key = Some(Secret::new("key".to_owned()));
        settings.extra_body.insert("top_p".to_owned(), json!(0.5));
        let (head, body) = split(&whole(&settings, 1, &prompt()));
        assert!(head.starts_with("POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"));
        assert!(head.contains("\r\nAuthorization: Bearer key") && head.contains("X-Request-Id: imax-1"));
        let expected = json!({
            "model": "org/m", "prompt": "a \"b\"", "temperature": 0.0, "max_tokens": 9, "stream": true,
            "stream_options": { "include_usage": true, "continuous_usage_stats": true }, "ignore_eos": true, "top_p": 0.5
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_proxy_gets_the_whole_url() {
        let mut settings = settings(Protocol::Completions);
        settings.target.proxy = Some(crate::model::Proxy {
            host: "proxy".to_owned(),
            port: 3128,
            authorization: Some(Secret::new("Basic abc".to_owned())),
        });
        let (head, _) = split(&whole(&settings, 1, &prompt()));
        assert!(
            head.starts_with("POST http://127.0.0.1:8000/v1/completions HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\nProxy-Authorization: Basic abc"), "{head}");
        settings.target.tls = true;
        let (head, _) = split(&whole(&settings, 1, &prompt()));
        assert!(head.starts_with("POST /v1/completions ") && !head.contains("Proxy-"), "{head}");
    }

    #[test]
    fn keys_can_be_added_removed_and_renamed() {
        let mut settings = settings(Protocol::ChatCompletions);
        settings.ignore_eos = true;
        settings.max_tokens_field = "max_completion_tokens".to_owned();
        let patch = json!({ "ignore_eos": null, "temperature": 1, "stream_options": { "continuous_usage_stats": null }, "absent": null,
            "new": { "a": null, "b": 1 } });
        settings.extra_body = patch.as_object().unwrap().clone();
        let expected = json!({
            "model": "org/m", "messages": [{ "role": "user", "content": "a \"b\"" }], "temperature": 1, "max_completion_tokens": 9,
            "stream": true, "stream_options": { "include_usage": true }, "new": { "b": 1 }
        });
        assert_eq!(split(&whole(&settings, 1, &prompt())).1, expected);
    }

    #[test]
    fn refused_keys_are_left_out_unless_the_user_gave_them() {
        let mut settings = settings(Protocol::Completions);
        let refusal = "Unknown parameter: 'stream_options.continuous_usage_stats'.";
        let key = refused_key(&settings, &prompt(), refusal).unwrap();
        settings.omitted_keys.push(key);
        assert_eq!(refused_key(&settings, &prompt(), "continuous_usage_stats"), None);
        let sent = split(&whole(&settings, 1, &prompt())).1;
        assert_eq!(sent["stream_options"], json!({ "include_usage": true }));
        let own = json!({ "continuous_usage_stats": true });
        settings.extra_body.insert("stream_options".to_owned(), own);
        let sent = split(&whole(&settings, 1, &prompt())).1;
        assert_eq!(sent["stream_options"]["continuous_usage_stats"], json!(true));
    }

    #[test]
    fn chat_without_streaming() {
        let mut settings = settings(Protocol::ChatCompletions);
        settings.stream = false;
        settings.served_model_name = Some("served".to_owned());
        let (head, body) = split(&whole(&settings, 1, &prompt()));
        assert!(head.starts_with("POST /v1/chat/completions "));
        assert_eq!(body["messages"], json!([{ "role": "user", "content": "a \"b\"" }]));
        assert_eq!((&body["model"], &body["stream"]), (&json!("served"), &json!(false)));
        assert!(body.get("stream_options").is_none());
    }

    #[test]
    fn images_are_parts_of_the_message() {
        let images = Prompt {
            content: Content::Images("what is this?".to_owned(), vec!["data:image/png;base64,AAAA".to_owned()]),
            ..prompt()
        };
        let (_, body) = split(&whole(&settings(Protocol::ChatCompletions), 1, &images));
        let parts = json!([
            { "type": "text", "text": "what is this?" },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
        ]);
        assert_eq!(body["messages"], json!([{ "role": "user", "content": parts }]));
    }

    #[test]
    fn the_dialects_of_other_servers() {
        let mut sglang = settings(Protocol::SglangGenerate);
        sglang.extra_body.insert("sampling_params".to_owned(), json!({ "top_p": 0.5 }));
        let ids = Prompt {
            content: Content::Tokens(vec![5, 6, 7]),
            ..prompt()
        };
        let (head, body) = split(&whole(&sglang, 1, &ids));
        assert!(head.starts_with("POST /generate "));
        let sampling = json!({ "temperature": 0.0, "max_new_tokens": 9, "ignore_eos": false, "top_p": 0.5 });
        assert_eq!(body, json!({ "input_ids": [5, 6, 7], "sampling_params": sampling, "stream": true }));
        let mut triton = settings(Protocol::TritonGenerate);
        triton.ignore_eos = true;
        let (head, body) = split(&whole(&triton, 1, &prompt()));
        assert!(head.starts_with("POST /v2/models/ensemble/generate_stream "));
        assert_eq!((&body["text_input"], &body["min_length"]), (&json!("a \"b\""), &json!(9)));
    }

    #[test]
    fn adapters_are_named_in_turn_by_chance() {
        let mut settings = settings(Protocol::Completions);
        settings.lora_modules = vec!["a".to_owned(), "b".to_owned()];
        let named: Vec<String> = (0..200)
            .map(|index| split(&whole(&settings, index, &prompt())).1["model"].as_str().unwrap().to_owned())
            .collect();
        let first = named.iter().filter(|name| *name == "a").count();
        assert!((60..140).contains(&first), "{first}");
        assert_eq!(split(&whole(&settings, 7, &prompt())).1["model"], named[7]);
    }
}
