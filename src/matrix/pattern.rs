//! Patterns over config keys.

use globset::{GlobBuilder, GlobMatcher};

/// A glob over config keys: `*` any text, `?` one character, `[abc]`, `[a-z]` and `[!a]` one of several characters, `{a,b}` one of
/// several texts. Upper and lower case differ.
///
/// InferenceX matches with Python's fnmatch, and the options here follow it: `*` matches `/` too, a backslash is an ordinary
/// character, and so is a `[` that is never closed. Three differences remain, none of which occurs in keys of its repository:
/// braces are alternatives instead of themselves, `[^a]` is `[!a]` instead of one of `^` and `a`, and `?` is one byte, so that it
/// does not match a character beyond ASCII.
#[derive(Debug, Clone)]
pub struct KeyPattern(GlobMatcher);

impl KeyPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Unbalanced braces, and ranges whose end is before their start.
    pub fn new(pattern: &str) -> Result<Self, globset::Error> {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(false)
            .backslash_escape(false)
            .allow_unclosed_class(true)
            .build()?;
        Ok(Self(glob.compile_matcher()))
    }

    /// Whether the pattern matches the whole key.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        self.0.is_match(key)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyPattern;

    #[test]
    fn pattern_matches_whole_keys() {
        for (pattern, key, expected) in [
            ("*", "", true),
            ("m-*-h200", "m-fp8-h200", true),
            ("m-*-h200", "m-fp8-h200-x", false),
            ("*a*b*", "xaybz", true),
            ("m*", "m/x", true),
            ("m?", "m1", true),
            ("m?", "m", false),
            ("[dg]*", "gpt", true),
            ("[!d]*", "dsr1", false),
            ("[a-c]1", "b1", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[x", "[x", true),
            ("a\\*", "a\\b", true),
            ("M*", "m", false),
            ("**", "anything", true),
            ("{m,n}-*", "n-fp8", true),
        ] {
            assert_eq!(KeyPattern::new(pattern).unwrap().matches(key), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for pattern in ["{a", "[z-a]"] {
            assert!(KeyPattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn many_stars_stay_fast() {
        let pattern = KeyPattern::new(&"*a".repeat(200)).unwrap();
        assert!(!pattern.matches(&"ab".repeat(75)));
    }
}
