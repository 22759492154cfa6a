//! Reads the thresholds file.

use std::path::Path;

use crate::eval::threshold::Thresholds;
use crate::model::{Diagnostics, SourceFile};
use crate::system::files::{self, FileError};

/// The thresholds file unless another one is given.
const DEFAULT_FILE: &str = "configs/eval-thresholds.yaml";

/// Why thresholds cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ThresholdsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is invalid.
    #[error("{0}")]
    Invalid(#[source] Diagnostics),
}

/// Reads thresholds from the given file, else from the default one if it exists.
///
/// # Errors
/// [`ThresholdsError`], also where a given file does not exist.
pub fn read_thresholds(named: Option<&Path>) -> Result<Thresholds, ThresholdsError> {
    let default = Path::new(DEFAULT_FILE);
    let path = match named {
        Some(path) => path,
        None if default.is_file() => default,
        None => return Ok(Thresholds::default()),
    };
    let text = files::read_text(path)?;
    Thresholds::read(&SourceFile::new(path.display().to_string(), text)).map_err(ThresholdsError::Invalid)
}
