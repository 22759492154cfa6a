//! Keys of a request that a load can do without. Servers that validate strictly (cloud APIs, gateways) refuse what is not in their
//! own description of the API; a probe that is refused for such a key is sent again without it.

use serde_json::{Map, Value};

/// A key that the load puts into requests by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionalKey {
    /// vLLM's count of tokens in each chunk. Without it the total, or the tokenizer, counts.
    ContinuousUsageStats,
    /// The count of tokens at the end of a stream. Without it the tokenizer counts.
    StreamOptions,
    /// Generates past the model's end. Without it outputs may be shorter than requested.
    IgnoreEos,
    /// Triton's form of the same.
    MinLength,
    /// Models that reason accept only their own temperature.
    Temperature,
    /// Triton's default already.
    AccumulateTokens,
    /// The output length, which newer chat models take as `max_completion_tokens` only.
    MaxTokens,
}

/// The name of the output length in OpenAI's API before chat models that reason.
pub const MAX_TOKENS: &str = "max_tokens";
/// Its name since (<https://platform.openai.com/docs/api-reference/chat/create>).
pub const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";

/// Where SGLang's `/generate` has what the OpenAI API has at the top.
const SAMPLING: &str = "sampling_params";

impl OptionalKey {
    /// All of them. Of two that a message names, the first is omitted first.
    pub const ALL: [Self; 7] = [
        Self::ContinuousUsageStats,
        Self::StreamOptions,
        Self::IgnoreEos,
        Self::MinLength,
        Self::AccumulateTokens,
        Self::MaxTokens,
        Self::Temperature,
    ];

    /// The key as requests have it; a dot leads into an object.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContinuousUsageStats => "stream_options.continuous_usage_stats",
            Self::StreamOptions => "stream_options",
            Self::IgnoreEos => "ignore_eos",
            Self::MinLength => "min_length",
            Self::Temperature => "temperature",
            Self::AccumulateTokens => "accumulate_tokens",
            Self::MaxTokens => MAX_TOKENS,
        }
    }

    /// The key of a body that a server's refusal names.
    #[must_use]
    pub fn refused(message: &str, body: &Map<String, Value>) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.is_in(body) && key.is_named_in(message))
    }

    /// Takes the key out of a body. The output length stays, under its newer name.
    pub fn omit(self, body: &mut Map<String, Value>) {
        match self {
            Self::ContinuousUsageStats => {
                if let Some(Value::Object(options)) = body.get_mut(Self::StreamOptions.as_str()) {
                    options.shift_remove("continuous_usage_stats");
                }
            }
            Self::MaxTokens => {
                if let Some(tokens) = body.shift_remove(MAX_TOKENS) {
                    body.insert(MAX_COMPLETION_TOKENS.to_owned(), tokens);
                }
            }
            Self::StreamOptions | Self::IgnoreEos | Self::MinLength | Self::Temperature | Self::AccumulateTokens => {
                body.shift_remove(self.as_str());
                if let Some(Value::Object(sampling)) = body.get_mut(SAMPLING) {
                    sampling.shift_remove(self.as_str());
                }
            }
        }
    }

    fn is_in(self, body: &Map<String, Value>) -> bool {
        let mut without = body.clone();
        self.omit(&mut without);
        without != *body
    }

    fn is_named_in(self, message: &str) -> bool {
        match self {
            // A server that names the object may mean the key in it that it does not know.
            Self::ContinuousUsageStats => has_word(message, "continuous_usage_stats") || has_word(message, "stream_options"),
            Self::StreamOptions | Self::IgnoreEos | Self::MinLength | Self::Temperature | Self::AccumulateTokens | Self::MaxTokens => {
                has_word(message, self.as_str())
            }
        }
    }
}

/// Whether a word stands in a text, not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_name_the_key_to_omit() {
        let body = json!({ "model": "m", "temperature": 0.0, "max_tokens": 4, "ignore_eos": true,
            "stream_options": { "include_usage": true, "continuous_usage_stats": true } });
        let Value::Object(body) = body else { unreachable!() };
        for (message, key) in [
            (
                "Unknown parameter: 'stream_options.continuous_usage_stats'.",
                Some(OptionalKey::ContinuousUsageStats),
            ),
            (
                r#"[{"loc":["body","ignore_eos"],"msg":"Extra inputs are not permitted"}]"#,
                Some(OptionalKey::IgnoreEos),
            ),
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                Some(OptionalKey::MaxTokens),
            ),
            ("'temperature' does not support 0.0 with this model", Some(OptionalKey::Temperature)),
            ("min_length is unknown", None),
            ("max_tokens_total is unknown", None),
            ("the prompt is too long", None),
        ] {
            assert_eq!(OptionalKey::refused(message, &body), key, "{message}");
        }
    }

    #[test]
    fn a_refused_object_is_first_kept_without_what_only_some_servers_know() {
        let Value::Object(mut body) = json!({ "stream_options": { "include_usage": true, "continuous_usage_stats": true } }) else {
            unreachable!()
        };
        let message = "Unrecognized request argument supplied: stream_options";
        for (key, left) in [
            (
                OptionalKey::ContinuousUsageStats,
                json!({ "stream_options": { "include_usage": true } }),
            ),
            (OptionalKey::StreamOptions, json!({})),
        ] {
            assert_eq!(OptionalKey::refused(message, &body), Some(key));
            key.omit(&mut body);
            assert_eq!(Value::Object(body.clone()), left);
        }
        assert_eq!(OptionalKey::refused(message, &body), None);
    }

    #[test]
    fn omitted_keys_are_gone_and_the_output_length_is_renamed() {
        let Value::Object(mut body) = json!({ "max_tokens": 9, "sampling_params": { "temperature": 0.0, "ignore_eos": true } }) else {
            unreachable!()
        };
        for key in OptionalKey::ALL {
            key.omit(&mut body);
        }
        assert_eq!(Value::Object(body), json!({ "sampling_params": {}, "max_completion_tokens": 9 }));
    }
}
