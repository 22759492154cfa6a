//! Tests of events in every format, and of input that must be refused.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn chunk(text: &str, completion_tokens: Option<u32>) -> Event {
    Event::Chunk(Chunk {
        has_text: !text.is_empty(),
        text_bytes: saturated(text.len()),
        completion_tokens,
        prompt_tokens: completion_tokens.map(|_| 7),
        ..Chunk::default()
    })
}

fn chunk_of(data: &str) -> Chunk {
    match read(data.as_bytes()).unwrap() {
        Event::Chunk(chunk) => chunk,
        other @ (Event::Done | Event::Error(_) | Event::Ignored) => panic!("{data}: {other:?}"),
    }
}

#[test]
fn finds_tokens_and_usage_in_every_dialect() {
    for (data, expected) in [
        (r#"{"choices":[{"index":0,"text":" a","finish_reason":null}]}"#, chunk(" a", None)),
        (r#"{"choices": [{"text": " a"}], "usage": null}"#, chunk(" a", None)),
        (
            r#"{"choices":[{"text":""}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#,
            chunk("", Some(3)),
        ),
        (r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, chunk("", None)),
        (r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#, chunk("", None)),
        (r#"{"choices":[{"delta":{"content":"a"}}]}"#, chunk("a", None)),
        (r#"{"choices":[{"delta":{"refusal":"no"}}]}"#, chunk("no", None)),
        (
            r#"{"choices":[{"delta":{"content":[{"type":"text","text":"ab"}]}}]}"#,
            chunk("ab", None),
        ),
        (
            r#"{"choices":[],"usage":{"prompt_tokens": 7, "completion_tokens": 64}}"#,
            chunk("", Some(64)),
        ),
        // A string that contains a key.
        (r#"{"choices":[{"text":""}],"x":"\"text\":\"a\""}"#, chunk("", None)),
    ] {
        assert_eq!(read(data.as_bytes()).unwrap(), expected, "{data}");
    }
}

#[test]
fn reasoning_is_text_of_its_own_kind() {
    for data in [
        r#"{"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]}"#,
        r#"{"choices":[{"delta":{"reasoning":"hm"}}]}"#,
    ] {
        let chunk = chunk_of(data);
        assert!(chunk.has_text && chunk.has_reasoning && chunk.text_bytes == 2, "{data}: {chunk:?}");
    }
    let usage = r#"{"choices":[],"usage":{"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":5}}}"#;
    assert_eq!(chunk_of(usage).reasoning_tokens, Some(5));
}

#[test]
fn tool_calls_carry_tokens_however_they_are_spaced() {
    for (data, bytes) in [
        (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, 0),
        (r#"{"choices": [ { "delta": { "tool_calls": [ { "index": 0 } ] } } ] }"#, 0),
        (
            r#"{"choices": [{"delta": {"content": null, "tool_calls": [{"function": {"name": "find", "arguments": ""}}]}}]}"#,
            4,
        ),
        (r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\"a\""}}]}}]}"#, 4),
        (r#"{"choices":[{"delta":{"function_call":{"arguments":"12"}}}]}"#, 2),
    ] {
        let chunk = chunk_of(data);
        assert!(chunk.has_text && chunk.text_bytes == bytes, "{data}: {chunk:?}");
    }
    assert!(!chunk_of(r#"{"choices":[{"delta":{"tool_calls":[]}}]}"#).has_text);
}

#[test]
fn fields_of_nested_objects_carry_no_tokens() {
    for data in [
        r#"{"choices":[{"delta":{"content":"","annotations":[{"url_citation":{"content":"a page"}}]}}]}"#,
        r#"{"choices":[{"delta":{}}],"search_results":[{"text":"a","content":"b"}]}"#,
        r#"{"choices":[{"text":"","logprobs":{"content":[{"token":"a","text":"b"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":""}}],"usage":{"details":{"completion_tokens":5}}}"#,
    ] {
        let chunk = chunk_of(data);
        assert!(!chunk.has_text && chunk.completion_tokens.is_none(), "{data}: {chunk:?}");
    }
}

#[test]
fn an_answer_that_was_given_up_is_an_error() {
    for (data, message) in [
        (
            r#"{"choices":[{"text":"","finish_reason":"abort"}]}"#,
            r#"the answer ended with finish reason "abort""#,
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"error"}]}"#,
            r#"the answer ended with finish reason "error""#,
        ),
        (
            r#"{"choices":[{"delta":{"content":""},"finish_reason":"content_filter"}]}"#,
            r#"the answer ended with finish reason "content_filter""#,
        ),
        (
            r#"{"text":"a","meta_info":{"finish_reason":{"type":"abort","message":"out of KV cache"},"completion_tokens":2}}"#,
            "the answer ended with abort: out of KV cache",
        ),
    ] {
        assert_eq!(read(data.as_bytes()).unwrap(), Event::Error(message.to_owned()), "{data}");
    }
    for data in [
        r#"{"choices":[{"text":"a","finish_reason":"length"}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"text":"a","meta_info":{"finish_reason":{"type":"length","length":2},"completion_tokens":2}}"#,
    ] {
        assert!(chunk_of(data).is_finished, "{data}");
    }
    assert!(!chunk_of(r#"{"choices":[{"text":"a","finish_reason":""}]}"#).is_finished);
}

#[test]
fn events_by_name() {
    let mut reader = Reader::default();
    let mut event = |name: &str, data: &str| reader.read_event(name.as_bytes(), data.as_bytes()).unwrap();
    assert_eq!(event("", "[DONE]"), Event::Done);
    assert_eq!(event("", " [DONE] "), Event::Done);
    assert_eq!(event("", ""), Event::Ignored);
    assert_eq!(event("ping", r#"{"type":"ping"}"#), Event::Ignored);
    assert_eq!(event("message", r#"{"choices":[{"text":"a"}]}"#), chunk("a", None));
    for data in [
        "upstream died",
        r#"{"error":{"message":"upstream died"}}"#,
        r#"{"message":"upstream died"}"#,
    ] {
        assert_eq!(event("error", data), Event::Error("upstream died".to_owned()), "{data}");
    }
}

#[test]
fn sglang_and_triton() {
    let data = br#"{"text":" a b","meta_info":{"id":"x","finish_reason":null,"prompt_tokens":7,"completion_tokens":2},"index":0}"#;
    let expected = Chunk {
        text_bytes: 4,
        completion_tokens: Some(2),
        prompt_tokens: Some(7),
        is_cumulative: true,
        ..Chunk::default()
    };
    assert_eq!(read(data).unwrap(), Event::Chunk(expected));
    assert_eq!(text(data), " a b");
    let data = br#"{"model_name":"ensemble","model_version":"1","text_output":" a"}"#;
    let expected = Chunk {
        has_text: true,
        text_bytes: 2,
        may_be_last: true,
        ..Chunk::default()
    };
    assert_eq!(read(data).unwrap(), Event::Chunk(expected));
    assert_eq!(text(data), " a");
    assert_eq!(
        read(br#"{"error":"no such model"}"#).unwrap(),
        Event::Error("no such model".to_owned())
    );
}

#[test]
fn cached_prompt_tokens() {
    for (data, expected) in [
        (
            r#"{"choices":[],"usage":{"prompt_tokens":70,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":64}}}"#,
            Some(64),
        ),
        (
            r#"{"choices":[],"usage":{"prompt_tokens":70,"completion_tokens":4,"prompt_tokens_details":null}}"#,
            None,
        ),
        (
            r#"{"text":"a","meta_info":{"prompt_tokens":70,"completion_tokens":4,"cached_tokens":48}}"#,
            Some(48),
        ),
    ] {
        let chunk = chunk_of(data);
        assert_eq!((chunk.cached_tokens, chunk.prompt_tokens), (expected, Some(70)), "{data}");
    }
}

#[test]
fn errors_keep_their_message() {
    for data in [
        r#"{"error":{"message":"out of memory","code":500}}"#,
        r#"{"error":"out of memory"}"#,
        r#"{"object":"error","message":"out of memory"}"#,
        r#"{"detail":"out of memory"}"#,
    ] {
        assert_eq!(read(data.as_bytes()).unwrap(), Event::Error("out of memory".to_owned()), "{data}");
        assert_eq!(error_message(data.as_bytes()), "out of memory", "{data}");
    }
    assert_eq!(read(br#"{"error":null,"choices":[{"text":"a"}]}"#).unwrap(), chunk("a", None));
    assert_eq!(error_message(b"<html>busy</html>"), "<html>busy</html>");
}

#[test]
fn refuses_what_is_not_a_chunk() {
    for data in ["{", "<html>", "[1]", r#"{"a":1}"#, r#"{"choices":[{"text":"a""#] {
        assert!(Reader::default().read_event(b"", data.as_bytes()).is_err(), "{data}");
    }
}

#[test]
fn numbers_that_count_nothing_are_ignored() {
    for number in ["-1", "1.5", "1e99", "null", "true", "[]", "{}", r#""many""#] {
        let data = format!(r#"{{"choices":[{{"text":"a"}}],"usage":{{"completion_tokens":{number}}}}}"#);
        assert_eq!(chunk_of(&data).completion_tokens, None, "{number}");
    }
}

/// Gateways in languages without whole numbers write `7.0`; some write counts as strings.
#[test]
fn whole_numbers_count_in_every_spelling() {
    for number in ["7", "7.0", "7e0", r#""7""#] {
        let data = format!(r#"{{"choices":[{{"text":"a"}}],"usage":{{"completion_tokens":{number}}}}}"#);
        assert_eq!(chunk_of(&data).completion_tokens, Some(7), "{number}");
    }
}

#[test]
fn usage_without_choices_is_a_chunk() {
    for data in [
        r#"{"usage":{"prompt_tokens":3,"completion_tokens":7}}"#,
        r#"{"choices":null,"usage":{"prompt_tokens":3,"completion_tokens":7}}"#,
    ] {
        let chunk = chunk_of(data);
        assert_eq!(
            (chunk.has_text, chunk.prompt_tokens, chunk.completion_tokens),
            (false, Some(3), Some(7))
        );
    }
}

/// Together sends the text of a chunk in `text` and `delta`, vLLM sent reasoning by both names for some versions, and a last chunk may
/// have the whole answer in `message`.
#[test]
fn one_text_in_two_fields_counts_once() {
    for (data, expected) in [
        (r#"{"choices":[{"text":" hi","delta":{"content":" hi"}}]}"#, " hi"),
        (r#"{"choices":[{"delta":{"content":" hi"},"text":" hi"}]}"#, " hi"),
        (r#"{"choices":[{"text":" hi","delta":{}}]}"#, " hi"),
        (r#"{"choices":[{"delta":{"reasoning":" hm","reasoning_content":" hm"}}]}"#, " hm"),
        (r#"{"choices":[{"delta":{"reasoning_content":" hm","reasoning":""}}]}"#, " hm"),
        (
            r#"{"choices":[{"delta":{},"message":{"content":" all of it"},"finish_reason":"stop"}]}"#,
            "",
        ),
        (r#"{"choices":[{"message":{"content":" all of it"}}]}"#, " all of it"),
    ] {
        let chunk = chunk_of(data);
        assert_eq!(
            (usize::try_from(chunk.text_bytes).unwrap(), text(data.as_bytes()).as_str()),
            (expected.len(), expected),
            "{data}"
        );
        assert_eq!(chunk.has_text, !expected.is_empty(), "{data}");
    }
}

#[test]
fn text_is_unescaped_and_has_every_field() {
    assert_eq!(text(br#"{"choices":[{"text":"a\"\u00e9"}]}"#), "a\"é");
    assert_eq!(text(br#"{"choices":[{"delta":{"reasoning":"x","content":"y"}}]}"#), "xy");
    assert_eq!(
        text(br#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"(1)"}}]}}]}"#),
        "f(1)"
    );
}

proptest! {
    /// The result does not depend on white space, the order of keys, or other fields.
    #[test]
    fn layout_does_not_matter(
        content in "[a-z\"{}:, ]{0,12}",
        is_tool in any::<bool>(),
        tokens in proptest::option::of(0_u32..1000),
        nested in "[a-z]{1,8}",
        first in any::<bool>(),
    ) {
        let delta = if is_tool {
            json!({ "tool_calls": [{ "index": 0, "function": { "arguments": content } }], "annotations": [{ "content": nested }] })
        } else {
            json!({ "annotations": [{ "text": nested, "content": nested }], "content": content })
        };
        let usage = tokens.map(|tokens| json!({ "completion_tokens": tokens, "prompt_tokens": 7 }));
        let extra = json!({ "choices": [{ "text": nested }], "usage": { "completion_tokens": 99 } });
        let document = if first {
            json!({ "metadata": extra, "usage": usage, "choices": [{ "delta": delta }] })
        } else {
            json!({ "choices": [{ "delta": delta }], "usage": usage, "metadata": extra })
        };
        let compact = serde_json::to_vec(&document).unwrap();
        let spaced = serde_json::to_vec_pretty(&document).unwrap();
        let Event::Chunk(chunk) = read(&compact).unwrap() else { panic!("not a chunk") };
        prop_assert_eq!(&Event::Chunk(chunk.clone()), &read(&spaced).unwrap());
        prop_assert_eq!(chunk.has_text, is_tool || !content.is_empty());
        prop_assert_eq!(chunk.text_bytes as usize, content.len());
        prop_assert_eq!(chunk.completion_tokens, tokens);
        prop_assert_eq!(text(&compact), content);
        prop_assert_eq!(scan(&spaced).is_some(), !is_tool);
    }
}

/// Chunks as servers send them. The scanner must read them itself, or it would save no time.
#[test]
fn ordinary_chunks_are_scanned() {
    for data in [
        // vLLM
        r#"{"id":"cmpl-5f","object":"text_completion","created":1763800000,"model":"m","choices":[{"index":0,"text":" a","logprobs":null,"finish_reason":null,"stop_reason":null,"token_ids":null}],"usage":{"prompt_tokens":9,"total_tokens":10,"completion_tokens":1}}"#,
        r#"{"id":"chatcmpl-5f","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#,
        r#"{"id":"chatcmpl-5f","choices":[{"index":0,"delta":{"reasoning":"hm","reasoning_content":"hm"},"finish_reason":null}],"usage":null}"#,
        r#"{"id":"chatcmpl-5f","choices":[],"usage":{"prompt_tokens":9,"total_tokens":19,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":0}}}"#,
        // SGLang
        r#"{"id":"1a","object":"chat.completion.chunk","created":1763800000,"model":"m","choices":[{"index":0,"delta":{"role":null,"content":"\n\"é\"","reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":"stop","matched_stop":151645}],"usage":null}"#,
        // MLX
        r#"{"id": "chatcmpl-1", "system_fingerprint": "0.1", "choices": [{"index": 0, "finish_reason": null, "logprobs": {"token_logprobs": [-0.25, -1e-05], "top_logprobs": [], "tokens": []}, "delta": {"role": "assistant", "content": "a"}}]}"#,
        // llama.cpp
        r#"{"choices":[{"finish_reason":"length","index":0,"delta":{}}],"created":1763800000,"timings":{"prompt_n":1,"predicted_per_second":33.5}}"#,
    ] {
        let scanned = scan(data.as_bytes()).map(Event::Chunk);
        assert_eq!(scanned.as_ref(), read(data.as_bytes()).as_ref().ok(), "{data}");
        assert!(scanned.is_some(), "{data}");
    }
}

/// JSON with what the standard allows and some of what it forbids: any fields in any order, twice, at wrong places and of wrong types.
#[derive(Debug, Clone)]
enum Json {
    Token(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Writes the JSON with the next one of `spaces` after each token.
    fn write(&self, spaces: &mut impl Iterator<Item = &'static str>, into: &mut String) {
        match self {
            Self::Token(token) => put(token, spaces, into),
            Self::Array(elements) => {
                put("[", spaces, into);
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        put(",", spaces, into);
                    }
                    element.write(spaces, into);
                }
                put("]", spaces, into);
            }
            Self::Object(members) => {
                put("{", spaces, into);
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        put(",", spaces, into);
                    }
                    put(&format!("\"{key}\""), spaces, into);
                    put(":", spaces, into);
                    value.write(spaces, into);
                }
                put("}", spaces, into);
            }
        }
    }
}

fn put(token: &str, spaces: &mut impl Iterator<Item = &'static str>, into: &mut String) {
    into.push_str(token);
    into.push_str(spaces.next().unwrap_or_default());
}

const ROOT: &[&str] = &[
    "choices",
    "choices",
    "choices",
    "usage",
    "usage",
    "id",
    "error",
    "message",
    "detail",
    "text",
    "meta_info",
    "text_output",
];
const CHOICE: &[&str] = &[
    "text",
    "text",
    "delta",
    "delta",
    "delta",
    "message",
    "finish_reason",
    "index",
    "logprobs",
    "t\\u0065xt",
];
const DELTA: &[&str] = &[
    "content",
    "content",
    "reasoning",
    "reasoning_content",
    "refusal",
    "tool_calls",
    "function_call",
    "role",
    "annotations",
    "é",
];
const USAGE: &[&str] = &[
    "completion_tokens",
    "completion_tokens",
    "prompt_tokens",
    "cached_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "reasoning_tokens",
    "total_tokens",
    "finish_reason",
];
const LITERALS: &[&str] = &[
    "null",
    "null",
    "true",
    "0",
    "7",
    "12",
    "-3",
    "01",
    "1.5",
    "2e3",
    "1e",
    "4294967295",
    "4294967296",
    "99999999999999999999",
    "nul",
];
/// Parts of strings: plain, escaped, multi-byte, and invalid.
const TEXTS: &[&str] = &[
    "a", "word ", "{\\\"", "\\n", "\\\\", "\\u00e9", "\\ud83d", "\\x", "é", "\u{1}", "stop", "length", "abort",
];

fn literal() -> impl Strategy<Value = Json> {
    let string = proptest::collection::vec(proptest::sample::select(TEXTS), 0..3).prop_map(|parts| format!("\"{}\"", parts.concat()));
    prop_oneof![proptest::sample::select(LITERALS).prop_map(str::to_owned), string].prop_map(Json::Token)
}

fn object(keys: &'static [&'static str], value: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    let key = proptest::sample::select(keys).prop_map(str::to_owned);
    proptest::collection::vec((key, value), 0..5).prop_map(Json::Object)
}

fn document() -> impl Strategy<Value = Json> {
    let nested = literal().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            object(DELTA, inner.clone()),
            object(USAGE, inner),
        ]
    });
    let delta = object(DELTA, prop_oneof![4 => literal(), 1 => nested.clone()]);
    let choice = object(CHOICE, prop_oneof![3 => literal(), 3 => delta, 1 => nested.clone()]);
    let choices = proptest::collection::vec(choice, 0..3).prop_map(Json::Array);
    let details = object(USAGE, literal());
    let usage = object(USAGE, prop_oneof![4 => literal(), 1 => details]);
    object(ROOT, prop_oneof![5 => choices, 2 => usage, 1 => literal(), 1 => nested])
}

fn spaces() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(&["", "", " ", "\n", "\t\r"][..]), 1..8)
}

fn scan(document: &[u8]) -> Option<Chunk> {
    scan::scan(document, &mut scan::Beginning::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// A reader with a stored beginning and ending reads each chunk as a new reader does.
    #[test]
    fn events_do_not_depend_on_the_ones_before(
        documents in proptest::collection::vec(document(), 1..3),
        spaces in spaces(),
        order in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 2..8),
    ) {
        let mut reader = Reader::default();
        for (which, at, byte) in order {
            let mut text = String::new();
            which.get(&documents).write(&mut spaces.iter().copied().cycle(), &mut text);
            let mut data = text.into_bytes();
            // Change a byte, insert a digit, or leave the document as it is.
            let at = at.index(data.len());
            match byte % 4 {
                0 => data[at] = byte,
                1 => data.insert(at, b'0' + byte % 10),
                _ => {}
            }
            let alone = if data.trim_ascii().is_empty() { Ok(Event::Ignored) } else { read(data.trim_ascii()) };
            let read = reader.read_event(b"", &data);
            prop_assert_eq!(read, alone, "{}", String::from_utf8_lossy(&data));
        }
    }


    /// If the scanner returns a chunk, `read` returns the same one, for valid and invalid documents.
    #[test]
    fn scanner_agrees_with_the_parse_by_type(
        document in document(),
        spaces in spaces(),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
        other in proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut text = String::new();
        document.write(&mut spaces.iter().copied().cycle(), &mut text);
        let mut data = text.into_bytes();
        if let Some((at, byte)) = other {
            let at = at.index(data.len());
            data[at] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        if let Some(chunk) = scan(&data) {
            prop_assert_eq!(read(&data), Ok(Event::Chunk(chunk)), "{}", String::from_utf8_lossy(&data));
        }
    }
}

/// A stored ending matches endings that differ only in their numbers.
#[test]
fn endings_are_read_with_their_own_numbers() {
    let chunk = |usage: &str| format!(r#"{{"id":"c","choices":[{{"index":0,"text":"a","stop":12}}],"usage":{{{usage}}}}}"#);
    let mut reader = Reader::default();
    for usage in [
        r#""prompt_tokens":7,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":4},"cached_tokens":3"#,
        r#""prompt_tokens":7,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":4},"cached_tokens":3"#,
        r#""prompt_tokens":17,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":0},"cached_tokens":15"#,
        r#""prompt_tokens":17,"completion_tokens":123456789,"prompt_tokens_details":{"cached_tokens":0},"cached_tokens":15"#,
        r#""prompt_tokens":17,"completion_tokens":4294967296,"prompt_tokens_details":{"cached_tokens":0},"cached_tokens":15"#,
        r#""prompt_tokens":17,"completion_tokens":1e1,"prompt_tokens_details":{"cached_tokens":0},"cached_tokens":15"#,
        r#""prompt_tokens":017,"completion_tokens":11,"prompt_tokens_details":{"cached_tokens":0},"cached_tokens":15"#,
        r#""prompt_tokens":17,"completion_tokens":,"prompt_tokens_details":{"cached_tokens":0},"cached_tokens":15"#,
        r#""prompt_tokens":17,"completion_tokens":null,"prompt_tokens_details":{"cached_tokens":0},"cached_tokens":15"#,
        r#""prompt_tokens":17,"completion_tokens":null,"prompt_tokens_details":null,"cached_tokens":15"#,
        r#""prompt_tokens":18,"completion_tokens":null,"prompt_tokens_details":null,"cached_tokens":16"#,
    ] {
        let data = chunk(usage);
        assert_eq!(reader.read_event(b"", data.as_bytes()), read(data.as_bytes()), "{usage}");
    }
}

#[test]
fn chunks_that_begin_alike_are_read_from_their_text_on() {
    let mut reader = Reader::default();
    for (data, expected) in [
        (
            r#"{"id":"c","choices":[{"index":0,"text":"a","finish_reason":null}],"usage":{"prompt_tokens":7,"completion_tokens":1}}"#,
            chunk("a", Some(1)),
        ),
        (
            r#"{"id":"c","choices":[{"index":0,"text":" bc","finish_reason":null}],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
            chunk(" bc", Some(2)),
        ),
        (r#"{"id":"c","choices":[{"index":0,"text":"\n"},{"text":"d"}]}"#, chunk("\nd", None)),
        (r#"{"id":"c","choices":[{"index":0,"text":null}]}"#, chunk("", None)),
        (
            r#"{"id":"c","choices":[{"delta":{"role":"assistant","content":"a"}}]}"#,
            chunk("a", None),
        ),
        (
            r#"{"id":"c","choices":[{"delta":{"role":"assistant","content":"bc","refusal":"d"},"index":1}]}"#,
            chunk("bcd", None),
        ),
        (
            r#"{"id":"c","choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            chunk("", None),
        ),
        (
            r#"{"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#,
            chunk("", Some(3)),
        ),
    ] {
        assert_eq!(reader.read_event(b"", data.as_bytes()).unwrap(), expected, "{data}");
    }
    // Fields of the beginning that occur again, and an incomplete document.
    for data in [
        r#"{"choices":[{"text":"a","text":"b"}]}"#,
        r#"{"choices":[{"text":"a"}],"choices":[]}"#,
        r#"{"choices":[{"text":"a"}]"#,
    ] {
        assert!(reader.read_event(b"", data.as_bytes()).is_err(), "{data}");
    }
}
