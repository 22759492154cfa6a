//! Known causes of failures in the logs of engines, containers and schedulers, each with a sentence and a remedy.
//!
//! The cause on the last matching line wins, because the fatal error is logged last; if one line matches several, the first in the
//! table wins. Causes that are often consequences of others, such as a rank that times out waiting for a dead one, count only
//! if the log shows no other. Lines that a working engine prints too do not count.

mod error_lines;
mod known;

pub use error_lines::error_lines;
use known::{KNOWN, ORDINARY};

/// Lower-case texts that occur together in one line, each as whole words.
type Sign = &'static [&'static str];

/// A cause of failures that is recognised by lines of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCause {
    /// Stable code for machines.
    pub code: &'static str,
    /// The cause and its remedy, for people.
    pub sentence: &'static str,
    /// Whether a retry cannot help, because a person must change something first.
    pub lasts: bool,
    /// Whether it is often a consequence of another cause, or harmless.
    follows: bool,
    signs: &'static [Sign],
}

/// Whether a line in lower case has every part of a sign.
fn shows(line: &str, sign: Sign) -> bool {
    sign.iter().all(|part| has_words(line, part))
}

/// A cause and the line that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    pub cause: &'static KnownCause,
    /// The line of the log, shortened.
    pub line: String,
}

/// Maximum length of a quoted line, characters.
const QUOTED: usize = 240;

impl KnownCause {
    /// The whole table in its order.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &KNOWN
    }

    /// The patterns of log lines that show the cause: each is a list of lower-case texts that occur in one line.
    #[must_use]
    pub fn signs(&self) -> &'static [&'static [&'static str]] {
        self.signs
    }

    /// The cause with this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|cause| cause.code == code)
    }

    /// The first cause in the table that a line matches.
    fn of_line(line: &str) -> Option<&'static Self> {
        let line = line.to_lowercase();
        if ORDINARY.iter().any(|sign| shows(&line, sign)) {
            return None;
        }
        KNOWN.iter().find(|cause| cause.signs.iter().any(|sign| shows(&line, sign)))
    }
}

/// The known cause that a log shows, if any.
#[must_use]
pub fn diagnose(log: &str) -> Option<Diagnosis> {
    let mut following = None;
    for line in log.lines().rev() {
        let Some(cause) = KnownCause::of_line(line) else { continue };
        let line = line.trim().chars().take(QUOTED).collect();
        let found = Diagnosis { cause, line };
        if !cause.follows {
            return Some(found);
        }
        following.get_or_insert(found);
    }
    following
}

/// Whether a text contains a part that is not inside a longer word: `errno 98` is not in `errno 980`.
fn has_words(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + part.len()..).unwrap_or_default());
        !is_in_word(before.chars().next_back(), part.chars().next()) && !is_in_word(after.chars().next(), part.chars().next_back())
    })
}

/// Whether there is no word boundary between two characters.
fn is_in_word(side: Option<char>, edge: Option<char>) -> bool {
    side.is_some_and(char::is_alphanumeric) && edge.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests;
