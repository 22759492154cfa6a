//! The log byte for byte: the form that a log must have so that tools may edit it, and what changed between two
//! states of it when nothing of its history may change but a wrong link. The rules are those of InferenceX's checks
//! before a merge.

use std::ops::Range;

use std::sync::Arc;

use super::entry;
use crate::model::{Diagnostics, SourceFile};
use crate::yaml::{self, Mapping, Node, Reader, Value};

/// How every entry begins.
const ENTRY_START: &[u8] = b"- config-keys:";
/// How the line of an entry's link begins.
const LINK_START: &[u8] = b"  pr-link:";

/// Why a log, or a change of it, is not in the form that tools may edit.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    /// The bytes are not plain text with `\n` at the end of each line.
    #[error("{log} {problem}")]
    Bytes {
        /// Which log.
        log: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// The text is not YAML, or not a list of entries.
    #[error(transparent)]
    Entries(#[from] Diagnostics),
    /// An entry does not begin with its config keys at the left margin.
    #[error("{log} has {entries} entries, but {starts} lines that begin with `- config-keys:`; write every entry so")]
    EntryStarts {
        /// Which log.
        log: String,
        /// Entries by YAML.
        entries: usize,
        /// Lines that begin one.
        starts: usize,
    },
    /// Entries are gone.
    #[error("the log lost {missing} entries at its end; restore them")]
    Removed {
        /// How many.
        missing: usize,
    },
    /// An old entry differs in more than its link.
    #[error("entry {entry} changed; of an entry that is in the log only a wrong pr-link may be corrected")]
    Changed {
        /// Its number, from 1.
        entry: usize,
    },
    /// A link was corrected to something that is no link of a pull request.
    #[error("entry {entry} got the pr-link {found:?}, expected `{expected}`")]
    Correction {
        /// Its number, from 1.
        entry: usize,
        /// The new link.
        found: String,
        /// What a link looks like.
        expected: String,
    },
    /// Links were corrected and entries were added in one change.
    #[error("old links were corrected and entries were added; make two changes of it")]
    Mixed,
    /// A new entry names another pull request.
    #[error("new entry {entry} has the pr-link {found:?}, expected `{expected}` or the placeholder `XXX`")]
    NewLink {
        /// Its number, from 1.
        entry: usize,
        /// What it has.
        found: String,
        /// What it must have.
        expected: String,
    },
    /// Bytes changed that must not.
    #[error("{0}")]
    History(&'static str),
    /// Bytes changed outside the corrected links.
    #[error("line {line} changed and is not the pr-link of a corrected entry; restore it")]
    OutsideLink {
        /// The line, from 1.
        line: usize,
    },
    /// An entry has no line that a link could be written to.
    #[error("an entry has no line that begins with `  pr-link:`; write its link so")]
    NoLinkLine,
}

/// A log in the strict form.
#[derive(Debug, Clone)]
pub(super) struct StrictLog<'a> {
    pub(super) raw: &'a [u8],
    pub(super) entries: Vec<StrictEntry>,
}

/// An entry with the bytes that it takes.
#[derive(Debug, Clone)]
pub(super) struct StrictEntry {
    /// As it is written, since `evals-only: false` and nothing at all are not the same bytes.
    fields: Arc<Node>,
    /// From its `-` to the end of its last line that is not blank.
    pub(super) bytes: Range<usize>,
}

impl StrictEntry {
    pub(super) fn link(&self) -> &str {
        let link = self.mapping().and_then(|mapping| mapping.get("pr-link"));
        match link.map(|node| &node.value) {
            Some(Value::Text(text)) => text,
            None
            | Some(
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Sequence(_) | Value::Mapping(_),
            ) => "",
        }
    }

    fn same(&self, other: &Self) -> bool {
        same_value(&self.fields.value, &other.fields.value)
    }

    /// Whether two entries say the same, whatever their links are.
    pub(super) fn same_but_for_link(&self, other: &Self) -> bool {
        match (self.mapping(), other.mapping()) {
            (Some(one), Some(other)) => same_fields(one, other, Some("pr-link")),
            (None, _) | (_, None) => self.same(other),
        }
    }

    fn mapping(&self) -> Option<&Mapping> {
        match &self.fields.value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Date(_) | Value::Text(_) | Value::Sequence(_) => None,
        }
    }
}

/// Whether two values are the same wherever they are written.
fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Sequence(one), Value::Sequence(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(&one.value, &other.value))
        }
        (Value::Mapping(one), Value::Mapping(other)) => same_fields(one, other, None),
        _ => one == other,
    }
}

/// Whether two mappings have the same values, in whatever order, but for one key.
fn same_fields(one: &Mapping, other: &Mapping, but_for: Option<&str>) -> bool {
    let keys = |mapping: &Mapping| mapping.iter().filter(|entry| entry.name() != but_for).count();
    keys(one) == keys(other)
        && one.iter().filter(|entry| entry.name() != but_for).all(|entry| {
            let value = entry.name().and_then(|name| other.get(name));
            value.is_some_and(|value| same_value(&entry.value.value, &value.value))
        })
}

/// What happened between two states of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    Nothing,
    /// Entries were appended, from this one on (counted from 0).
    Appended(usize),
    /// The links of these entries (counted from 0) were corrected.
    Corrected(Vec<usize>),
}

/// The links of one pull request, or of any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    repository: String,
    number: Option<u64>,
}

impl Links {
    /// The links of one pull request of a repository (`owner/name`).
    #[must_use]
    pub fn of_pull_request(repository: impl Into<String>, number: u64) -> Self {
        Self {
            repository: repository.into(),
            number: Some(number),
        }
    }

    /// Links of a repository whose pull request is not known yet.
    #[must_use]
    pub fn of_repository(repository: impl Into<String>) -> Self {
        Self {
            repository: repository.into(),
            number: None,
        }
    }

    pub(super) fn expected(&self) -> String {
        let number = self.number.map_or_else(|| "XXX".to_owned(), |number| number.to_string());
        format!("https://github.com/{}/pull/{number}", self.repository)
    }

    pub(super) fn is_placeholder(&self, link: &str) -> bool {
        link == "XXX" || link.strip_suffix("/pull/XXX") == Some(format!("https://github.com/{}", self.repository).as_str())
    }

    fn is_canonical(&self, link: &str) -> bool {
        let number = link.strip_prefix(&format!("https://github.com/{}/pull/", self.repository));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn allows_new(&self, link: &str) -> bool {
        self.number.is_none() || self.is_placeholder(link) || link == self.expected()
    }
}

impl<'a> StrictLog<'a> {
    /// Reads a log; `log` names it in errors.
    pub(super) fn parse(raw: &'a [u8], log: &str) -> Result<Self, StrictError> {
        let bytes = |problem| StrictError::Bytes {
            log: log.to_owned(),
            problem,
        };
        if !raw.ends_with(b"\n") {
            return Err(bytes("does not end with a line break; add one"));
        }
        for (byte, problem) in [
            (b'\r', "has carriage returns; save it with `\\n` line endings"),
            (b'\t', "has tabs; use spaces"),
            (0, "has NUL bytes; save it as UTF-8 text"),
        ] {
            if raw.contains(&byte) {
                return Err(bytes(problem));
            }
        }
        let text = std::str::from_utf8(raw).map_err(|_| bytes("is not UTF-8; save it as UTF-8"))?;
        let source = SourceFile::new(log, text);
        let values = read(&source)?;
        let spans = spans(raw);
        if spans.len() != values.len() {
            return Err(StrictError::EntryStarts {
                log: log.to_owned(),
                entries: values.len(),
                starts: spans.len(),
            });
        }
        let entries = values.into_iter().zip(spans);
        let entries = entries.map(|(fields, bytes)| StrictEntry { fields, bytes }).collect();
        Ok(Self { raw, entries })
    }

    /// An entry's bytes.
    pub(super) fn block(&self, entry: &StrictEntry) -> &'a [u8] {
        &self.raw[entry.bytes.clone()]
    }

    /// What `head` changed, where that is allowed.
    pub(super) fn change_to(&self, head: &StrictLog<'_>, links: &Links) -> Result<Change, StrictError> {
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
            return Err(StrictError::Removed { missing });
        }
        let mut corrected = Vec::new();
        for (at, (old, new)) in self.entries.iter().zip(&head.entries).enumerate() {
            if old.same(new) {
                continue;
            }
            if !old.same_but_for_link(new) {
                return Err(StrictError::Changed { entry: at + 1 });
            }
            if !links.is_canonical(new.link()) {
                return Err(StrictError::Correction {
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
                return Err(StrictError::OutsideLink { line: at + 1 });
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

/// The entries as they are written, each of them checked.
fn read(source: &Arc<SourceFile>) -> Result<Vec<Arc<Node>>, Diagnostics> {
    let mut found = Diagnostics::new();
    let root = yaml::parse(source, &mut found);
    let mut reader = Reader::new(source, &mut found);
    let list = root.as_ref().and_then(|root| reader.list(root, "changelog"));
    for node in list.into_iter().flatten() {
        entry::read(&mut reader, node);
    }
    match list {
        Some(list) if found.is_empty() => Ok(list.to_vec()),
        Some(_) | None => Err(entry::refused(found)),
    }
}

/// Where the entries are, by the lines that begin them.
fn spans(raw: &[u8]) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        if line.starts_with(ENTRY_START) {
            spans.push(at..end);
        } else if let Some(span) = spans.last_mut()
            && !line.trim_ascii().is_empty()
        {
            span.end = end;
        }
        at = end;
    }
    spans
}

/// An entry's bytes with another link, on the line that has it.
pub(super) fn with_link(block: &[u8], link: &str) -> Result<Vec<u8>, StrictError> {
    let mut result = Vec::with_capacity(block.len() + link.len());
    let mut found = false;
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        if found || !line.starts_with(LINK_START) {
            result.extend_from_slice(line);
            continue;
        }
        found = true;
        result.extend_from_slice(LINK_START);
        result.push(b' ');
        result.extend_from_slice(link.as_bytes());
        result.extend_from_slice(if line.ends_with(b"\n") { b"\n" } else { b"" });
    }
    if found { Ok(result) } else { Err(StrictError::NoLinkLine) }
}
