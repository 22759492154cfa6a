//! The gate of a workflow: what makes a command that compares runs end with exit code 5.

use clap::ValueEnum;

use super::Exit;
use crate::analysis::Comparison;

/// What ends a command with exit code 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A point or a curve that got worse, or a point that failed and was measured before; none that `imax.yaml` excepts. An accuracy that got worse.
    Regression,
}

/// The exit code that a comparison means to a caller who asked for it.
#[must_use]
pub fn exit(comparison: &Comparison, fail_on: Option<FailOn>) -> Exit {
    match fail_on {
        Some(FailOn::Regression) if comparison.has_regression() => Exit::Regression,
        Some(FailOn::Regression) | None => Exit::Success,
    }
}
