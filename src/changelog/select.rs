//! Which master config keys an entry selects: keys by name, or by a pattern in which `*` stands for any text.

use crate::model::ConfigKey;

use super::{ChangelogError, Entry, Place};

/// The keys that an entry selects, each once: in the order of the entry, those of a pattern in the order of the
/// master configs.
///
/// # Errors
/// A name that is not there, or a pattern that matches nothing.
pub fn select<'a>(
    entry: &Entry,
    place: &Place,
    known: impl Iterator<Item = &'a ConfigKey> + Clone,
) -> Result<Vec<&'a ConfigKey>, ChangelogError> {
    let mut selected: Vec<&ConfigKey> = Vec::new();
    for wanted in &entry.config_keys {
        let matches: Vec<&ConfigKey> = if wanted.contains('*') {
            known.clone().filter(|key| matches_pattern(wanted, key.as_str())).collect()
        } else {
            known.clone().filter(|key| key.as_str() == wanted).collect()
        };
        if matches.is_empty() {
            return Err(not_found(wanted, place, known));
        }
        for key in matches {
            if !selected.contains(&key) {
                selected.push(key);
            }
        }
    }
    Ok(selected)
}

fn not_found<'a>(wanted: &str, place: &Place, known: impl Iterator<Item = &'a ConfigKey>) -> ChangelogError {
    if wanted.contains('*') {
        return ChangelogError::NoMatch {
            place: place.clone(),
            pattern: wanted.to_owned(),
        };
    }
    ChangelogError::UnknownKey {
        place: place.clone(),
        key: wanted.to_owned(),
        suggestion: nearest(wanted, known),
    }
}

/// Whether a text is a pattern's: its literal parts occur in order, the first at the start and the last at the end.
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

/// Keys further than this share of their length from what was written are no help to anybody.
const NEAR: f64 = 0.75;

/// The key most like the one that was written, where one is near.
fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a ConfigKey>) -> Option<String> {
    let wanted: Vec<char> = wanted.chars().collect();
    let likeness = |key: &ConfigKey| {
        let key: Vec<char> = key.as_str().chars().collect();
        let operations = similar::capture_diff_slices(similar::Algorithm::Myers, &wanted, &key);
        f64::from(similar::get_diff_ratio(&operations, wanted.len(), key.len()))
    };
    let rated = known.map(|key| (likeness(key), key));
    let (best, key) = rated.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best >= NEAR).then(|| key.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<ConfigKey> {
        ["m-fp8-h200-vllm", "m-fp4-b200-trt", "n3.5-fp8-h200-vllm", "m-fp8-b200-vllm"]
            .map(|key| key.parse().unwrap())
            .to_vec()
    }

    fn selected(wanted: &[&str]) -> Result<Vec<String>, String> {
        let entry = Entry {
            config_keys: wanted.iter().map(ToString::to_string).collect(),
            description: vec!["d".to_owned()],
            pr_link: "p".to_owned(),
            evals_only: false,
            all_evals: false,
            append_only: false,
            eval_min_prefill_ep: None,
            scenario_type: None,
        };
        let place = Place {
            file: "log.yaml".to_owned(),
            line: 7,
            column: 3,
        };
        let keys = keys();
        let found = select(&entry, &place, keys.iter());
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
    fn what_selects_nothing_is_named_with_its_line() {
        for (wanted, message) in [
            ("n3x5*", "log.yaml:7:3: pattern `n3x5*` matches no config key"),
            ("m-fp?-*", "pattern `m-fp?-*`"),
            ("M-fp8-*", "pattern `M-fp8-*`"),
            ("m-fp8-h200-vlm", "(did you mean `m-fp8-h200-vllm`?)"),
            ("zzz", "config key `zzz` is not in the master configs; correct it"),
            ("", "config key `` is not"),
        ] {
            let error = selected(&[wanted]).unwrap_err();
            assert!(error.contains(message), "{wanted}: {error}");
        }
    }

    #[test]
    fn a_pattern_covers_the_whole_key() {
        assert!(matches_pattern("a*a", "aa"));
        assert!(!matches_pattern("a*a", "a"));
        assert!(!matches_pattern("ab*ba", "aba"));
        assert!(!matches_pattern("*b", "abc"));
    }
}
