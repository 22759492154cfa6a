//! The log byte for byte: the form that a log must have so that tools may edit it (here), what changed between two states of
//! it (`change`), and the links of its entries (`links`). The rules are those of InferenceX's checks before a merge.

mod change;
mod error;
mod links;

use std::ops::Range;
use std::sync::Arc;

use super::entry;
use crate::model::{Diagnostics, SourceFile};
use crate::yaml::{self, Mapping, Node, Reader, Value};
use links::LINK_START;

pub(super) use change::Change;
pub use error::StrictError;
pub use links::Links;
pub(super) use links::with_link;

/// How every entry begins.
const ENTRY_START: &[u8] = b"- config-keys:";

#[derive(Debug, Clone)]
pub(super) struct StrictLog<'a> {
    name: &'a str,
    pub(super) raw: &'a [u8],
    pub(super) entries: Vec<StrictEntry>,
}

/// An entry with the bytes that it takes.
#[derive(Debug, Clone)]
pub(super) struct StrictEntry {
    /// As written: `evals-only: false` and an absent key are different bytes.
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

    /// Whether two entries are equal except for their links.
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

/// Whether two values are equal, wherever they are written.
fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Sequence(one), Value::Sequence(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(&one.value, &other.value))
        }
        (Value::Mapping(one), Value::Mapping(other)) => same_fields(one, other, None),
        _ => one == other,
    }
}

/// Whether two mappings have the same values in any order, except for one key.
fn same_fields(one: &Mapping, other: &Mapping, but_for: Option<&str>) -> bool {
    let keys = |mapping: &Mapping| mapping.iter().filter(|entry| entry.name() != but_for).count();
    keys(one) == keys(other)
        && one.iter().filter(|entry| entry.name() != but_for).all(|entry| {
            let value = entry.name().and_then(|name| other.get(name));
            value.is_some_and(|value| same_value(&entry.value.value, &value.value))
        })
}

impl<'a> StrictLog<'a> {
    /// Reads a log; `log` names it in errors.
    pub(super) fn parse(raw: &'a [u8], log: &'a str) -> Result<Self, StrictError> {
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
        Ok(Self { name: log, raw, entries })
    }

    /// An entry's bytes.
    pub(super) fn block(&self, entry: &StrictEntry) -> &'a [u8] {
        &self.raw[entry.bytes.clone()]
    }

    /// The line where an entry begins, from 1.
    fn line_of(&self, entry: &StrictEntry) -> usize {
        self.raw[..entry.bytes.start].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The line of an entry's link; that of the entry if its link is written in another form.
    fn link_line_of(&self, entry: &StrictEntry) -> usize {
        let mut lines = self.block(entry).split_inclusive(|byte| *byte == b'\n');
        self.line_of(entry) + lines.position(|line| line.starts_with(LINK_START)).unwrap_or(0)
    }
}

/// The entries as written, each checked.
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

/// The ranges of the entries, by the lines that begin them.
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
