//! What happened before or during a load that does not spoil its figures, but that whoever reads them must know.

use serde_json::{Value, json};
use std::fmt;

use super::optional_key::{MAX_COMPLETION_TOKENS, OptionalKey};

/// One of these events. Its code is stable; its text is for people and may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The server refused the probe for a key, and requests are sent without it.
    KeyOmitted(OptionalKey),
    /// The server redirected the probe, and requests go to where it pointed.
    Redirected {
        /// The URL that requests go to.
        url: String,
    },
    /// Requests go through a proxy that the environment names, and latencies include its time.
    ThroughProxy {
        /// Its URL, without the password.
        url: String,
    },
    /// There is no tokenizer of the model, and the load needs none: the server counts.
    NoTokenizer {
        /// Why there is none.
        problem: String,
    },
    /// Prompts are made and counted with the tokenizer of the server.
    ServerTokenizer {
        /// The URL at which it encodes.
        url: String,
    },
    /// The data set has fewer prompts than were asked for, and they are sent again from the first on.
    PromptsRepeated {
        /// Prompts that can be used.
        available: usize,
        /// Prompts asked for.
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

    /// As an entry of `imax.notices`.
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
