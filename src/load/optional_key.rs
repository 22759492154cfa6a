//! Request keys that a load can omit. Servers with strict validation (cloud APIs, gateways) refuse keys that their own API
//! schema does not have. If the probe is refused for such a key, it is sent again without the key.

use serde_json::{Map, Value};

/// A key that imax adds to requests and that may be omitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionalKey {
    /// vLLM's token count in each chunk. Without it, tokens come from the total at the end, or from the tokenizer.
    ContinuousUsageStats,
    /// The token count at the end of a stream. Without it, the tokenizer counts.
    StreamOptions,
    /// Generates past the model's end-of-sequence token. Without it, outputs may be shorter than requested.
    IgnoreEos,
    /// Triton's equivalent of [`Self::IgnoreEos`]: a minimum output length.
    MinLength,
    /// The sampling temperature. Reasoning models accept only their default.
    Temperature,
    /// Whether each of Triton's chunks repeats the text so far. Off, which is also Triton's default.
    AccumulateTokens,
    /// The output length. Newer chat models accept it only as `max_completion_tokens`.
    MaxTokens,
}

/// Key of the output length in OpenAI's API for models older than the reasoning models.
pub const MAX_TOKENS: &str = "max_tokens";
/// Key of the output length since then (<https://platform.openai.com/docs/api-reference/chat/create>).
pub const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";

/// The object of SGLang's `/generate` that holds keys which are at the top level in the OpenAI API.
const SAMPLING: &str = "sampling_params";

impl OptionalKey {
    /// All keys. If a message names several, the first in this order is omitted.
    pub const ALL: [Self; 7] = [
        Self::ContinuousUsageStats,
        Self::StreamOptions,
        Self::IgnoreEos,
        Self::MinLength,
        Self::AccumulateTokens,
        Self::MaxTokens,
        Self::Temperature,
    ];

    /// The key as it appears in requests; a dot separates an object from a key in it.
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

    /// The first optional key that is in `body` and that the server's error message names.
    #[must_use]
    pub fn refused(message: &str, body: &Map<String, Value>) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.is_in(body) && key.is_named_in(message))
    }

    /// Removes the key from a request body. The output length is renamed to [`MAX_COMPLETION_TOKENS`] instead.
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
            // A server that names only `stream_options` may have refused the vLLM key in it.
            Self::ContinuousUsageStats => has_word(message, "continuous_usage_stats") || has_word(message, "stream_options"),
            Self::StreamOptions | Self::IgnoreEos | Self::MinLength | Self::Temperature | Self::AccumulateTokens | Self::MaxTokens => {
                has_word(message, self.as_str())
            }
        }
    }
}

fn is_part_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `text` contains `word` as a whole word.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part_of_word) && !after.is_some_and(is_part_of_word)
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
