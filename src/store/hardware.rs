//! Hardware facts: the repository's own `configs/hardware.yaml`, otherwise the built-in file.

use std::path::{Path, PathBuf};

use crate::analysis::{CostError, CostModel};
use crate::config::Catalog;
use crate::model::{Diagnostics, SourceFile, suggestion};
use crate::system::files::FileError;
use crate::system::untrusted;

/// Path of the hardware file in a repository.
const REPOSITORY_FILE: &str = "configs/hardware.yaml";

#[derive(Debug, thiserror::Error)]
pub(crate) enum HardwareError {
    #[error(transparent)]
    Read(#[from] FileError),
    /// The hardware file is invalid, or has no price for the provider.
    #[error("{file}")]
    Facts { file: String, source: CostError },
    #[error("{0}")]
    Runners(#[source] Diagnostics),
}

/// The repository's own hardware file, if there is one.
pub(crate) fn repository_file() -> Option<&'static Path> {
    Some(Path::new(REPOSITORY_FILE)).filter(|path| path.is_file())
}

/// Prices, power and carbon: of a given file, otherwise of the repository's own, otherwise the built-in ones.
///
/// # Errors
/// [`HardwareError`] for an invalid file, or a provider without a price.
pub(crate) fn cost_model(file: Option<&Path>, provider: Option<&str>) -> Result<CostModel, HardwareError> {
    let path = file.or(repository_file());
    let model = match path {
        Some(path) => CostModel::parse(&untrusted::read_checked_out_text(path)?, provider),
        None => CostModel::built_in(provider),
    };
    model.map_err(|source| HardwareError::Facts {
        file: path.unwrap_or(Path::new(REPOSITORY_FILE)).display().to_string(),
        source,
    })
}

#[derive(Debug)]
pub(crate) struct HardwareFiles {
    /// The hardware file, instead of the repository's own.
    pub hardware: Option<PathBuf>,
    /// The runner file, which a repository need not have.
    pub runners: PathBuf,
}

impl HardwareFiles {
    /// Why the hardware of a runner label is unknown: it is neither in the hardware file nor a label of the runner file. `None` for
    /// known hardware.
    ///
    /// # Errors
    /// [`HardwareError`] for an invalid file.
    pub(crate) fn why_unknown(&self, label: &str) -> Result<Option<String>, HardwareError> {
        let facts = cost_model(self.hardware.as_deref(), None)?;
        if facts.knows(label) {
            return Ok(None);
        }
        let labels = self.runner_labels()?;
        if labels.iter().any(|known| known == label) {
            return Ok(None);
        }
        let known: Vec<&str> = facts.names().chain(labels.iter().map(String::as_str)).collect();
        let file = self.hardware.as_deref().or(repository_file());
        Ok(Some(format!(
            "hardware {label:?} is neither in {} nor a label of {}; {} Otherwise describe it in one of them",
            file.unwrap_or(Path::new(REPOSITORY_FILE)).display(),
            self.runners.display(),
            suggestion(label, &known)
        )))
    }

    fn runner_labels(&self) -> Result<Vec<String>, HardwareError> {
        if !self.runners.is_file() {
            return Ok(Vec::new());
        }
        let bytes = untrusted::read_checked_out(&self.runners)?;
        let source = SourceFile::from_bytes(self.runners.display().to_string(), bytes);
        let source = source.map_err(|found| HardwareError::Runners(Diagnostics::from(*found)))?;
        let (catalog, _) = Catalog::parse(&[], &source).map_err(HardwareError::Runners)?;
        Ok(catalog.runners.labels.keys().map(ToString::to_string).collect())
    }
}
