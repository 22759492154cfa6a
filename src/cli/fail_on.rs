//! What makes a command that compares runs exit with code 5, as a gate for workflows.

use clap::ValueEnum;

use super::Exit;
use crate::analysis::Comparison;

/// What ends a command with exit code 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A point or a curve got worse, a point failed that was measured before, or an accuracy got worse; not counting what `imax.yaml` accepts.
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
