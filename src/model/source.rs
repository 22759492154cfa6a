//! Source texts and places in them. A [`Place`] contains its file, so a message can show the line without reading the file again.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::Diagnostic;

/// A text and its name: a path, or `commit:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name in messages.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Start of each line, bytes; computed on first use.
    starts: OnceLock<Vec<usize>>,
}

impl SourceFile {
    /// A shared source.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            starts: OnceLock::new(),
        })
    }

    /// A line by its number from 1, without its line break; empty past the end.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        let starts = self.starts.get_or_init(|| {
            // Counted first, because a growing list would need twice the memory for a file of only line breaks.
            let mut starts = Vec::with_capacity(1 + self.text.bytes().filter(|byte| *byte == b'\n').count());
            starts.push(0);
            starts.extend(self.text.match_indices('\n').map(|(at, _)| at + 1));
            starts
        });
        let start = number.checked_sub(1).and_then(|index| starts.get(index));
        let rest = start.and_then(|start| self.text.get(*start..)).unwrap_or_default();
        rest.lines().next().unwrap_or_default().trim_start_matches('\u{feff}')
    }
}

impl SourceFile {
    /// A shared source from UTF-8 bytes.
    ///
    /// # Errors
    /// The first invalid byte, with its place.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Arc<Self>, Box<Diagnostic>> {
        let name = name.into();
        String::from_utf8(bytes).map(|text| Self::new(name.clone(), text)).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default()).into_owned();
            let found = error.as_bytes().get(valid).copied().unwrap_or_default();
            let start = Position::after(&before);
            let place = Place {
                file: Self::new(name, before),
                span: Span { start, end: start },
            };
            let diagnostic = Diagnostic::error("encoding", format!("the byte 0x{found:02x} is not UTF-8"))
                .at(place)
                .help("save the file as UTF-8");
            Box::new(diagnostic)
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

    /// The position after the end of a text.
    #[must_use]
    pub fn after(text: &str) -> Self {
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self {
            line: text.matches('\n').count() + 1,
            column: last.chars().count() + 1,
        }
    }

    /// The same column, `lines` further down.
    #[must_use]
    pub const fn below(self, lines: usize) -> Self {
        Self {
            line: self.line + lines,
            column: self.column,
        }
    }
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
    /// The start of a text, for findings about the whole text.
    pub const START: Self = Self {
        start: Position::START,
        end: Position::START,
    };

    /// The same columns, `lines` further down.
    #[must_use]
    pub const fn below(self, lines: usize) -> Self {
        Self {
            start: self.start.below(lines),
            end: self.end.below(lines),
        }
    }
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
        self.file.line(self.span.start.line)
    }

    /// The number of characters of its first line that the place covers, at least one.
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

/// Without the text of the file, which would hide everything else in debug output.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_invalid_utf_8_byte_has_a_place() {
        let error = SourceFile::from_bytes("f", b"a: \xc3\xa9\nb: \xff\n".to_vec()).unwrap_err();
        assert_eq!(error.place.unwrap().to_string(), "f:2:4");
        assert_eq!(error.message, "the byte 0xff is not UTF-8");
    }
}
