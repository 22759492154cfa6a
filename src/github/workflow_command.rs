//! Workflow commands: lines on stdout or stderr that the GitHub Actions runner executes. Format:
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>, escapes:
//! <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>.

use std::borrow::Cow;

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

/// Whether this process runs inside a GitHub Actions job.
#[must_use]
pub fn is_github_actions() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// A text without lines that the runner would execute. It takes `::command::` at the start of a line, which a lone carriage return
/// starts as well, and `##[command]` anywhere in one (`ActionCommand.cs` of actions/runner, both versions). Escape sequences of
/// terminals are made visible, since they hide what follows.
#[must_use]
pub fn escape_commands(text: &str) -> Cow<'_, str> {
    let is_harmless = !text.contains(['\r', '\u{1b}', '\u{9b}']) && !text.contains("::") && !text.contains("##[");
    if is_harmless {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\u{240d}");
    let text = text.replace(['\u{1b}', '\u{9b}'], "\u{241b}").replace("##[", "# #[");
    let lines = text.split_inclusive('\n').map(|line| match line.trim_start().starts_with("::") {
        true => format!("| {line}"),
        false => line.to_owned(),
    });
    Cow::Owned(lines.collect())
}

/// JSON of the same value in which no line is executed: `##[` can only be inside of a string, where the second `#` may be escaped.
#[must_use]
pub fn escape_commands_in_json(text: &str) -> Cow<'_, str> {
    if text.contains("##[") {
        Cow::Owned(text.replace("##[", "#\\u0023["))
    } else {
        Cow::Borrowed(text)
    }
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
    let message = format!("{}{help}", diagnostic.message).replace("##[", "# #[");
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
    fn foreign_text_is_never_a_command() {
        for (text, printed) in [
            ("plain: text", "plain: text"),
            ("a::b", "a::b"),
            ("::stop-commands::x", "| ::stop-commands::x"),
            ("\u{a0} ::add-mask::x\nnext", "| \u{a0} ::add-mask::x\nnext"),
            ("key\r::error::x", "key\u{240d}::error::x"),
            ("one\r\n::error::x\r\n", "one\n| ::error::x\n"),
            ("see ##[add-mask]h100", "see # #[add-mask]h100"),
            ("###[error]", "## #[error]"),
            ("\u{1b}[2K::error::x", "\u{241b}[2K::error::x"),
        ] {
            assert_eq!(escape_commands(text), printed);
        }
        assert!(matches!(escape_commands("nothing to do"), Cow::Borrowed(_)));
    }

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
