//! Reads text files whose findings name places in them.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::model::{Diagnostic, Diagnostics, Place, SourceFile, Span};
use crate::system::files::FileError;
use crate::system::untrusted;

/// A file's text. `None`, with a finding added to `found`, for a file that cannot be read or is not text.
pub(crate) fn read_source(path: &Path, found: &mut Diagnostics) -> Option<Arc<SourceFile>> {
    match untrusted::read_checked_out(path) {
        Ok(bytes) => match SourceFile::from_bytes(path.display().to_string(), bytes) {
            Ok(source) => Some(source),
            Err(diagnostic) => {
                found.push(*diagnostic);
                None
            }
        },
        Err(error) => {
            found.push(unreadable(&error));
            None
        }
    }
}

/// The finding for a file that cannot be read: its place is the start of the file.
pub(crate) fn unreadable(error: &FileError) -> Diagnostic {
    let diagnostic = Diagnostic::error("file", error.to_string());
    let (path, remedy) = match error {
        FileError::Read { path, source } => (path, remedy(source.kind())),
        FileError::Write { path, .. } | FileError::Json { path, .. } => (path, "make the file writable"),
    };
    let place = Place {
        file: SourceFile::new(path.display().to_string(), ""),
        span: Span::START,
    };
    diagnostic.at(place).help(remedy)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an enum of the standard library with variants that only future versions name"
)]
fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "create the file, or name another on the command line",
        ErrorKind::PermissionDenied => "allow this user to read the file",
        ErrorKind::IsADirectory => "replace the folder by a file",
        ErrorKind::InvalidData => "save the file as UTF-8",
        _ => "check that the file can be opened and read",
    }
}
