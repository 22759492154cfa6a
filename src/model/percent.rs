//! Percent-encoding of text in URLs (RFC 3986, section 2).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &COMPONENT.remove(b'/');

/// Text as one segment of a path, or as a value in a query.
pub(crate) fn percent_encode(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, COMPONENT)
}

/// A path of several segments.
pub(crate) fn percent_encode_path(path: &str) -> impl fmt::Display {
    utf8_percent_encode(path, PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_remain() {
        assert_eq!(percent_encode("feat/a b#1_~é").to_string(), "feat%2Fa%20b%231_~%C3%A9");
        assert_eq!(percent_encode_path("a b/c.yaml").to_string(), "a%20b/c.yaml");
    }
}
