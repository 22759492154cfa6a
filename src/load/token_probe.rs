//! The readiness probe: a request for one token, by the API of the load. It has only keys that every server of the API accepts, and asks
//! for a stream, as the load does, because some engines respond only with streams.

use std::num::NonZeroU32;

use super::content_coding::ContentCoding;
use super::http::Head;
use super::optional_key::OptionalKey;
use super::prompt::{Content, Prompt};
use super::reason::Failure;
use super::record::Record;
use super::request;
use super::response::Response;
use super::settings::{BenchmarkSettings, Dataset, RandomLengths, Target};
use super::stamp::Stamp;

const WORDS: &str = "One, two, three,";

/// The body of the probe, as JSON text.
#[must_use]
pub fn body(target: &Target, model: &str) -> String {
    let one = NonZeroU32::MIN;
    let lengths = RandomLengths::exact(one, one);
    let mut settings = BenchmarkSettings::new(target.clone(), model, Dataset::Random(lengths), one);
    settings.omitted_keys = vec![OptionalKey::ContinuousUsageStats, OptionalKey::AccumulateTokens];
    let prompt = Prompt {
        content: Content::Text(WORDS.to_owned()),
        tokens: 1,
        wanted_tokens: 1,
        output_tokens: 1,
    };
    request::json(&settings, model, &prompt)
}

/// Checks that a response has a token. It may be a stream or a document.
///
/// # Errors
/// The failure, with what the server sent instead.
pub fn judge(status: u16, body: &[u8]) -> Result<(), Failure> {
    let head = Head {
        status,
        content_type: String::new(),
        is_event_stream: false,
        coding: ContentCoding::Identity,
        location: None,
        date: None,
        keep_alive: false,
    };
    let mut response = Response::expected(1, false, false);
    response.take(&head, body, Stamp::default());
    response.judge(&head, Stamp::default());
    let mut record = Record::default();
    response.put_into(&mut record);
    record.failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::{Value, json};

    use super::*;
    use crate::load::settings::Protocol;

    #[test]
    fn requests_have_the_form_of_each_api() {
        for (protocol, expected) in [
            (
                Protocol::Completions,
                json!({ "model": "m", "prompt": WORDS, "temperature": 0.0, "max_tokens": 1, "stream": true,
                    "stream_options": { "include_usage": true } }),
            ),
            (
                Protocol::SglangGenerate,
                json!({ "text": WORDS, "sampling_params": { "temperature": 0.0, "max_new_tokens": 1, "ignore_eos": false }, "stream": true }),
            ),
            (
                Protocol::TritonGenerate,
                json!({ "text_input": WORDS, "temperature": 0.0, "max_tokens": 1, "stream": true }),
            ),
        ] {
            let target = Target::from_base_url("http://h", protocol.default_endpoint(true), protocol).unwrap();
            let body: Value = serde_json::from_str(&body(&target, "m")).unwrap();
            assert_eq!(body, expected);
        }
    }

    #[test]
    fn answers_with_a_token_in_any_form_will_do() {
        for (status, body, problem) in [
            (
                200,
                "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n",
                None,
            ),
            (200, "data: {\"text_output\":\"a\"}\n\n", None),
            (
                200,
                "data: {\"text\":\"a\",\"meta_info\":{\"completion_tokens\":1,\"finish_reason\":{\"type\":\"length\"}}}\n\ndata: [DONE]\n\n",
                None,
            ),
            (200, "{\"choices\":[{\"text\":\"a\",\"finish_reason\":\"length\"}]}", None),
            // A token without text.
            (
                200,
                "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"completion_tokens\":1}}\n\ndata: [DONE]\n\n",
                None,
            ),
            (
                200,
                "{\"error\":\"generate expects model to produce exactly 1 response\"}",
                Some("server_error: generate expects"),
            ),
            (200, "data: [DONE]\n\n", Some("no_tokens")),
            (200, "<html>", Some("unexpected_content")),
            (404, "{\"error\":\"Not Found\"}", Some("http_404: Not Found")),
        ] {
            let found = judge(status, body.as_bytes()).err().map(|failure| failure.to_string());
            match (&found, problem) {
                (None, None) => {}
                (Some(found), Some(problem)) if found.contains(problem) => {}
                _ => panic!("{body}: {found:?}, expected {problem:?}"),
            }
        }
    }
}
