//! Text from outside in links and in CSV.

use crate::model::{escape_formula, escape_markdown};

/// A link with an untrusted text. A URL that is not HTTP(S), or that could end the link, gives the text alone.
pub(super) fn link(text: &str, url: &str) -> String {
    let is_plain = url.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#@!$&+,;=%".contains(c));
    let shown = escape_markdown(text);
    if url.starts_with("https://") && is_plain {
        format!("[{shown}]({url})")
    } else {
        shown
    }
}

/// Puts a quote before a text that spreadsheets would run as a formula.
pub(super) fn csv(text: &str) -> String {
    let text = escape_formula(text);
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_accept_https_only() {
        assert_eq!(
            link("a|b", "https://github.com/o/r/runs/1#artifacts"),
            "[a&#124;b](https://github.com/o/r/runs/1#artifacts)"
        );
        for url in ["javascript:alert(1)", "https://a) [x](https://b", "http://a", ""] {
            assert_eq!(link("a", url), "a", "{url:?}");
        }
    }

    #[test]
    fn csv_cells_never_start_a_formula() {
        assert_eq!(csv("=cmd()"), "'=cmd()");
        assert_eq!(csv("-1.5"), "-1.5");
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
