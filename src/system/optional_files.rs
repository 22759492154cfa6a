//! Text files of a folder, each of which may be missing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::files::FileError;
use super::untrusted;

/// Reads text files of a folder. A file that exists and cannot be read is not the same as a missing one: its error is kept.
#[derive(Debug)]
pub struct OptionalFiles<'a> {
    folder: &'a Path,
    errors: RefCell<BTreeMap<String, FileError>>,
}

impl<'a> OptionalFiles<'a> {
    #[must_use]
    pub fn of(folder: &'a Path) -> Self {
        Self {
            folder,
            errors: RefCell::default(),
        }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder
    }

    /// The text of a file, by its path below the folder; `None` for a file that is missing or cannot be read.
    pub fn read(&self, path: &str) -> Option<String> {
        match untrusted::read_checked_out_text(&self.folder.join(path)) {
            Ok(text) => Some(text),
            Err(error) => {
                if !is_missing(&error) {
                    self.errors.borrow_mut().insert(path.to_owned(), error);
                }
                None
            }
        }
    }

    /// The errors of the files that exist and could not be read, in the order of their paths.
    #[must_use]
    pub fn into_errors(self) -> Vec<FileError> {
        self.errors.into_inner().into_values().collect()
    }
}

fn is_missing(error: &FileError) -> bool {
    match error {
        // A part of the path is a file: then the whole path does not exist either.
        FileError::Read { source, .. } => matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        FileError::Write { .. } | FileError::Json { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_files_are_distinguished_from_missing_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), "a").unwrap();
        std::fs::write(folder.path().join("latin1"), b"\xe9").unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let files = OptionalFiles::of(folder.path());
        assert_eq!(files.read("text").as_deref(), Some("a"));
        for path in ["missing", "text/below", "latin1", "folder", "folder"] {
            assert_eq!(files.read(path), None, "{path}");
        }
        let errors: Vec<String> = files.into_errors().iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].contains("folder") && errors[1].contains("latin1"), "{errors:?}");
    }
}
