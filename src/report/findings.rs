//! Diagnostics for programs: our own JSON, workflow commands that GitHub shows on the line in a pull request, and SARIF
//! 2.1.0 for code scanning. The form for people is the diagnostics' own.

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::{Diagnostic, Diagnostics, Place, Severity, percent_encode_path};

/// The version of our JSON form.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    version: u32,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Finding<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Finding<'a> {
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<At<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Other<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct At<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    snippet: &'a str,
}

#[derive(Serialize)]
struct Other<'a> {
    message: &'a str,
    place: At<'a>,
}

impl<'a> From<&'a Place> for At<'a> {
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

impl<'a> From<&'a Diagnostic> for Finding<'a> {
    fn from(diagnostic: &'a Diagnostic) -> Self {
        Self {
            severity: diagnostic.severity.as_str(),
            code: diagnostic.code,
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            place: diagnostic.place.as_ref().map(Into::into),
            related: diagnostic
                .related
                .iter()
                .map(|related| Other {
                    message: &related.message,
                    place: (&related.place).into(),
                })
                .collect(),
        }
    }
}

/// Our JSON form, indented.
///
/// # Errors
/// None in practice: every part has a JSON form.
pub fn json(found: &Diagnostics) -> Result<String, serde_json::Error> {
    let document = Document {
        version: VERSION,
        errors: found.errors(),
        warnings: found.len() - found.errors(),
        diagnostics: found.iter().map(Into::into).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// One workflow command a finding. Format:
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>.
#[must_use]
pub fn github(found: &Diagnostics) -> String {
    found.iter().map(annotation).collect()
}

fn annotation(diagnostic: &Diagnostic) -> String {
    let mut properties = Vec::new();
    if let Some(place) = &diagnostic.place {
        let span = place.span;
        properties.push(format!("file={}", escaped_property(&place.file.name)));
        properties.push(format!("line={}", span.start.line));
        properties.push(format!("endLine={}", span.end.line.max(span.start.line)));
        // Columns count only on one line.
        if span.end.line == span.start.line {
            properties.push(format!("col={}", span.start.column));
            properties.push(format!("endColumn={}", span.end.column));
        }
    }
    properties.push(format!("title={}", escaped_property(diagnostic.code)));
    let help = diagnostic.help.as_ref().map_or(String::new(), |help| format!("\nhelp: {help}"));
    let message = escaped_message(&format!("{}{help}", diagnostic.message));
    format!("::{} {}::{message}\n", diagnostic.severity.as_str(), properties.join(","))
}

fn escaped_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escaped_property(text: &str) -> String {
    escaped_message(text).replace(':', "%3A").replace(',', "%2C")
}

/// SARIF 2.1.0, indented. Paths become relative URIs.
///
/// # Errors
/// None in practice: every part has a JSON form.
pub fn sarif(found: &Diagnostics, version: &str) -> Result<String, serde_json::Error> {
    let mut codes: Vec<&str> = found.iter().map(|diagnostic| diagnostic.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "imax", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": found.iter().map(result).collect::<Vec<Value>>(),
        }],
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn result(diagnostic: &Diagnostic) -> Value {
    let level = match diagnostic.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let help = diagnostic.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
    let mut value = json!({
        "ruleId": diagnostic.code,
        "level": level,
        "message": { "text": format!("{}{help}", diagnostic.message) },
    });
    if let Some(place) = &diagnostic.place {
        value["locations"] = json!([location(place, None)]);
    }
    if !diagnostic.related.is_empty() {
        let related: Vec<Value> = diagnostic
            .related
            .iter()
            .map(|related| location(&related.place, Some(&related.message)))
            .collect();
        value["relatedLocations"] = related.into();
    }
    value
}

fn location(place: &Place, message: Option<&str>) -> Value {
    let span = place.span;
    let mut value = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.file.name) },
            "region": {
                "startLine": span.start.line, "startColumn": span.start.column,
                "endLine": span.end.line, "endColumn": span.end.column,
            },
        },
    });
    if let Some(message) = message {
        value["message"] = json!({ "text": message });
    }
    value
}

fn uri(path: &str) -> String {
    percent_encode_path(path.trim_start_matches("./")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Position, SourceFile, Span};

    fn found() -> Diagnostics {
        let file = SourceFile::new("./a b.yaml", "key:\n  tpp: 8\n");
        let span = Span {
            start: Position { line: 2, column: 3 },
            end: Position { line: 2, column: 6 },
        };
        let place = Place { file, span };
        let mut found = Diagnostics::from(
            Diagnostic::error("unknown-field", "100% wrong:\nno")
                .at(place.clone())
                .help("did you mean `tp`?")
                .related(place, "here too"),
        );
        found.push(Diagnostic::warning("file", "odd, but well"));
        found
    }

    #[test]
    fn annotations_escape_what_the_runner_would_read_as_its_own() {
        let expected = "::error file=./a b.yaml,line=2,endLine=2,col=3,endColumn=6,title=unknown-field::100%25 wrong:%0Ano%0Ahelp: did you mean `tp`?\n\
                        ::warning title=file::odd, but well\n";
        assert_eq!(github(&found()), expected);
    }

    #[test]
    fn json_counts_and_places() {
        let value: Value = serde_json::from_str(&json(&found()).unwrap()).unwrap();
        assert_eq!((&value["errors"], &value["warnings"]), (&json!(1), &json!(1)));
        assert_eq!(value["diagnostics"][0]["place"]["snippet"], "  tpp: 8");
        assert_eq!(value["diagnostics"][0]["place"]["end-column"], 6);
        assert!(value["diagnostics"][1].get("place").is_none());
    }

    #[test]
    fn sarif_names_rules_and_encodes_paths() {
        let value: Value = serde_json::from_str(&sarif(&found(), "1").unwrap()).unwrap();
        let run = &value["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"], json!([{ "id": "file" }, { "id": "unknown-field" }]));
        let place = &run["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.yaml");
        assert_eq!(
            place["region"],
            json!({ "startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 6 })
        );
        assert_eq!(run["results"][1]["level"], "warning");
    }
}
