//! Streams that servers sent, byte for byte: `tests/golden/streams` says of which version and for which requests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use super::exchange::{Asked, Exchange, Step};
use super::metrics::Metrics;
use super::reason::Reason;
use super::record::Record;
use super::stamp::Stamp;

fn at(ms: u64) -> Stamp {
    Stamp::from_unix_nanos(1_000_000_000_000 + ms * 1_000_000)
}

/// The record of a request that is sent at 0 ms and whose events arrive from 50 ms on, one every 10 ms.
fn replay(stream: &str) -> Record {
    let asked = Asked {
        index: 0,
        server: 0,
        prompt_tokens: 3,
        output_tokens: 6,
        keep_texts: true,
        keep_answer: false,
    };
    let mut exchange = Exchange::new(asked, at(0), at(0), None);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";
    assert_eq!(exchange.receive(head.as_bytes(), at(5)), Step::Pending);
    let mut now = 50;
    for event in stream.split_inclusive("\n\n") {
        if let Step::Complete { .. } = exchange.receive(event.as_bytes(), at(now)) {
            return exchange.complete();
        }
        now += 10;
    }
    exchange.closed(at(now))
}

macro_rules! vllm {
    ($name:literal) => {
        ($name, include_str!(concat!("../../tests/golden/streams/vllm-0.32/", $name, ".txt")))
    };
}

/// What a stream must give: times in milliseconds, the rest in tokens.
struct Expected {
    ttft: f64,
    tpot: Option<f64>,
    output: u32,
    first: Option<u32>,
    prompt: u32,
    unstreamed: u32,
}

const fn expected(ttft: f64, tpot: f64, output: u32, first: Option<u32>, prompt: u32) -> Expected {
    Expected {
        ttft,
        tpot: Some(tpot),
        output,
        first,
        prompt,
        unstreamed: 0,
    }
}

#[test]
fn figures_of_vllm_streams() {
    for ((name, stream), expected) in [
        // A server that is late sends several tokens in a chunk: 1, 2 and 3 here.
        (vllm!("completions"), expected(50.0, 4.0, 6, Some(1), 3)),
        // Without `continuous_usage_stats`, the total equals the number of chunks.
        (vllm!("completions_final_usage"), expected(50.0, 10.0, 4, None, 3)),
        // Token texts in `logprobs` are no text of the answer.
        (vllm!("completions_logprobs"), expected(50.0, 10.0, 3, Some(1), 3)),
        // Two answers in one stream: each chunk counts the tokens of its own, the last usage those of both.
        (vllm!("completions_n2"), expected(50.0, 10.0, 6, Some(1), 3)),
        // Chats begin with an empty chunk of role.
        (vllm!("chat_content"), expected(60.0, 10.0, 5, Some(1), 5)),
        // `delta.reasoning`; half of a character waits for the next token.
        (vllm!("chat_reasoning"), expected(60.0, 7.5, 5, Some(1), 5)),
        // `include_reasoning: false`: all tokens are counted in the chunk of the finish reason, which has no text.
        (
            vllm!("chat_hidden_reasoning"),
            Expected {
                tpot: None,
                unstreamed: 40,
                ..expected(60.0, 0.0, 40, Some(40), 5)
            },
        ),
        // Tool calls: nothing is sent before the name of the function is known, nor the JSON between it and its arguments.
        (
            vllm!("tool_required"),
            Expected {
                unstreamed: 26,
                ..expected(60.0, 220.0 / 35.0, 60, Some(25), 241)
            },
        ),
        (
            vllm!("tool_named"),
            Expected {
                unstreamed: 25,
                ..expected(60.0, 230.0 / 33.0, 60, Some(27), 241)
            },
        ),
    ] {
        let record = replay(stream);
        assert!(record.is_success(), "{name}: {:?}", record.failure);
        assert_eq!(
            (record.first_tokens, record.reported_output_tokens, record.reported_prompt_tokens),
            (expected.first, Some(expected.output), Some(expected.prompt)),
            "{name}"
        );
        assert_eq!(record.unstreamed_tokens, expected.unstreamed, "{name}");
        let metrics = Metrics::of(&[record], None);
        assert_eq!(metrics.ttft_ms, [expected.ttft], "{name}");
        assert_eq!(metrics.tpot_ms, Vec::from_iter(expected.tpot), "{name}");
        assert_eq!(metrics.output_tokens, [expected.output], "{name}");
    }
}

#[test]
fn a_refusal_of_vllm_has_its_words() {
    let (_, body) = vllm!("error_length");
    let failure = replay(body).failure.unwrap();
    assert_eq!(failure.reason, Reason::ServerError);
    assert!(
        failure.detail.starts_with("max_tokens=4000 cannot be greater"),
        "{}",
        failure.detail
    );
}
