//! Rows selected by a command line of the generator, as `imax matrix` and InferenceX's end-to-end workflow take it.

use super::Warn;
use super::config_files::{ConfigFiles, ConfigFilesError};
use crate::matrix::evals::Evals;
use crate::matrix::{Row, RowSelection, SelectError};

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GeneratorError {
    #[error(transparent)]
    Configs(#[from] ConfigFilesError),
    #[error(transparent)]
    Select(#[from] SelectError),
}

/// Which rows of which configs.
#[derive(Debug)]
pub(crate) struct GeneratorRequest {
    pub selection: RowSelection,
    /// `None` for the default of the configs' format.
    pub evals: Option<Evals>,
    /// Files that the command line names.
    pub configs: ConfigFiles,
}

impl GeneratorRequest {
    /// The rows.
    ///
    /// # Errors
    /// [`GeneratorError`].
    pub(crate) fn rows(&self, warn: Warn<'_>) -> Result<Vec<Row>, GeneratorError> {
        let catalog = self.configs.load(warn)?;
        Ok(self.selection.rows(&catalog, self.evals)?)
    }

    /// The request with `configs` for config files that it does not name.
    pub(super) fn with_default_configs(self, configs: &ConfigFiles) -> Self {
        let configs = self.configs.or(configs);
        Self { configs, ..self }
    }
}
