//! An entry of the changelog with the curves that were measured because of it.

use serde::{Deserialize, Serialize};

use super::CurveKey;

/// An entry of the changelog, as a plan names it and a history keeps it with its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeasuredChange {
    /// Keys of master configs, or patterns of them.
    pub config_keys: Vec<String>,
    /// What changed, a text for each line.
    pub description: Vec<String>,
    /// The pull request.
    pub pr_link: String,
    /// The curves that the entry made the run measure. Of entries that select the same curve it is the first one.
    pub curves: Vec<CurveKey>,
}
