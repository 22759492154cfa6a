//! Workflow commands: lines on stdout or stderr that the GitHub Actions runner executes. Format:
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>, escapes:
//! <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>.

use crate::model::{Diagnostic, Diagnostics, Place};

/// `::name key=value,key=value::message`, without a line break.
#[must_use]
pub fn workflow_command(name: &str, properties: &[(&str, &str)], message: &str) -> String {
    let properties: Vec<String> = properties
        .iter()
        .map(|(key, value)| format!("{key}={}", escape_property(value)))
        .collect();
    let space = if properties.is_empty() { "" } else { " " };
    format!("::{name}{space}{}::{}", properties.join(","), escape_data(message))
}

/// A line for each diagnostic, which GitHub shows on its line in the pull request.
#[must_use]
pub fn annotations(diagnostics: &Diagnostics) -> String {
    diagnostics.iter().map(|diagnostic| annotation(diagnostic) + "\n").collect()
}

fn annotation(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.place.as_ref().map(place_properties).unwrap_or_default();
    let mut properties: Vec<(&str, &str)> = place.iter().map(|(key, value)| (*key, value.as_str())).collect();
    properties.push(("title", diagnostic.code));
    let help = diagnostic.help.as_ref().map_or(String::new(), |help| format!("\nhelp: {help}"));
    let message = format!("{}{help}", diagnostic.message);
    workflow_command(diagnostic.severity.as_str(), &properties, &message)
}

fn place_properties(place: &Place) -> Vec<(&'static str, String)> {
    let (start, end) = (place.span.start, place.span.end);
    let mut properties = vec![
        ("file", place.file.name.clone()),
        ("line", start.line.to_string()),
        ("endLine", end.line.max(start.line).to_string()),
    ];
    // GitHub ignores columns unless both are on one line.
    if end.line == start.line {
        properties.push(("col", start.column.to_string()));
        properties.push(("endColumn", end.column.to_string()));
    }
    properties
}

fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Position, SourceFile, Span};

    #[test]
    fn message_and_properties_are_escaped() {
        assert_eq!(workflow_command("group", &[], "100%\r\n"), "::group::100%25%0D%0A");
        assert_eq!(
            workflow_command("error", &[("title", "a: b, 100%\n")], "c: d, e"),
            "::error title=a%3A b%2C 100%25%0A::c: d, e"
        );
    }

    #[test]
    fn annotation_has_place_title_and_help() {
        let span = Span {
            start: Position { line: 2, column: 3 },
            end: Position { line: 2, column: 6 },
        };
        let file = SourceFile::new("./a b.yaml", "key:\n  tpp: 8\n");
        let error = Diagnostic::error("unknown-field", "100% wrong:\nno").at(Place { file, span });
        let mut diagnostics = Diagnostics::from(error.help("did you mean `tp`?"));
        diagnostics.push(Diagnostic::warning("file", "odd, but accepted"));
        let expected = "::error file=./a b.yaml,line=2,endLine=2,col=3,endColumn=6,title=unknown-field::100%25 wrong:%0Ano%0Ahelp: did you mean `tp`?\n\
                        ::warning title=file::odd, but accepted\n";
        assert_eq!(annotations(&diagnostics), expected);
    }
}
