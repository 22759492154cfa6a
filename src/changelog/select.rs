//! The master config keys that an entry selects: keys by name, or by a pattern in which `*` matches any text.

use super::LocatedEntry;
use crate::model::{ConfigKey, Diagnostic, Diagnostics, nearest};

/// The selected keys, each once: in the order of the entry, those of a pattern in the order of the
/// master configs.
///
/// # Errors
/// Unknown names, and patterns without a match.
pub fn select<'a>(written: &LocatedEntry, known: &[&'a ConfigKey]) -> Result<Vec<&'a ConfigKey>, Diagnostics> {
    let mut selected: Vec<&ConfigKey> = Vec::new();
    let mut found = Diagnostics::new();
    for (wanted, place) in written.entry.config_keys.iter().zip(&written.key_places) {
        let is_pattern = wanted.contains('*');
        let mut matches = known
            .iter()
            .copied()
            .filter(|key| {
                if is_pattern {
                    matches_pattern(wanted, key.as_str())
                } else {
                    key.as_str() == wanted
                }
            })
            .peekable();
        if matches.peek().is_none() {
            found.push(not_found(wanted, is_pattern, known).at(place.clone()));
        }
        for key in matches {
            if !selected.contains(&key) {
                selected.push(key);
            }
        }
    }
    if found.is_empty() { Ok(selected) } else { Err(found) }
}

fn not_found(wanted: &str, is_pattern: bool, known: &[&ConfigKey]) -> Diagnostic {
    if is_pattern {
        let message = format!("the pattern `{wanted}` matches no config key");
        return Diagnostic::error("no-match", message).help("`*` matches any text, every other character only itself");
    }
    let known: Vec<&str> = known.iter().map(|key| key.as_str()).collect();
    let help = match nearest(wanted, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "correct it, or add the config in the same change".to_owned(),
    };
    Diagnostic::error("unknown-key", format!("no master config has the key `{wanted}`")).help(help)
}

/// Whether a text matches a pattern: its literal parts occur in order, the first at the start and the last at the end.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceFile;

    fn keys() -> Vec<ConfigKey> {
        ["m-fp8-h200-vllm", "m-fp4-b200-trt", "n3.5-fp8-h200-vllm", "m-fp8-b200-vllm"]
            .map(|key| key.parse().unwrap())
            .to_vec()
    }

    fn selected(wanted: &[&str]) -> Result<Vec<String>, String> {
        let text = format!("- config-keys: {wanted:?}\n  description: [d]\n  pr-link: p\n");
        let source = SourceFile::new("log.yaml", text.clone());
        let written = crate::changelog::entry::parse(&source, text).unwrap().remove(0);
        let keys = keys();
        let found = select(&written, &keys.iter().collect::<Vec<_>>());
        found
            .map(|keys| keys.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn patterns_select_in_the_order_of_the_configs_and_each_key_once() {
        for (wanted, found) in [
            (&["m-fp8-*"][..], &["m-fp8-h200-vllm", "m-fp8-b200-vllm"][..]),
            (
                &["*vllm", "m-fp4-b200-trt"],
                &["m-fp8-h200-vllm", "n3.5-fp8-h200-vllm", "m-fp8-b200-vllm", "m-fp4-b200-trt"],
            ),
            (&["m-fp8-b200-vllm", "m-**-vllm"], &["m-fp8-b200-vllm", "m-fp8-h200-vllm"]),
            (&["n3.5*"], &["n3.5-fp8-h200-vllm"]),
            (
                &["*"],
                &["m-fp8-h200-vllm", "m-fp4-b200-trt", "n3.5-fp8-h200-vllm", "m-fp8-b200-vllm"],
            ),
        ] {
            assert_eq!(selected(wanted).unwrap(), found, "{wanted:?}");
        }
    }

    #[test]
    fn keys_without_match_are_reported_with_line() {
        for (wanted, message) in [
            ("n3x5*", "log.yaml:1:17"),
            ("m-fp?-*", "the pattern `m-fp?-*` matches no config key"),
            ("M-fp8-*", "the pattern `M-fp8-*`"),
            ("m-fp8-h200-vlm", "did you mean `m-fp8-h200-vllm`?"),
            ("zzz", "no master config has the key `zzz`"),
            ("", "has the key ``"),
        ] {
            let error = selected(&[wanted]).unwrap_err();
            assert!(error.contains(message), "{wanted}: {error}");
        }
    }

    #[test]
    fn pattern_matches_the_whole_key() {
        assert!(matches_pattern("a*a", "aa"));
        assert!(!matches_pattern("a*a", "a"));
        assert!(!matches_pattern("ab*ba", "aba"));
        assert!(!matches_pattern("*b", "abc"));
    }
}
