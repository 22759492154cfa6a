//! Response bodies of the simulated engine: stream chunks with their HTTP framing, and whole documents.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::protocol::{Api, GenerateRequest};

/// The words of generated text, each with a leading space: one token each for most tokenizers.
const WORDS: [&str; 16] = [
    " time", " token", " batch", " memory", " light", " stream", " result", " model", " price", " power", " point", " curve", " river",
    " stone", " paper", " garden",
];

#[derive(Debug)]
pub struct Completion {
    request: GenerateRequest,
    /// What every chunk starts with, up to the choice's text.
    opening: String,
    id: String,
    created: u64,
    number: u64,
    /// Tokens to generate.
    output: u32,
    stops: bool,
    /// Extra tokens that usage reports, for [`super::Fault::Miscount`].
    pub miscount: u32,
    /// Prompt tokens found in the prefix cache. Usage reports a non-zero number next to the total, as vLLM does.
    pub cached: u32,
    /// Tokens of a known answer; [`WORDS`] if empty.
    tokens: Vec<String>,
}

impl Completion {
    /// The response to request number `number`, of `output` tokens. `stops`: the model ends it (`finish_reason: stop`), not the limit.
    #[must_use]
    pub fn new(request: GenerateRequest, number: u64, created: u64, output: u32, stops: bool) -> Self {
        let prefix = if request.api == Api::Chat { "chatcmpl" } else { "cmpl" };
        let id = format!("{prefix}-{number:016x}");
        let model = json!(request.model);
        let openai = |object: &str, delta: &str| {
            format!(
                "data: {{\"id\":\"{id}\",\"object\":\"{object}\",\"created\":{created},\"model\":{model},\"choices\":[{{\"index\":0,{delta}"
            )
        };
        let opening = match request.api {
            Api::Completions => openai("text_completion", "\"text\":\""),
            Api::Chat => openai("chat.completion.chunk", "\"delta\":{\"content\":\""),
            Api::Sglang => "data: {\"text\":\"".to_owned(),
            Api::Triton | Api::TritonStream => "data: {\"model_name\":\"ensemble\",\"model_version\":\"1\",\"text_output\":\"".to_owned(),
        };
        Self {
            request,
            opening,
            id,
            created,
            number,
            output,
            stops,
            miscount: 0,
            cached: 0,
            tokens: Vec::new(),
        }
    }

    /// Generates these tokens in place of [`WORDS`].
    pub fn set_tokens(&mut self, tokens: Vec<String>) {
        self.tokens = tokens;
    }

    #[must_use]
    pub fn output(&self) -> u32 {
        self.output
    }

    /// A stream without any token.
    #[must_use]
    pub fn empty_stream(&self) -> String {
        let mut bytes = self.stream_head();
        frame(&mut bytes, "data: [DONE]\n\n");
        bytes.push_str("0\r\n\r\n");
        bytes
    }

    #[must_use]
    pub fn request(&self) -> &GenerateRequest {
        &self.request
    }

    /// Head of a streamed response, with the role chunk that chat responses start with.
    #[must_use]
    pub fn stream_head(&self) -> String {
        let mut head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n\
                        Transfer-Encoding: chunked\r\n\r\n"
            .to_owned();
        if self.request.api == Api::Chat {
            let event = self
                .opening
                .replace("\"delta\":{\"content\":\"", "\"delta\":{\"role\":\"assistant\",\"content\":\"");
            let usage = if self.request.continuous_usage {
                self.usage(0)
            } else {
                String::new()
            };
            frame(&mut head, &format!("{event}\"}},\"finish_reason\":null}}]{usage}}}\n\n"));
        }
        head
    }

    /// One chunk with the tokens after `from` up to `to` (counted from 1), framed; the last one is followed by the end of the stream.
    pub fn chunk(&self, from: u32, to: u32, into: &mut String) {
        let mut event = String::with_capacity(self.opening.len() + 160);
        event.push_str(&self.opening);
        // SGLang sends the whole text so far in every chunk.
        let first = if self.request.api == Api::Sglang { 0 } else { from };
        for token in first + 1..=to {
            push_escaped(&mut event, self.word(token));
        }
        let is_last = to >= self.output;
        let reason = if is_last { self.finish_reason() } else { "null" };
        let usage = if self.request.continuous_usage {
            self.usage(to)
        } else {
            String::new()
        };
        let _ = match self.request.api {
            Api::Completions => write!(event, "\",\"logprobs\":null,\"finish_reason\":{reason}}}]{usage}}}\n\n"),
            Api::Chat => write!(event, "\"}},\"logprobs\":null,\"finish_reason\":{reason}}}]{usage}}}\n\n"),
            Api::Sglang => write!(event, "\",\"meta_info\":{},\"index\":0}}\n\n", self.meta_info(to)),
            Api::Triton | Api::TritonStream => write!(event, "\"}}\n\n"),
        };
        frame(into, &event);
        if is_last {
            self.stream_end(into);
        }
    }

    fn stream_end(&self, into: &mut String) {
        match self.request.api {
            Api::Completions | Api::Chat => {
                if self.request.include_usage {
                    let start = self.opening.find("\"choices\":").map_or("", |at| &self.opening[..at]);
                    frame(into, &format!("{start}\"choices\":[],\"usage\":{}}}\n\n", self.total_usage()));
                }
                frame(into, "data: [DONE]\n\n");
            }
            Api::Sglang => frame(into, "data: [DONE]\n\n"),
            Api::Triton | Api::TritonStream => {}
        }
        into.push_str("0\r\n\r\n");
    }

    /// The whole response as one document, with its head.
    #[must_use]
    pub fn whole(&self) -> String {
        let text: String = (1..=self.output).map(|token| self.word(token)).collect();
        let reason = self.finish_reason().trim_matches('"');
        let document = match self.request.api {
            Api::Completions => self.openai_document(
                "text_completion",
                &json!({ "index": 0, "text": text, "logprobs": null, "finish_reason": reason }),
            ),
            Api::Chat => self.openai_document(
                "chat.completion",
                &json!({ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": reason }),
            ),
            Api::Sglang => format!("{{\"text\":{},\"meta_info\":{}}}", json!(text), self.meta_info(self.output)),
            Api::Triton | Api::TritonStream => json!({ "model_name": "ensemble", "model_version": "1", "text_output": text }).to_string(),
        };
        document_response(200, "application/json", &document)
    }

    fn openai_document(&self, object: &str, choice: &Value) -> String {
        let document = json!({
            "id": self.id, "object": object, "created": self.created, "model": self.request.model, "choices": [choice],
            "usage": self.total_usage(),
        });
        document.to_string()
    }

    fn total_usage(&self) -> Value {
        let (prompt, completion) = (self.request.prompt_tokens, self.output + self.miscount);
        let total = u64::from(prompt) + u64::from(completion);
        let mut usage = json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total });
        if self.cached > 0 {
            usage["prompt_tokens_details"] = json!({ "cached_tokens": self.cached });
        }
        usage
    }

    /// The text of a token, by its number from 1.
    fn word(&self, token: u32) -> &str {
        let token_text = usize::try_from(token - 1).ok().and_then(|at| self.tokens.get(at));
        if let Some(text) = token_text {
            return text;
        }
        let step = self.number.wrapping_mul(7).wrapping_add(u64::from(token));
        WORDS[usize::try_from(step % 16).unwrap_or(0)]
    }

    fn finish_reason(&self) -> &'static str {
        if self.stops { "\"stop\"" } else { "\"length\"" }
    }

    fn usage(&self, tokens: u32) -> String {
        let tokens = tokens + self.miscount;
        let prompt = self.request.prompt_tokens;
        let total = u64::from(prompt) + u64::from(tokens);
        format!(",\"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{total},\"completion_tokens\":{tokens}}}")
    }

    fn meta_info(&self, tokens: u32) -> String {
        let reason = if tokens >= self.output {
            format!("{{\"type\":{}}}", self.finish_reason())
        } else {
            "null".to_owned()
        };
        let (prompt, completion) = (self.request.prompt_tokens, tokens + self.miscount);
        let (id, cached) = (&self.id, self.cached);
        format!(
            "{{\"id\":\"{id}\",\"finish_reason\":{reason},\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"cached_tokens\":{cached}}}"
        )
    }
}

/// Appends a text, escaped for a JSON string.
fn push_escaped(event: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        event.push_str(text);
    } else {
        let quoted = json!(text).to_string();
        let inside = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"'));
        event.push_str(inside.unwrap_or_default());
    }
}

/// An HTTP chunk around an event.
pub fn frame(into: &mut String, event: &str) {
    let _ = write!(into, "{:x}\r\n", event.len());
    into.push_str(event);
    into.push_str("\r\n");
}

/// A whole response with a body.
#[must_use]
pub fn document_response(status: u16, content_type: &str, body: &str) -> String {
    let phrase = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    };
    format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::exchange::{Asked, Exchange};
    use crate::load::{Stamp, Step};

    fn request(api: Api, stream: bool, continuous_usage: bool) -> GenerateRequest {
        GenerateRequest {
            api,
            model: "m\"1".to_owned(),
            blocks: Vec::new(),
            prompt: String::new(),
            prompt_tokens: 7,
            max_tokens: 5,
            ignore_eos: true,
            stream,
            include_usage: true,
            continuous_usage,
        }
    }

    /// Parses the bytes with the client's own parser.
    fn read(bytes: &str) -> crate::load::Record {
        read_tokens(bytes, 5)
    }

    fn read_tokens(bytes: &str, output_tokens: u32) -> crate::load::Record {
        let asked = Asked {
            index: 0,
            server: 0,
            prompt_tokens: 7,
            output_tokens,
            keep_texts: true,
            keep_answer: false,
        };
        let mut exchange = Exchange::new(asked, Stamp::default(), Stamp::default(), None);
        assert_eq!(
            exchange.receive(bytes.as_bytes(), Stamp::from_unix_nanos(5)),
            Step::Complete { reusable: true }
        );
        exchange.complete()
    }

    #[test]
    fn answer_text_arrives_unchanged() {
        for api in [Api::Completions, Api::Chat] {
            for stream in [true, false] {
                let tokens = [" a \"b\"", "\n####", " 5\\"].map(str::to_owned).to_vec();
                let mut answer = Completion::new(request(api, stream, false), 3, 1, 3, true);
                answer.set_tokens(tokens);
                let bytes = if stream {
                    let mut bytes = answer.stream_head();
                    answer.chunk(0, 3, &mut bytes);
                    bytes
                } else {
                    answer.whole()
                };
                assert!(bytes.contains(r#"" a \"b\"\n#### 5\\""#), "{bytes}");
                assert!(bytes.contains("\"finish_reason\":\"stop\""), "{bytes}");
                assert_eq!(read_tokens(&bytes, 3).failure, None, "{bytes}");
            }
        }
    }

    #[test]
    fn client_parses_every_response_form() {
        for api in [Api::Completions, Api::Chat, Api::Sglang, Api::TritonStream] {
            for (stream, continuous) in [(true, true), (true, false), (false, false)] {
                let answer = Completion::new(request(api, stream, continuous), 3, 1, 5, false);
                let bytes = if stream {
                    let mut bytes = answer.stream_head();
                    answer.chunk(0, 1, &mut bytes);
                    answer.chunk(1, 4, &mut bytes);
                    answer.chunk(4, 5, &mut bytes);
                    bytes
                } else {
                    answer.whole()
                };
                let record = read(&bytes);
                assert_eq!(record.failure, None, "{bytes}");
                let counts = (record.reported_output_tokens, record.reported_prompt_tokens);
                let has_usage = api != Api::TritonStream;
                assert_eq!(counts, if has_usage { (Some(5), Some(7)) } else { (None, None) });
                assert_eq!(record.chunks(), if stream { 3 } else { 1 });
                assert_eq!(
                    record.has_continuous_usage(),
                    has_usage && (continuous || !stream || api == Api::Sglang),
                    "{api:?} {stream} {continuous}"
                );
            }
        }
    }
}
