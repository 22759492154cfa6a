//! A new entry as text, in the form that every tool for the log accepts, and a name for its file.

use super::Entry;

/// An entry as in a log, with a line break at its end.
#[must_use]
pub fn render(entry: &Entry) -> String {
    let Entry {
        config_keys,
        description,
        pr_link,
        evals_only,
        all_evals,
        append_only,
        eval_min_prefill_ep,
        scenario_type,
    } = entry;
    let mut text = String::from("- config-keys:\n");
    for key in config_keys {
        text.push_str(&format!("    - {}\n", scalar(key)));
    }
    text.push_str("  description:\n");
    for line in description {
        text.push_str(&format!("    - {}\n", quoted(line)));
    }
    text.push_str(&format!("  pr-link: {}\n", scalar(pr_link)));
    for (name, set) in [("evals-only", evals_only), ("all-evals", all_evals), ("append-only", append_only)] {
        if *set {
            text.push_str(&format!("  {name}: true\n"));
        }
    }
    if let Some(minimum) = eval_min_prefill_ep {
        text.push_str(&format!("  eval-min-prefill-ep: {minimum}\n"));
    }
    if let Some(scenarios) = scenario_type {
        text.push_str("  scenario-type:\n");
        for scenario in scenarios {
            text.push_str(&format!("    - {scenario}\n"));
        }
    }
    text
}

/// Plain if YAML reads a plain scalar of these characters as the same text, otherwise quoted. A leading `*` or digit
/// would be read as something else.
fn scalar(text: &str) -> String {
    let safe = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'*' | b':'))
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if safe { text.to_owned() } else { quoted(text) }
}

/// Plain words that YAML 1.1 does not read as text.
const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A double-quoted scalar: JSON strings are a subset. Tabs and line breaks are escaped.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A file name for a fragment, without extension, from the branch's name or another text: lower-case letters, digits
/// and `-`.
#[must_use]
pub fn draft_name(from: &str) -> String {
    let mut name = String::new();
    for character in from.chars().map(|character| character.to_ascii_lowercase()) {
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changelog::{ScenarioType, entry};
    use crate::model::SourceFile;

    #[test]
    fn rendered_entry_reads_back() {
        let wanted = Entry {
            config_keys: ["a-fp8-*", "*", "1e5", "yes", "n3.5-x"].map(str::to_owned).to_vec(),
            description: ["plain", "with: colon # and \"quotes\"", "two\nlines\tand a tab", "ümläut"]
                .map(str::to_owned)
                .to_vec(),
            pr_link: "https://github.com/org/repo/pull/XXX".to_owned(),
            evals_only: false,
            all_evals: true,
            append_only: false,
            eval_min_prefill_ep: std::num::NonZeroU32::new(4),
            scenario_type: Some(vec![ScenarioType::AgenticCoding]),
        };
        let text = render(&wanted);
        assert!(
            !text.contains('\t') && text.starts_with("- config-keys:\n") && text.ends_with('\n'),
            "{text}"
        );
        let read = entry::parse(&SourceFile::new("f", text.clone()), text).unwrap();
        assert_eq!(read.into_iter().map(|written| written.entry).collect::<Vec<_>>(), [wanted]);
    }

    #[test]
    fn names_are_safe_for_any_file_system() {
        assert_eq!(draft_name("user/Fix_DSR1 (fp8)!"), "user-fix-dsr1-fp8");
        assert_eq!(draft_name("../../etc"), "etc");
        assert_eq!(draft_name("***"), "");
    }
}
