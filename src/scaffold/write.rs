//! Writes the files, and never overwrites an existing one.

use std::path::{Path, PathBuf};

use super::files::ScaffoldFile;
use crate::system::files::{self, FileError};

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot make {} executable", path.display())]
    Mode { path: PathBuf, source: std::io::Error },
}

/// The files that exist already in the folder with another content.
pub(crate) fn existing<'a>(folder: &Path, files: &'a [ScaffoldFile]) -> Vec<&'a ScaffoldFile> {
    let differs = |file: &&ScaffoldFile| match std::fs::symlink_metadata(folder.join(&file.path)) {
        Ok(_) => std::fs::read(folder.join(&file.path)).map_or(true, |found| found != file.text.as_bytes()),
        Err(_) => false,
    };
    files.iter().filter(differs).collect()
}

/// Writes the files below the folder.
///
/// # Errors
/// [`WriteError`]; the files before the failed one are there.
pub(crate) fn write_files(folder: &Path, files: &[&ScaffoldFile]) -> Result<(), WriteError> {
    use std::os::unix::fs::PermissionsExt as _;
    for file in files {
        let path = folder.join(&file.path);
        files::write(&path, file.text.as_bytes())?;
        if file.executable {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&path, mode).map_err(|source| WriteError::Mode { path, source })?;
        }
    }
    Ok(())
}
