//! The files of the config folder that are not configs: prices of hardware, and required scores.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::source_file::read_source;
use crate::analysis::{CostError, CostModel};
use crate::eval::threshold::Thresholds;
use crate::model::saturating;
use crate::model::{Diagnostic, Diagnostics, Place, Position, SourceFile, Span};
use crate::planning::ConfigFiles;

/// Findings in `hardware.yaml`; a repository may have none.
pub(super) fn check_hardware(configs: &ConfigFiles) -> Diagnostics {
    let mut found = Diagnostics::new();
    let Some(path) = existing(configs, "hardware.yaml") else {
        return found;
    };
    let Some(source) = read_source(&path, &mut found) else {
        return found;
    };
    if let Err(error) = CostModel::parse(&source.text, None) {
        found.push(invalid_hardware(&error, &source));
    }
    found
}

fn invalid_hardware(error: &CostError, source: &Arc<SourceFile>) -> Diagnostic {
    match error {
        CostError::Form(form) => {
            let finding = Diagnostic::error("hardware", form.without_snippet().to_string());
            match form.location() {
                Some(location) => finding.at(place_of(location, source)),
                None => finding,
            }
        }
        CostError::Number { .. } | CostError::Provider { .. } => Diagnostic::error("hardware", format!("{}: {error}", source.name)),
    }
}

fn place_of(location: serde_saphyr::Location, source: &Arc<SourceFile>) -> Place {
    let (line, column) = (saturating::to_usize(location.line()), saturating::to_usize(location.column()));
    Place {
        file: Arc::clone(source),
        span: Span {
            start: Position { line, column },
            end: Position { line, column: column + 1 },
        },
    }
}

/// Findings in `eval-thresholds.yaml`; a repository may have none.
pub(super) fn check_thresholds(configs: &ConfigFiles) -> Diagnostics {
    let mut found = Diagnostics::new();
    if let Some(path) = existing(configs, "eval-thresholds.yaml")
        && let Some(source) = read_source(&path, &mut found)
        && let Err(invalid) = Thresholds::read(&source)
    {
        found.append(invalid);
    }
    found
}

fn existing(configs: &ConfigFiles, name: &str) -> Option<PathBuf> {
    Some(configs.folder().join(name)).filter(|path| path.exists())
}
