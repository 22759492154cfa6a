//! Errors and warnings about an input: place, found, expected, remedy. A [`Diagnostics`] collects all of one run, so that a
//! user can fix them at once.

mod render;

pub use render::DiagnosticStyle;

use std::fmt;

use super::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Valid, but probably a mistake.
    Warning,
    Error,
}

impl Severity {
    /// The word in messages and in GitHub's annotations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    pub message: String,
}

/// An error or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A stable code, such as `unknown-field`.
    pub code: &'static str,
    /// What was found and what was expected, lower case, one line.
    pub message: String,
    /// The place; `None` for a problem outside any file, such as a missing folder.
    pub place: Option<Place>,
    pub help: Option<String>,
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// An error without a place.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same, with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with a second place.
    #[must_use]
    pub fn related(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push(Related {
            place,
            message: message.into(),
        });
        self
    }
}

/// The diagnostic as a terminal shows it.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::render(self, DiagnosticStyle::PLAIN))
    }
}

/// The most findings that are kept: more than anybody fixes at once, and few enough for memory and logs.
const MOST: usize = 1_000;

/// The findings of one run, in order. After the first thousand they are only counted, so that a file with very many errors costs no
/// more than others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    errors: usize,
    more: usize,
}

impl Diagnostics {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        if self.list.len() < MOST {
            self.list.push(diagnostic);
        } else {
            self.more += 1;
        }
    }

    /// Adds all of another.
    pub fn append(&mut self, other: Self) {
        let errors = self.errors + other.errors;
        let more = other.more;
        for diagnostic in other.list {
            self.push(diagnostic);
        }
        self.errors = errors;
        self.more += more;
    }

    /// All findings as a terminal shows them, an empty line between them.
    #[must_use]
    pub fn styled(&self, style: DiagnosticStyle) -> String {
        let findings = self.list.iter().map(|diagnostic| render::render(diagnostic, style));
        let mut text = findings.collect::<Vec<_>>().join("\n\n");
        if self.more > 0 {
            text.push_str(&format!("\n\nand {} more, not shown", self.more));
        }
        text
    }

    /// The number of findings that were not kept.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }

    /// Whether one of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// `value` if there is no error, else all findings.
    ///
    /// # Errors
    /// The findings, if one of them is an error or there is no value.
    pub fn into_result<T>(self, value: Option<T>) -> Result<(T, Self), Self> {
        match value {
            Some(value) if !self.has_errors() => Ok((value, self)),
            Some(_) | None => Err(self),
        }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut found = Self::new();
        found.push(diagnostic);
        found
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

/// All findings for a terminal, an empty line between them.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.styled(DiagnosticStyle::PLAIN))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_first_thousand_findings_are_counted() {
        let mut found = Diagnostics::new();
        for _ in 0..MOST {
            found.push(Diagnostic::warning("w", "hm"));
        }
        let mut rest = Diagnostics::from(Diagnostic::error("e", "no"));
        rest.push(Diagnostic::warning("w", "hm"));
        found.append(rest);
        assert_eq!((found.iter().count(), found.len(), found.errors()), (MOST, MOST + 2, 1));
        assert!(found.to_string().ends_with("and 2 more, not shown"));
        assert!(found.into_result(Some(1)).is_err());
    }

    #[test]
    fn warnings_alone_are_a_result() {
        let warned = Diagnostics::from(Diagnostic::warning("w", "hm"));
        assert_eq!(warned.clone().into_result(Some(1)), Ok((1, warned)));
        let refused = Diagnostics::from(Diagnostic::error("e", "no"));
        assert_eq!(refused.clone().into_result(Some(1)), Err(refused));
    }
}
