//! Python's regular expressions on a Rust engine: patterns are rewritten where the two syntaxes differ, and `findall` and `sub` iterate
//! over matches as Python's do (<https://docs.python.org/3/library/re.html>).

use fancy_regex::{Captures, Regex};

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the regular expression `{pattern}` cannot be used: {reason}")]
pub struct PatternError {
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong.
    pub reason: String,
}

/// One match of `findall`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The text of a pattern with at most one group.
    Text(String),
    /// The texts of a pattern's groups, if it has several; empty for a group that did not take part.
    Groups(Vec<String>),
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern as Python writes it.
    ///
    /// # Errors
    /// [`PatternError`] for syntax that the engine does not support, and for patterns over its size limits.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let rewritten = rewrite(pattern);
        Regex::new(&rewritten).map(|regex| Self { regex }).map_err(|error| PatternError {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })
    }

    /// `re.findall`. A pattern that takes too long on the text finds nothing more.
    #[must_use]
    pub fn find_all(&self, text: &str) -> Vec<Match> {
        let mut found = Vec::new();
        self.walk(text, |captures| found.push(as_match(captures)));
        found
    }

    /// `re.sub` with a replacement as Python writes it: `\1`, `\g<1>`, `\n`. At most `count` times, 0 for always.
    #[must_use]
    pub fn replace(&self, text: &str, replacement: &str, count: usize) -> String {
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let mut times = 0;
        self.walk(text, |captures| {
            let Some(whole) = captures.get(0).filter(|_| count == 0 || times < count) else {
                return;
            };
            times += 1;
            out.push_str(text.get(copied..whole.start()).unwrap_or_default());
            expand(replacement, captures, &mut out);
            copied = whole.end();
        });
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// Python's rule: a match may be empty even directly after another, but not twice at one position.
    fn walk<'t>(&self, text: &'t str, mut each: impl FnMut(&Captures<'t>)) {
        let mut at = 0;
        let mut last_empty = None;
        while let Ok(Some(captures)) = self.regex.captures_from_pos(text, at) {
            let Some(whole) = captures.get(0) else { return };
            if whole.end() == whole.start() && last_empty == Some(whole.start()) {
                match text.get(at..).and_then(|rest| rest.chars().next()) {
                    Some(next) => at += next.len_utf8(),
                    None => return,
                }
                continue;
            }
            last_empty = (whole.end() == whole.start()).then_some(whole.start());
            at = whole.end();
            each(&captures);
        }
    }
}

fn as_match(captures: &Captures<'_>) -> Match {
    match captures.len() {
        1 => Match::Text(group_text(captures, 0)),
        2 => Match::Text(group_text(captures, 1)),
        count => Match::Groups((1..count).map(|index| group_text(captures, index)).collect()),
    }
}

fn group_text(captures: &Captures<'_>, index: usize) -> String {
    captures.get(index).map(|found| found.as_str().to_owned()).unwrap_or_default()
}

/// The text of a group by number or name; empty if it took no part in the match.
fn group<'t>(captures: &Captures<'t>, name: &str) -> &'t str {
    let found = match name.parse::<usize>() {
        Ok(index) => captures.get(index),
        Err(_) => captures.name(name),
    };
    found.map_or("", |found| found.as_str())
}

fn expand(replacement: &str, captures: &Captures<'_>, out: &mut String) {
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = after;
        let named = after.strip_prefix("g<").and_then(|after| after.split_once('>'));
        let digits = after.bytes().take_while(u8::is_ascii_digit).count().min(2);
        if let Some((name, behind)) = named {
            out.push_str(group(captures, name));
            rest = behind;
        } else if digits > 0 {
            let (number, behind) = after.split_at(digits);
            out.push_str(group(captures, number));
            rest = behind;
        } else if let Some(next) = after.chars().next() {
            match next {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                '\\' => out.push('\\'),
                other => out.extend(['\\', other]),
            }
            rest = after.get(next.len_utf8()..).unwrap_or_default();
        } else {
            out.push('\\');
        }
    }
    out.push_str(rest);
}

/// `re.escape` for the characters that have a meaning in a pattern.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && c != '_' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The pattern in the engine's language.
fn rewrite(pattern: &str) -> String {
    // With the multi-line flag, `$` means the same in both syntaxes.
    let multiline = pattern
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(flags, _)| flags.contains('m') && flags.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            '\\' => escaped(after, &mut out),
            '[' => class(after, &mut out),
            '$' if !multiline => {
                out.push_str(r"(?=\n?\z)");
                after
            }
            '{' => match quantifier(after) {
                Some((least, most, behind)) => {
                    out.push_str(&format!("{{{least}{most}}}"));
                    behind
                }
                None => {
                    out.push_str("\\{");
                    after
                }
            },
            '}' => {
                out.push_str("\\}");
                after
            }
            c => {
                out.push(c);
                after
            }
        };
    }
    out
}

/// Translates an escape outside a character class.
fn escaped<'p>(after: &'p str, out: &mut String) -> &'p str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    match c {
        'Z' => out.push_str("\\z"),
        // Python allows to escape any punctuation; these two escapes have another meaning in the engine.
        '<' | '>' => out.push(c),
        c if !c.is_ascii() => out.push(c),
        c => out.extend(['\\', c]),
    }
    after.get(c.len_utf8()..).unwrap_or_default()
}

/// Translates a character class up to its closing bracket. The engine has nested classes and set operations, Python does not.
fn class<'p>(after: &'p str, out: &mut String) -> &'p str {
    out.push('[');
    let mut rest = after;
    if let Some(behind) = rest.strip_prefix('^') {
        out.push('^');
        rest = behind;
    }
    let mut first = true;
    let mut before = '\0';
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            ']' if !first => {
                out.push(']');
                return rest;
            }
            ']' | '[' => out.extend(['\\', c]),
            '\\' => {
                let next = rest.chars().next().unwrap_or('\\');
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
                match next {
                    '<' | '>' => out.push(next),
                    next if !next.is_ascii() => out.push(next),
                    next => out.extend(['\\', next]),
                }
            }
            '&' | '~' if before == c => out.extend(['\\', c]),
            '-' if before == '-' => out.push_str("\\-"),
            c => out.push(c),
        }
        before = c;
        first = false;
    }
    rest
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The bounds of a quantifier and the rest of the pattern; `None` for a literal brace.
fn quantifier(after: &str) -> Option<(String, String, &str)> {
    let (inside, behind) = after.split_once('}')?;
    match inside.split_once(',') {
        None => (!inside.is_empty() && are_digits(inside)).then(|| (inside.to_owned(), String::new(), behind)),
        Some((least, most)) if are_digits(least) && are_digits(most) && inside.len() > 1 => {
            let least = if least.is_empty() { "0" } else { least };
            Some((least.to_owned(), format!(",{most}"), behind))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pattern: &str, text: &str) -> Vec<String> {
        let found = Pattern::new(pattern).unwrap().find_all(text);
        found
            .into_iter()
            .map(|found| match found {
                Match::Text(text) => text,
                Match::Groups(groups) => groups.join("|"),
            })
            .collect()
    }

    /// Expected values: CPython 3.11, `re.findall(pattern, text)`.
    #[test]
    fn findall_is_that_of_python() {
        for (pattern, text, expected) in [
            (r"#### (\-?[0-9\.\,]+)", "so 3\n#### -1,234.5", &["-1,234.5"][..]),
            (r"(-?[$0-9.,]{2,})|(-?[0-9]+)", "7 and $18.50", &["|7", "$18.50|"]),
            (r"(.*)", "abc", &["abc", ""]),
            (r"(?<=The answer is )(.*)(?=.)", "The answer is (A).", &["(A)"]),
            (r"\\boxed{(.*)}", r"so \boxed{42}", &["42"]),
            (r"x*", "axb", &["", "x", "", ""]),
            (r"end$", "end\n", &["end"]),
            (r"(?m)^\d+$", "1\n22\nx", &["1", "22"]),
            (r"a{,2}b", "aaab", &["aab"]),
            (r"[[a]+", "x[a[", &["[a["]),
            (r"[]x]", "]x", &["]", "x"]),
            (r"\<b\>", "<b>", &["<b>"]),
            (r"(\w)\1", "hello book", &["l", "o"]),
            (r"(?i)answer:\s*([A-D])", "Answer: b", &["b"]),
            (r"é\é", "éé", &["éé"]),
        ] {
            assert_eq!(texts(pattern, text), expected, "{pattern}");
        }
    }

    #[test]
    fn sub_is_that_of_python() {
        let sub = |pattern: &str, replacement: &str, text: &str, count| Pattern::new(pattern).unwrap().replace(text, replacement, count);
        assert_eq!(sub(r"(?s).*#### ", "", "long\ntext\n#### 42", 0), "42");
        assert_eq!(sub(r"(\w+) (\w+)", r"\2-\g<1>\n", "a b c d", 1), "b-a\n c d");
        assert_eq!(sub("x*", "-", "abxd", 0), "-a-b--d-");
        assert_eq!(sub(r"\.$", "", "5.", 0), "5");
    }

    #[test]
    fn invalid_regex_is_reported() {
        let error = Pattern::new("(a").unwrap_err();
        assert!(error.to_string().contains("`(a`"), "{error}");
    }
}
