//! Whether a runner is one of those that a row is for. A name that fits no launcher would otherwise run the row as a plain process.

use super::config_files::ConfigFiles;
use crate::matrix::Row;

/// A runner that is of another label than the row's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "runner {runner} fits no node of the row's label {label}, expected one of {}, or a name with the same beginning before `_`; correct the runner's name or configs/runners.yaml, or name a profile with --profile",
    nodes.join(", ")
)]
pub(crate) struct WrongRunner {
    runner: String,
    label: String,
    nodes: Vec<String>,
}

/// Checks a runner's name against the nodes of the row's label in the repository's runner file. Without configs, or for a label that the
/// file does not have, every name fits.
///
/// # Errors
/// [`WrongRunner`].
pub(crate) fn check_runner(row: &Row, runner: &str, configs: &ConfigFiles) -> Result<(), WrongRunner> {
    // Invalid configs are the finding of `imax check`.
    let Ok(catalog) = configs.load(&|_| {}) else { return Ok(()) };
    let Some(nodes) = catalog.runners.labels.get(&row.runner) else {
        return Ok(());
    };
    if nodes.iter().any(|node| prefix(node.as_str()) == prefix(runner)) {
        return Ok(());
    }
    Err(WrongRunner {
        runner: runner.to_owned(),
        label: row.runner.to_string(),
        nodes: nodes.iter().map(ToString::to_string).collect(),
    })
}

/// What selects the launcher: `h200-cw` of `h200-cw_3`.
fn prefix(runner: &str) -> &str {
    runner.split('_').next().unwrap_or(runner)
}
