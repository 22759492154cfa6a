//! Sentences on a terminal.

use unicode_width::UnicodeWidthStr as _;

/// Narrowest column of words; a terminal that leaves less gets lines as they come.
const NARROWEST: usize = 20;

/// A text broken at spaces into lines of at most `width` columns, of which all but the first begin with `indent` spaces; the first one is
/// printed behind as many columns. Words that are longer than a line stay whole, so that paths and commands can be copied.
#[must_use]
pub fn wrapped_text(text: &str, indent: usize, width: Option<usize>) -> String {
    let Some(room) = width.and_then(|width| width.checked_sub(indent)).filter(|room| *room >= NARROWEST) else {
        return text.to_owned();
    };
    let mut lines = String::with_capacity(text.len());
    let mut used = 0;
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.width() > room {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += word.width();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_spaces_within_the_width() {
        let text = "one two three four five six seven";
        for (indent, width, expected) in [
            (0, Some(20), "one two three four\nfive six seven"),
            (4, Some(26), "one two three four\n    five six seven"),
            (0, None, text),
            // No room for words.
            (10, Some(29), text),
            (30, Some(20), text),
        ] {
            assert_eq!(wrapped_text(text, indent, width), expected, "{indent} {width:?}");
        }
    }

    #[test]
    fn long_words_stay_whole() {
        let path = "/a/path/that/is/longer/than/the/terminal/is/wide";
        assert_eq!(wrapped_text(&format!("see {path} now"), 0, Some(24)), format!("see\n{path}\nnow"));
        assert_eq!(wrapped_text("", 0, Some(24)), "");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(wrapped_text("模型模型模型 模型模型模型", 0, Some(20)), "模型模型模型\n模型模型模型");
    }
}
