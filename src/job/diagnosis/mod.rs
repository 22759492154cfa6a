//! Known causes in the logs of engines, containers and schedulers: each named in one sentence with its remedy.
//!
//! The rule: the cause whose line stands last wins, because an engine says last what ended it; where one line shows several, the
//! first of the table. Causes that often only follow from another, as a rank that waits in vain for one that died, count
//! only where the log shows no other. Lines that an engine that works prints too are no signs.

mod known;

use known::{KNOWN, ORDINARY};

/// Lower-case texts that stand together in one line, each as whole words.
type Sign = &'static [&'static str];

/// A cause that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCause {
    /// A stable code for machines.
    pub code: &'static str,
    /// What happened and what to do, for people.
    pub sentence: &'static str,
    /// Whether it stays as it is until somebody changes something, so that another try is of no use.
    pub lasts: bool,
    /// Whether it often only follows from another cause, or does no harm.
    follows: bool,
    signs: &'static [Sign],
}

/// A cause and the line that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The cause.
    pub cause: &'static KnownCause,
    /// The log's line, shortened.
    pub line: String,
}

/// Longest part of a line that is quoted, characters.
const QUOTED: usize = 240;

impl KnownCause {
    /// All of the table, in its order.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &KNOWN
    }

    /// What a line of the log shows the cause by: each text has parts, in lower case, that stand together in one line.
    #[must_use]
    pub fn signs(&self) -> &'static [&'static [&'static str]] {
        self.signs
    }

    /// The cause with a code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|cause| cause.code == code)
    }

    /// The first of the table that a line shows.
    fn of_line(line: &str) -> Option<&'static Self> {
        let line = line.to_lowercase();
        let shows = |sign: &Sign| sign.iter().all(|part| has_words(&line, part));
        if ORDINARY.iter().any(shows) {
            return None;
        }
        KNOWN.iter().find(|cause| cause.signs.iter().any(shows))
    }
}

/// The known cause that a log shows, if there is one.
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

/// Whether a text holds a part that is not the middle of longer words: `errno 98` is not in `errno 980`.
fn has_words(text: &str, part: &str) -> bool {
    let continues = |side: Option<char>, edge: Option<char>| {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        is_letter(side) && is_letter(edge)
    };
    text.match_indices(part).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + part.len()..).unwrap_or_default());
        !continues(before.chars().next_back(), part.chars().next()) && !continues(after.chars().next(), part.chars().next_back())
    })
}

#[cfg(test)]
mod tests;
