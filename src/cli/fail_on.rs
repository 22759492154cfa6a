//! `--fail-on`: the findings that make a comparison exit with code 5, as a gate for workflows.

use clap::ValueEnum;

use super::Exit;
use crate::analysis::Comparison;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A point, a curve or an accuracy score got worse, or a point failed that was measured before; except what `imax.yaml` accepts.
    Regression,
}

/// The exit code of a comparison.
#[must_use]
pub fn exit(comparison: &Comparison, fail_on: Option<FailOn>) -> Exit {
    match fail_on {
        Some(FailOn::Regression) if comparison.has_regression() => Exit::Regression,
        Some(FailOn::Regression) | None => Exit::Success,
    }
}
