//! Reads text files whose findings name places in them.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Diagnostic, Diagnostics, SourceFile};
use crate::system::files;

/// A file's text. `None`, with a finding added to `found`, for a file that cannot be read or is not text.
pub(crate) fn read_source(path: &Path, found: &mut Diagnostics) -> Option<Arc<SourceFile>> {
    match files::read(path) {
        Ok(bytes) => match SourceFile::from_bytes(path.display().to_string(), bytes) {
            Ok(source) => Some(source),
            Err(diagnostic) => {
                found.push(*diagnostic);
                None
            }
        },
        Err(error) => {
            found.push(Diagnostic::error("file", error.to_string()));
            None
        }
    }
}
