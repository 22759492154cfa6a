//! Secrets: tokens and keys. A secret is `***` in every message and has no JSON form; only the code that passes it on exposes it.

use std::fmt;

/// A secret text. `Debug` and `Display` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The shortest secret that is searched for in logs: a shorter one protects nothing, and its letters occur everywhere.
const SHORTEST_REDACTED: usize = 6;

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the environment of a child process or a header of a request.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its forms in files: verbatim, and escaped for JSON. Empty if it is too short to be searched for.
    pub fn forms(&self) -> impl Iterator<Item = String> {
        let json = serde_json::Value::from(self.0.as_str()).to_string();
        let quoted = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'))
            .unwrap_or_default()
            .to_owned();
        let long = (self.0.len() >= SHORTEST_REDACTED).then(|| self.0.clone());
        let escaped = long.as_ref().filter(|plain| **plain != quoted).map(|_| quoted);
        long.into_iter().chain(escaped)
    }

    /// The text with every occurrence of the secret replaced by stars.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.forms().fold(text.to_owned(), |text, form| text.replace(&form, HIDDEN))
    }
}

const HIDDEN: &str = "***";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_redacted_in_debug_output_and_texts() {
        let secret = Secret::new("hf_abcdef".to_owned());
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.redact("token hf_abcdef, again hf_abcdef"), "token ***, again ***");
        assert_eq!(Secret::new("1".to_owned()).redact("11"), "11");
        let quoted = Secret::new("with \"quote\"".to_owned());
        assert_eq!(quoted.redact(r#"{"key": "with \"quote\""}"#), r#"{"key": "***"}"#);
    }
}
