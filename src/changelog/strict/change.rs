//! The change between two states of a log, of whose history only a wrong link may change: first the meaning, then
//! the bytes.

use super::links::LINK_START;
use super::{ENTRY_START, Links, StrictError, StrictLog};

/// What happened between two states of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::changelog) enum Change {
    Nothing,
    /// Entries were appended, from this index on (from 0).
    Appended(usize),
    /// The links of these entries (from 0) were corrected.
    Corrected(Vec<usize>),
}

impl StrictLog<'_> {
    /// What `head` changed, if that is allowed.
    pub(in crate::changelog) fn change_to(&self, head: &StrictLog<'_>, links: &Links) -> Result<Change, StrictError> {
        let change = self.meaning_changed(head, links)?;
        match &change {
            Change::Nothing => self.check_nothing(head)?,
            Change::Appended(first) => self.check_appended(head, *first)?,
            Change::Corrected(entries) => self.check_corrected(head, entries.len())?,
        }
        Ok(change)
    }

    fn meaning_changed(&self, head: &StrictLog<'_>, links: &Links) -> Result<Change, StrictError> {
        if let Some(missing) = self.entries.len().checked_sub(head.entries.len()).filter(|missing| *missing > 0) {
            return Err(StrictError::Removed {
                log: head.name.to_owned(),
                missing,
            });
        }
        let mut corrected = Vec::new();
        for (at, (old, new)) in self.entries.iter().zip(&head.entries).enumerate() {
            if old.same(new) {
                continue;
            }
            if !old.same_but_for_link(new) {
                return Err(StrictError::Changed {
                    log: head.name.to_owned(),
                    line: head.line_of(new),
                    entry: at + 1,
                });
            }
            if !links.is_canonical(new.link()) {
                return Err(StrictError::Correction {
                    log: head.name.to_owned(),
                    line: head.link_line_of(new),
                    entry: at + 1,
                    found: new.link().to_owned(),
                    expected: format!("https://github.com/{}/pull/<number>", links.repository),
                });
            }
            corrected.push(at);
        }
        let first = self.entries.len();
        let added = &head.entries[first..];
        if !corrected.is_empty() && !added.is_empty() {
            return Err(StrictError::Mixed);
        }
        if let Some((at, entry)) = added.iter().enumerate().find(|(_, entry)| !links.allows_new(entry.link())) {
            return Err(StrictError::NewLink {
                log: head.name.to_owned(),
                line: head.link_line_of(entry),
                entry: first + at + 1,
                found: entry.link().to_owned(),
                expected: links.expected(),
            });
        }
        Ok(match (added.is_empty(), corrected.is_empty()) {
            (false, _) => Change::Appended(first),
            (true, false) => Change::Corrected(corrected),
            (true, true) => Change::Nothing,
        })
    }

    fn check_nothing(&self, head: &StrictLog<'_>) -> Result<(), StrictError> {
        if self.raw == head.raw {
            return Ok(());
        }
        Err(StrictError::History(
            "blank lines, comments or formatting of the log's history changed, and nothing else; restore them",
        ))
    }

    fn check_appended(&self, head: &StrictLog<'_>, first: usize) -> Result<(), StrictError> {
        let Some(suffix) = head.raw.strip_prefix(self.raw) else {
            return Err(StrictError::History(
                "the log's history changed; restore it byte for byte and append new entries at the end",
            ));
        };
        let separated = if self.raw.ends_with(b"\n\n") {
            Some(suffix)
        } else {
            suffix.strip_prefix(b"\n")
        };
        if !separated.is_some_and(|suffix| suffix.starts_with(ENTRY_START)) {
            return Err(StrictError::History(
                "append new entries at the end, with exactly one empty line before them",
            ));
        }
        for entry in head.entries.iter().skip(first + 1) {
            let before = &head.raw[..entry.bytes.start];
            if !before.ends_with(b"\n\n") || before.ends_with(b"\n\n\n") {
                return Err(StrictError::History("put exactly one empty line between new entries"));
            }
        }
        if head.raw.ends_with(b"\n\n") {
            return Err(StrictError::History("end the log with one line break after the last entry"));
        }
        Ok(())
    }

    fn check_corrected(&self, head: &StrictLog<'_>, corrected: usize) -> Result<(), StrictError> {
        let old: Vec<&[u8]> = self.raw.split_inclusive(|byte| *byte == b'\n').collect();
        let new: Vec<&[u8]> = head.raw.split_inclusive(|byte| *byte == b'\n').collect();
        if old.len() != new.len() {
            return Err(StrictError::History("a correction of links adds and removes no lines"));
        }
        let changed = old.iter().zip(&new).enumerate().filter(|(_, (old, new))| old != new);
        let mut lines = 0;
        for (at, (old, new)) in changed {
            if !(old.starts_with(LINK_START) && new.starts_with(LINK_START)) {
                return Err(StrictError::OutsideLink {
                    log: head.name.to_owned(),
                    line: at + 1,
                });
            }
            lines += 1;
        }
        if lines == corrected {
            Ok(())
        } else {
            Err(StrictError::History("a corrected link takes exactly one line of its entry"))
        }
    }
}
