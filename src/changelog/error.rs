//! Errors of a changelog: nothing was added, which is not a mistake in itself, or findings that must be
//! corrected, each with its place.

use crate::model::Diagnostics;

/// Why a changelog, or the difference between two states of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChangelogError {
    /// Nothing but blank lines and comments was added.
    #[error("{file} has no new entry; append an entry for the change to measure")]
    NothingAdded { file: String },
    /// Invalid entries, or changed old ones.
    #[error("{0}")]
    Invalid(#[from] Diagnostics),
}
