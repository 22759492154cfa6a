//! Escapes untrusted text for markdown. Names and reasons come from configs, results and logs; they must not become markup, HTML,
//! links, mentions of people or references to issues.

/// Escapes text for GitHub's markdown, within a line or a table cell.
///
/// Special characters become entities, which also keeps URLs from becoming links. GitHub looks for mentions and references in the
/// rendered page, where entities are resolved, so a zero-width space is put after `@` and `#`.
#[must_use]
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '@' | '#' => {
                push_entity(&mut escaped, character);
                escaped.push('\u{200b}');
            }
            '\n' | '\r' | '\t' => escaped.push(' '),
            character if is_unseen(character) => {}
            character if is_plain(character) => escaped.push(character),
            character => push_entity(&mut escaped, character),
        }
    }
    keep_from_linking(&escaped)
}

/// Letters, digits and punctuation without a meaning in markdown.
fn is_plain(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character, ' ' | '.' | ',' | ';' | '-' | '/' | '%' | '(' | ')' | '+' | '=')
        || !character.is_ascii()
}

/// Control characters, and those that change the writing direction: they could make a text look like another one.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control() || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn push_entity(text: &mut String, character: char) {
    text.push_str(&format!("&#{};", u32::from(character)));
}

/// `www.` alone starts a link, and `GH-1` a reference.
fn keep_from_linking(text: &str) -> String {
    let text = replace_ignoring_case(text, "www.", "www&#46;");
    replace_ignoring_case(&text, "gh-", "GH&#45;\u{200b}")
}

fn replace_ignoring_case(text: &str, from: &str, to: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if !lower.contains(from) {
        return text.to_owned();
    }
    let mut replaced = String::with_capacity(text.len());
    let mut end = 0;
    for (at, _) in lower.match_indices(from) {
        replaced.push_str(&text[end..at]);
        replaced.push_str(to);
        end = at + from.len();
    }
    replaced.push_str(&text[end..]);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_no_markup_mention_reference_or_link() {
        for (text, escaped) in [
            ("deepseek-ai/R1 8k1k", "deepseek-ai/R1 8k1k"),
            ("a|b", "a&#124;b"),
            ("<img src=x>", "&#60;img src=x&#62;"),
            ("[x](http://e)", "&#91;x&#93;(http&#58;//e)"),
            ("@team", "&#64;\u{200b}team"),
            ("see #12", "see &#35;\u{200b}12"),
            ("**b** _i_ `c`", "&#42;&#42;b&#42;&#42; &#95;i&#95; &#96;c&#96;"),
            ("a\nb\u{202e}c", "a bc"),
            ("WWW.example.org", "www&#46;example.org"),
            ("gh-7", "GH&#45;\u{200b}7"),
            ("\\ & ~", "&#92; &#38; &#126;"),
        ] {
            assert_eq!(escape_markdown(text), escaped, "{text:?}");
        }
    }
}
