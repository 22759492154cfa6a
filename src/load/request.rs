//! The bytes of one request, head and body, made before the clock starts so that sending is one write.

use serde_json::{Map, Value, json};

use super::prompt::Prompt;
use super::settings::{Protocol, Settings};

/// The `X-Request-Id` of a request, by which the logs of client and server can be joined.
#[must_use]
pub fn id(index: u32) -> String {
    format!("imax-{index}")
}

/// Builds the whole HTTP/1.1 request for a prompt. The bytes hold the API key where there is one: never log them.
#[must_use]
pub fn bytes(settings: &Settings, request_id: &str, prompt: &Prompt) -> Box<[u8]> {
    let body = body(settings, prompt).to_string();
    let target = &settings.target;
    let accept = if settings.stream { "text/event-stream" } else { "application/json" };
    let mut request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: imax/{}\r\nAccept: {accept}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nX-Request-Id: {request_id}\r\n",
        target.path,
        target.authority(),
        env!("CARGO_PKG_VERSION"),
        body.len(),
    );
    if let Some(key) = &settings.api_key {
        request.push_str("Authorization: Bearer ");
        request.push_str(key.expose());
        request.push_str("\r\n");
    }
    for (name, value) in &settings.extra_headers {
        request.push_str(name);
        request.push_str(": ");
        request.push_str(value.expose());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.push_str(&body);
    request.into_bytes().into_boxed_slice()
}

fn body(settings: &Settings, prompt: &Prompt) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(settings.request_model()));
    match settings.target.protocol {
        Protocol::Completions => body.insert("prompt".to_owned(), json!(prompt.text)),
        Protocol::ChatCompletions => body.insert("messages".to_owned(), json!([{ "role": "user", "content": prompt.text }])),
    };
    body.insert("temperature".to_owned(), json!(0.0));
    body.insert("max_tokens".to_owned(), json!(prompt.output_tokens));
    body.insert("stream".to_owned(), json!(settings.stream));
    if settings.stream {
        // Continuous usage is what makes a time per token out of a time per chunk; servers without it ignore the key.
        body.insert(
            "stream_options".to_owned(),
            json!({ "include_usage": true, "continuous_usage_stats": true }),
        );
    }
    if settings.ignore_eos {
        body.insert("ignore_eos".to_owned(), json!(true));
    }
    for (key, value) in &settings.extra_body {
        body.insert(key.clone(), value.clone());
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::settings::{Dataset, RandomLengths, Target};
    use crate::model::Secret;
    use std::num::NonZeroU32;

    fn settings(protocol: Protocol) -> Settings {
        let one = NonZeroU32::MIN;
        let lengths = RandomLengths {
            input: one,
            output: one,
            range_ratio: 1.0,
            prefix: 0,
        };
        let target = Target::from_base_url("http://127.0.0.1:8000", protocol.default_endpoint(), protocol).unwrap();
        Settings::new(target, "org/m", Dataset::Random(lengths), one)
    }

    fn prompt() -> Prompt {
        Prompt {
            text: "a \"b\"".to_owned(),
            tokens: 3,
            wanted_tokens: 3,
            output_tokens: 9,
        }
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
        let (head, body) = split(&bytes(&settings, "r-1", &prompt()));
        assert!(head.starts_with("POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"));
        assert!(head.contains("\r\nAuthorization: Bearer key") && head.contains("X-Request-Id: r-1"));
        let expected = json!({
            "model": "org/m", "prompt": "a \"b\"", "temperature": 0.0, "max_tokens": 9, "stream": true,
            "stream_options": { "include_usage": true, "continuous_usage_stats": true }, "ignore_eos": true, "top_p": 0.5
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn chat_without_streaming() {
        let mut settings = settings(Protocol::ChatCompletions);
        settings.stream = false;
        settings.served_model_name = Some("served".to_owned());
        let (head, body) = split(&bytes(&settings, "r-1", &prompt()));
        assert!(head.starts_with("POST /v1/chat/completions "));
        assert_eq!(body["messages"], json!([{ "role": "user", "content": "a \"b\"" }]));
        assert_eq!((&body["model"], &body["stream"]), (&json!("served"), &json!(false)));
        assert!(body.get("stream_options").is_none());
    }
}
