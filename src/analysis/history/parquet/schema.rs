//! The columns of a file of runs.

use super::table::ColumnKind;
use crate::analysis::history::{INTERVAL_COLUMNS, METRIC_COLUMNS};

/// A value of the column `record`.
pub(super) const POINT: &str = "point";
/// A value of the column `record`.
pub(super) const SCORE: &str = "score";

/// The columns before the metrics.
pub(super) const DESCRIBING: [(&str, ColumnKind); 30] = [
    ("run_name", ColumnKind::Text),
    ("run_document", ColumnKind::Text),
    ("record", ColumnKind::Text),
    ("project", ColumnKind::Text),
    ("provider", ColumnKind::Text),
    ("repository", ColumnKind::Text),
    ("run_id", ColumnKind::Text),
    ("attempt", ColumnKind::Integer),
    ("kind", ColumnKind::Text),
    ("branch", ColumnKind::Text),
    ("commit", ColumnKind::Text),
    ("started", ColumnKind::Time),
    ("key", ColumnKind::Text),
    ("model_prefix", ColumnKind::Text),
    ("model", ColumnKind::Text),
    ("precision", ColumnKind::Text),
    ("hardware", ColumnKind::Text),
    ("framework", ColumnKind::Text),
    ("spec_decoding", ColumnKind::Text),
    ("disagg", ColumnKind::Integer),
    ("scenario", ColumnKind::Text),
    ("isl", ColumnKind::Integer),
    ("osl", ColumnKind::Integer),
    ("layout", ColumnKind::Text),
    ("gpus", ColumnKind::Integer),
    ("conc", ColumnKind::Integer),
    ("outcome", ColumnKind::Text),
    ("reason", ColumnKind::Text),
    ("image", ColumnKind::Text),
    ("document", ColumnKind::Text),
];

/// All columns in their order.
pub(super) fn columns() -> Vec<(String, ColumnKind)> {
    let describing = DESCRIBING.iter().map(|(name, kind)| ((*name).to_owned(), *kind));
    let metrics = METRIC_COLUMNS.iter().map(|name| ((*name).to_owned(), ColumnKind::Number));
    let intervals = INTERVAL_COLUMNS.iter().flat_map(|(_, name)| {
        let [low, high] = interval_columns(name);
        [(low, ColumnKind::Number), (high, ColumnKind::Number)]
    });
    let others = [("extra".to_owned(), ColumnKind::Text), ("score".to_owned(), ColumnKind::Number)];
    describing.chain(metrics).chain(intervals).chain(others).collect()
}

pub(super) fn interval_columns(metric: &str) -> [String; 2] {
    [format!("ci_low_{metric}"), format!("ci_high_{metric}")]
}
