//! The changelog as lines: where its entries begin and end, without parsing YAML. The history may contain entries
//! that today's schema rejects, and it is long, so only new entries are parsed.

use std::ops::Range;

/// The lines of a text without their terminators: `\n` or `\r\n`, and a last line may have none.
#[must_use]
pub fn split(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
}

/// Whether a line has no content.
#[must_use]
pub fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Whether a line is blank, a comment or a document marker, and so not part of an entry.
#[must_use]
pub fn is_filler(line: &str) -> bool {
    let content = line.trim();
    content.is_empty() || content.starts_with('#') || content == "---"
}

/// Whether a line begins an entry: a `-` at the left margin, or an indented one followed by a field's name. (An
/// indented `- text` is an item of a field's list.)
#[must_use]
pub fn begins_entry(line: &str) -> bool {
    let content = line.trim_start();
    let Some(rest) = content.strip_prefix('-') else { return false };
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return false;
    }
    content.len() == line.len() || names_a_field(rest.trim())
}

/// `config-keys:` or `pr-link: value`.
fn names_a_field(text: &str) -> bool {
    let name = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .count();
    name > 0 && matches!(text.as_bytes().get(name), Some(b':')) && matches!(text.as_bytes().get(name + 1), None | Some(b' '))
}

/// The entries at the left margin, each from its `-` to the line before the next one.
#[must_use]
pub fn entries(lines: &[&str]) -> Vec<Range<usize>> {
    let starts: Vec<usize> = (0..lines.len())
        .filter(|at| lines[*at].starts_with('-') && begins_entry(lines[*at]))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_are_ignored() {
        for text in ["a\n\nb\n", "a\r\n\r\nb\r\n", "a\n\nb"] {
            assert_eq!(split(text), ["a", "", "b"], "{text:?}");
        }
        assert_eq!(split(""), [] as [&str; 0]);
    }

    #[test]
    fn entry_begins_at_a_dash_that_is_not_a_list_item() {
        for line in ["- config-keys:", "-", "- anything", "  - config-keys:", "  - pr-link: x"] {
            assert!(begins_entry(line), "{line}");
        }
        for line in ["    - dsr1-fp8", "---", "-x", "config-keys:", "", "  - \"a: b\""] {
            assert!(!begins_entry(line), "{line}");
        }
    }

    #[test]
    fn entry_extends_to_the_next_one() {
        let lines = split("# log\n- config-keys:\n    - a\n\n- config-keys: [b]\n");
        assert_eq!(entries(&lines), [1..4, 4..5]);
    }
}
