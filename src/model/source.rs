//! Places in text that people wrote. A [`Place`] holds its file, so a message about it can show the line without
//! reading anything again.

use std::fmt;
use std::sync::Arc;

/// A text and the name under which people know it: a path, or `commit:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What messages call it.
    pub name: String,
    /// All of it.
    pub text: String,
}

impl SourceFile {
    /// A shared source of this name and text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
        })
    }
}

/// Line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// From a first character up to, not including, a last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first character.
    pub start: Position,
    /// One past the last character.
    pub end: Position,
}

impl Span {
    /// The start of a text, for what concerns all of it.
    pub const START: Self = Self {
        start: Position::START,
        end: Position::START,
    };
}

/// A span of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Where in it.
    pub span: Span,
}

impl Place {
    /// The text of the line on which the place starts, without its line break; empty past the end.
    #[must_use]
    pub fn line(&self) -> &str {
        let line = self
            .file
            .text
            .lines()
            .nth(self.span.start.line.saturating_sub(1))
            .unwrap_or_default();
        line.trim_start_matches('\u{feff}')
    }

    /// How many characters of its first line the place covers, at least one.
    #[must_use]
    pub fn width(&self) -> usize {
        let Span { start, end } = self.span;
        let end = if end.line == start.line {
            end.column
        } else {
            self.line().trim_end().chars().count() + 1
        };
        end.saturating_sub(start.column).max(1)
    }
}

/// `file:line:column`, as editors and terminals make clickable.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.span.start;
        write!(f, "{}:{line}:{column}", self.file.name)
    }
}

/// Without the text of the file, which would drown everything else.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}
