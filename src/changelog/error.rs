//! What can be wrong with a changelog: nothing was added, which is no mistake in itself, or things that somebody must
//! correct, each with its place.

use crate::model::Diagnostics;

/// Why a changelog, or the difference between two states of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChangelogError {
    /// Nothing but blank lines and comments was added.
    #[error("{file} has no new entry; append an entry for the change to measure")]
    NothingAdded { file: String },
    /// Entries that are wrong, or old ones that changed.
    #[error("{0}")]
    Invalid(#[from] Diagnostics),
}
