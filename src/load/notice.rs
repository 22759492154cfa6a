//! Events before or during a load that leave its figures valid, but that a reader of the figures must know about.

use serde_json::{Value, json};
use std::fmt;

use super::optional_key::{MAX_COMPLETION_TOKENS, OptionalKey};

/// An event to report with the result. Its code is stable; its text is for people and may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The server refused the probe for a key, and requests are sent without it.
    KeyOmitted(OptionalKey),
    /// The server redirected the probe, and requests go to the new URL.
    Redirected {
        /// The URL that requests go to.
        url: String,
    },
    /// Requests go through a proxy from the environment (`HTTP_PROXY` and the like), and latencies include its time.
    ThroughProxy {
        /// The proxy's URL, without the password.
        url: String,
    },
    /// The model has no tokenizer, and the load does not need one: the server's token counts are used.
    NoTokenizer {
        /// Why the tokenizer could not be loaded.
        problem: String,
    },
    /// Prompts are made and counted with the tokenizer of the server.
    ServerTokenizer {
        /// The URL of the server's tokenize endpoint.
        url: String,
    },
    /// The data set has fewer prompts than requested, so prompts are sent more than once, starting again from the first.
    PromptsRepeated {
        /// Usable prompts in the data set.
        available: usize,
        /// Requested prompts.
        asked: usize,
    },
}

impl Notice {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyOmitted(_) => "key_omitted",
            Self::Redirected { .. } => "redirected",
            Self::ThroughProxy { .. } => "through_proxy",
            Self::NoTokenizer { .. } => "no_tokenizer",
            Self::ServerTokenizer { .. } => "server_tokenizer",
            Self::PromptsRepeated { .. } => "prompts_repeated",
        }
    }

    /// The notice as an entry of the raw result's `imax.notices`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "code": self.code(), "text": self.to_string() })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyOmitted(OptionalKey::MaxTokens) => write!(
                f,
                "the server refused `{}`: requests have `{MAX_COMPLETION_TOKENS}` instead",
                OptionalKey::MaxTokens.as_str()
            ),
            Self::KeyOmitted(key) => write!(f, "the server refused `{}`: requests are sent without it", key.as_str()),
            Self::Redirected { url } => write!(f, "the server redirected the probe: requests go to {url}"),
            Self::ThroughProxy { url } => write!(
                f,
                "requests go through the proxy {url} of the environment, and latencies include its time; NO_PROXY excepts a server"
            ),
            Self::NoTokenizer { problem } => write!(f, "tokens are counted by the server alone: {problem}"),
            Self::ServerTokenizer { url } => write!(f, "prompts are made with the server's own tokenizer, {url}"),
            Self::PromptsRepeated { available, asked } => write!(
                f,
                "the data set has {available} of {asked} prompts: they are repeated, and a prefix cache may know them"
            ),
        }
    }
}
