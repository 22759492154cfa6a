//! Diagnostics of configs, changelog and recipes as alerts.

use super::{Alert, ArtifactLocation, Level, Location, PhysicalLocation, Region, Rule, log, text};
use crate::model::{Diagnostic, Diagnostics, Place, Severity, percent_encode_path};

/// Diagnostics as indented JSON. Paths become relative URIs.
///
/// # Errors
/// None in practice: every part has a JSON form.
pub fn sarif_of_diagnostics(diagnostics: &Diagnostics, version: &str) -> Result<String, serde_json::Error> {
    let mut codes: Vec<&'static str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules = codes.into_iter().map(|id| Rule {
        id,
        short_description: None,
    });
    log(version, rules.collect(), diagnostics.iter().map(alert).collect())
}

fn alert(diagnostic: &Diagnostic) -> Alert {
    let help = diagnostic.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
    let related = diagnostic.related.iter();
    Alert {
        rule_id: diagnostic.code,
        level: match diagnostic.severity {
            Severity::Warning => Level::Warning,
            Severity::Error => Level::Error,
        },
        message: text(format!("{}{help}", diagnostic.message)),
        locations: diagnostic.place.iter().map(|place| location(place, None)).collect(),
        related_locations: related.map(|related| location(&related.place, Some(&related.message))).collect(),
        partial_fingerprints: None,
        suppressions: Vec::new(),
    }
}

fn location(place: &Place, message: Option<&str>) -> Location {
    let span = place.span;
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: percent_encode_path(place.file.name.trim_start_matches("./")).to_string(),
            },
            region: Some(Region {
                start_line: span.start.line,
                start_column: Some(span.start.column),
                end_line: Some(span.end.line),
                end_column: Some(span.end.column),
            }),
        },
        logical_locations: Vec::new(),
        message: message.map(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::diagnostics::example;

    #[test]
    fn log_has_rules_places_and_encoded_paths() {
        insta::assert_snapshot!(sarif_of_diagnostics(&example(), "1.2.3").unwrap());
    }
}
