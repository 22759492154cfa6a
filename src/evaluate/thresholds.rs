//! Reads the thresholds file.

use std::path::Path;

use crate::eval::threshold::Thresholds;
use crate::model::{Diagnostics, SourceFile};
use crate::system::files::{self, FileError};

/// The thresholds files unless another one is given: that of imax, else that of InferenceX. The first one that exists counts.
const DEFAULT_FILES: [&str; 2] = ["configs/eval-thresholds.yaml", "utils/evals/thresholds.yaml"];

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
    let default = DEFAULT_FILES.iter().map(Path::new).find(|path| path.is_file());
    let Some(path) = named.or(default) else {
        return Ok(Thresholds::default());
    };
    let text = files::read_text(path)?;
    Thresholds::read(&SourceFile::new(path.display().to_string(), text)).map_err(ThresholdsError::Invalid)
}
