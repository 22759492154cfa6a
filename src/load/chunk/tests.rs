//! Events of every dialect, and what must not be taken for one.

use super::*;

fn chunk(has_text: bool, completion_tokens: Option<u32>) -> Event {
    Event::Chunk(Chunk {
        has_text,
        completion_tokens,
        prompt_tokens: completion_tokens.map(|_| 7),
        ..Chunk::default()
    })
}

#[test]
fn finds_tokens_and_usage_in_every_dialect() {
    for (data, expected) in [
        (r#"{"choices":[{"index":0,"text":" a","finish_reason":null}]}"#, chunk(true, None)),
        (r#"{"choices": [{"text": " a"}], "usage": null}"#, chunk(true, None)),
        (
            r#"{"choices":[{"text":""}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#,
            chunk(false, Some(3)),
        ),
        (r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, chunk(false, None)),
        (r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#, chunk(false, None)),
        (r#"{"choices":[{"delta":{"content":"a"}}]}"#, chunk(true, None)),
        (
            r#"{"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]}"#,
            chunk(true, None),
        ),
        (r#"{"choices":[{"delta":{"reasoning":"hm"}}]}"#, chunk(true, None)),
        (r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, chunk(true, None)),
        (
            r#"{"choices":[],"usage":{"prompt_tokens": 7, "completion_tokens": 64}}"#,
            chunk(false, Some(64)),
        ),
        // The text may speak of keys; its quotes are escaped.
        (r#"{"choices":[{"text":""}],"x":"\"text\":\"a\""}"#, chunk(false, None)),
    ] {
        assert_eq!(read(data.as_bytes()).unwrap(), expected, "{data}");
    }
    assert_eq!(read(b"[DONE]").unwrap(), Event::Done);
}

#[test]
fn the_dialects_of_sglang_and_triton() {
    let sglang = |has_text, completion_tokens| Chunk {
        has_text,
        completion_tokens,
        prompt_tokens: Some(7),
        cached_tokens: None,
        is_cumulative: true,
        may_be_last: false,
    };
    let data = br#"{"text":" a b","meta_info":{"id":"x","finish_reason":null,"prompt_tokens":7,"completion_tokens":2},"index":0}"#;
    assert_eq!(read(data).unwrap(), Event::Chunk(sglang(false, Some(2))));
    assert_eq!(read_fully(data).unwrap(), Event::Chunk(sglang(true, Some(2))));
    assert_eq!(text(data), " a b");
    let data = br#"{"model_name":"ensemble","model_version":"1","text_output":" a"}"#;
    let triton = Chunk {
        has_text: true,
        may_be_last: true,
        ..Chunk::default()
    };
    assert_eq!(read(data).unwrap(), Event::Chunk(triton.clone()));
    assert_eq!(read_fully(data).unwrap(), Event::Chunk(triton));
    assert_eq!(text(data), " a");
    assert_eq!(
        read(br#"{"error":"no such model"}"#).unwrap(),
        Event::Error("no such model".to_owned())
    );
}

#[test]
fn the_prefix_caches_share_is_read_where_the_server_says_it() {
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
        for read in [read, read_fully] {
            let Event::Chunk(chunk) = read(data.as_bytes()).unwrap() else {
                panic!("{data}")
            };
            assert_eq!((chunk.cached_tokens, chunk.prompt_tokens), (expected, Some(70)), "{data}");
        }
    }
}

#[test]
fn errors_keep_their_message() {
    for data in [
        r#"{"error":{"message":"out of memory","code":500}}"#,
        r#"{"error":"out of memory"}"#,
        r#"{"object":"error","message":"out of memory"}"#,
    ] {
        assert_eq!(read(data.as_bytes()).unwrap(), Event::Error("out of memory".to_owned()), "{data}");
    }
}

#[test]
fn refuses_what_is_not_a_chunk() {
    for data in ["", "{", "<html>", "[1]", r#"{"a":1}"#, r#"{"choices":[{"text":"a""#] {
        assert!(read(data.as_bytes()).is_err(), "{data}");
    }
}

#[test]
fn text_is_unescaped() {
    assert_eq!(text(br#"{"choices":[{"text":"a\"\u00e9"}]}"#), "a\"é");
    assert_eq!(text(br#"{"choices":[{"delta":{"reasoning":"x","content":"y"}}]}"#), "yx");
}
