//! Diagnostics as our own JSON, for programs.

use serde::Serialize;

use crate::model::{Diagnostic, Diagnostics, Place};

/// The version of the JSON form.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    version: u32,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<DiagnosticJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DiagnosticJson<'a> {
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<RelatedJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PlaceJson<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    snippet: &'a str,
}

#[derive(Serialize)]
struct RelatedJson<'a> {
    message: &'a str,
    place: PlaceJson<'a>,
}

impl<'a> From<&'a Place> for PlaceJson<'a> {
    fn from(place: &'a Place) -> Self {
        Self {
            file: &place.file.name,
            line: place.span.start.line,
            column: place.span.start.column,
            end_line: place.span.end.line,
            end_column: place.span.end.column,
            snippet: place.line(),
        }
    }
}

impl<'a> From<&'a Diagnostic> for DiagnosticJson<'a> {
    fn from(diagnostic: &'a Diagnostic) -> Self {
        let related = diagnostic.related.iter().map(|related| RelatedJson {
            message: &related.message,
            place: (&related.place).into(),
        });
        Self {
            severity: diagnostic.severity.as_str(),
            code: diagnostic.code,
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            place: diagnostic.place.as_ref().map(Into::into),
            related: related.collect(),
        }
    }
}

/// Diagnostics as indented JSON.
///
/// # Errors
/// None in practice: every part has a JSON form.
pub fn json_of_diagnostics(diagnostics: &Diagnostics) -> Result<String, serde_json::Error> {
    let document = Document {
        version: VERSION,
        errors: diagnostics.errors(),
        warnings: diagnostics.len() - diagnostics.errors(),
        diagnostics: diagnostics.iter().map(Into::into).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// An error with everything that a diagnostic can have, and a warning with as little as it may.
#[cfg(test)]
pub(super) fn example() -> Diagnostics {
    use crate::model::{Position, SourceFile, Span};

    let span = Span {
        start: Position { line: 2, column: 3 },
        end: Position { line: 2, column: 6 },
    };
    let file = SourceFile::new("./a b.yaml", "key:\n  tpp: 8\n");
    let place = Place { file, span };
    let error = Diagnostic::error("unknown-field", "100% wrong:\nno")
        .at(place.clone())
        .help("did you mean `tp`?")
        .related(place, "here too");
    let mut diagnostics = Diagnostics::from(error);
    diagnostics.push(Diagnostic::warning("file", "odd, but accepted"));
    diagnostics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_counts_diagnostics_and_has_their_places() {
        insta::assert_snapshot!(json_of_diagnostics(&example()).unwrap());
    }
}
