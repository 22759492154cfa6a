//! What can be wrong with a changelog, each with the file, the line and what to do about it.

use std::fmt;

/// A position in a file, for people and for annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One place where something that was in the log is not in it any more as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryChange {
    /// An entry is gone.
    Removed {
        /// Its number in the base's log, from 1.
        entry: usize,
        /// Its first line in the base's log, from 1.
        base_line: usize,
    },
    /// An entry reads differently.
    Changed {
        /// Its number in the base's log, from 1.
        entry: usize,
        /// The first line that differs: in the head's log, or in the base's where the head has none in its place.
        line: usize,
        /// That line in the base's log; empty where a line was put in.
        was: String,
    },
    /// A line before the first entry is gone or different.
    Preamble {
        /// The line in the base's log, from 1.
        base_line: usize,
        /// What it was.
        was: String,
    },
}

/// Why a changelog, or the difference between two states of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChangelogError {
    /// Something that was in the log changed.
    #[error("{}", history_message(file, changes))]
    History {
        /// The changelog.
        file: String,
        /// Every change, in the order of the base's log.
        changes: Vec<HistoryChange>,
    },
    /// Nothing but blank lines and comments was added.
    #[error("{file}: no entry was added between the two states; append an entry for what is to be measured")]
    NothingAdded {
        /// The changelog.
        file: String,
    },
    /// The added text is not a list of entries.
    #[error("{place}: {message}")]
    Entry {
        /// Where.
        place: Place,
        /// What was found and what was expected.
        message: String,
    },
    /// A config key names no entry of the master configs.
    #[error("{place}: config key `{key}` is not in the master configs{}; correct it, or add the config in the same change", did_you_mean(suggestion.as_deref()))]
    UnknownKey {
        /// The changelog entry.
        place: Place,
        /// The key.
        key: String,
        /// The nearest key that exists.
        suggestion: Option<String>,
    },
    /// A pattern matches no entry of the master configs.
    #[error("{place}: pattern `{pattern}` matches no config key; `*` is the only wildcard, and everything else is literal")]
    NoMatch {
        /// The changelog entry.
        place: Place,
        /// The pattern.
        pattern: String,
    },
    /// A fragment is gone, and the log has not got its entries.
    #[error("{file}: this fragment was removed, and its entries are not in the log; restore it, or fold it with `imax changelog fold`")]
    FragmentRemoved {
        /// The fragment.
        file: String,
    },
    /// A changelog file is not text.
    #[error("{file} is not UTF-8 (byte {at}); save it as UTF-8")]
    NotUtf8 {
        /// The changelog.
        file: String,
        /// The offset of the first wrong byte.
        at: usize,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |key| format!(" (did you mean `{key}`?)"))
}

fn history_message(file: &str, changes: &[HistoryChange]) -> String {
    let mut text = String::new();
    for change in changes {
        let line = match change {
            HistoryChange::Removed { entry, base_line } => {
                format!("{file}:{base_line}:1: entry {entry} of the base was removed (the line number is the base's)\n")
            }
            HistoryChange::Changed { entry, line, was } if was.is_empty() => {
                format!("{file}:{line}:1: entry {entry} of the base was changed: this line was put into it\n")
            }
            HistoryChange::Changed { entry, line, was } => {
                format!("{file}:{line}:1: entry {entry} of the base was changed; the line was {was:?}\n")
            }
            HistoryChange::Preamble { base_line, was } => {
                format!("{file}:{base_line}:1: the line {was:?} of the base was changed (the line number is the base's)\n")
            }
        };
        text.push_str(&line);
    }
    text.push_str("the log only grows: restore these lines, and describe a new change in a new entry");
    text
}

/// A parser's message without the position that it puts into it: the place is told once, in front.
pub(super) fn without_position(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    first.rsplit_once(" at line ").map_or(first, |(words, _)| words).trim().to_owned()
}
