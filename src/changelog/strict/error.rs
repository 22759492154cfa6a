//! Why a log, or a change of it, is not in the strict form that tools may edit.

use crate::model::Diagnostics;

/// Why a log, or a change of it, is not in the form that tools may edit.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// The bytes are not plain text with `\n` at the end of each line.
    #[error("{log} {problem}")]
    Bytes { log: String, problem: &'static str },
    /// The text is not YAML, or not a list of entries.
    #[error("{0}")]
    Entries(#[from] Diagnostics),
    /// An entry does not begin with its config keys at the left margin.
    #[error("{log} has {entries} entries, but {starts} lines that begin with `- config-keys:`; begin every entry that way")]
    EntryStarts {
        log: String,
        /// Entries by YAML.
        entries: usize,
        /// Lines that begin one.
        starts: usize,
    },
    #[error("{log} has {missing} fewer entries; restore them")]
    Removed { log: String, missing: usize },
    /// An old entry differs in more than its link.
    #[error("{log}, line {line}: entry {entry} changed; of an entry that is in the log only a wrong pr-link may be corrected")]
    Changed {
        log: String,
        /// Where it begins, from 1.
        line: usize,
        /// Its number, from 1.
        entry: usize,
    },
    /// A link was corrected to something that is not the link of a pull request.
    #[error("{log}, line {line}: entry {entry} got the pr-link {found:?}, expected `{expected}`")]
    Correction {
        log: String,
        /// Where the link is, from 1.
        line: usize,
        /// Its number, from 1.
        entry: usize,
        found: String,
        expected: String,
    },
    /// Links were corrected and entries were added in one change.
    #[error("old links were corrected and entries were added; split it into two changes")]
    Mixed,
    #[error("{log}, line {line}: new entry {entry} has the pr-link {found:?}, expected `{expected}` or the placeholder `XXX`")]
    NewLink {
        log: String,
        /// Where the link is, from 1.
        line: usize,
        /// Its number, from 1.
        entry: usize,
        found: String,
        /// What it must have.
        expected: String,
    },
    /// Bytes changed that must not.
    #[error("{0}")]
    History(&'static str),
    /// Bytes changed outside of the corrected links.
    #[error("{log}, line {line}: changed outside a corrected pr-link; restore it")]
    OutsideLink {
        log: String,
        /// The line, from 1.
        line: usize,
    },
    /// No line of the entry can hold the link.
    #[error("no line of the entry begins with `  pr-link:`; write the link in that form")]
    NoLinkLine,
}
