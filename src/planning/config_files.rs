//! The files of the config catalog: master configs and runners.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Warn;
use super::source_file::read_source;
use crate::config::Catalog;
use crate::model::{Diagnostics, SourceFile};

/// Default config folders: imax's own, and that of repositories which began with InferenceX's tools.
const DEFAULT_FOLDERS: [&str; 2] = ["configs", ".github/configs"];

/// Which files make up the catalog. The default is a folder with `*-master.yaml` and `runners.yaml`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigFiles {
    /// The folder, instead of the first default one that exists.
    pub folder: Option<PathBuf>,
    /// Master configs, instead of those of the folder.
    pub master_configs: Vec<PathBuf>,
    /// The runner file, instead of the folder's.
    pub runner_file: Option<PathBuf>,
}

/// The texts of config files, without those that cannot be read.
#[derive(Debug)]
pub(crate) struct ConfigSources {
    /// Master configs in reading order.
    pub configs: Vec<Arc<SourceFile>>,
    pub runners: Option<Arc<SourceFile>>,
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFilesError {
    #[error("cannot list the config folder {}: {source}", folder.display())]
    Folder {
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An entry of the config folder cannot be read.
    #[error("cannot list the config folder {}: {source}", folder.display())]
    FolderEntry {
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The config folder has no master config.
    #[error("no `*-master.yaml` in {}, expected at least one; or name files with --config-files", folder.display())]
    NoMasterConfig { folder: PathBuf },
    #[error("{0}")]
    Invalid(#[from] Diagnostics),
}

impl ConfigFiles {
    /// These files, and where none are named the others.
    pub(super) fn or(self, other: &Self) -> Self {
        let Self {
            folder,
            master_configs,
            runner_file,
        } = self;
        let names_configs = folder.is_some() || !master_configs.is_empty();
        Self {
            folder: folder.or_else(|| other.folder.clone()),
            master_configs: if names_configs {
                master_configs
            } else {
                other.master_configs.clone()
            },
            runner_file: runner_file.or_else(|| other.runner_file.clone()),
        }
    }

    /// The config folder: the given one, else the first default folder that exists.
    pub(super) fn folder(&self) -> &Path {
        let existing = DEFAULT_FOLDERS.iter().map(Path::new).find(|folder| folder.is_dir());
        self.folder.as_deref().or(existing).unwrap_or(Path::new(DEFAULT_FOLDERS[0]))
    }

    /// The master configs in reading order.
    ///
    /// # Errors
    /// A folder that cannot be listed or has no master config.
    pub(crate) fn master_configs(&self) -> Result<Vec<PathBuf>, ConfigFilesError> {
        if !self.master_configs.is_empty() {
            return Ok(self.master_configs.clone());
        }
        let folder = self.folder();
        let entries = std::fs::read_dir(folder).map_err(|source| ConfigFilesError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| ConfigFilesError::FolderEntry {
                folder: folder.to_owned(),
                source,
            })?;
            if entry.file_name().to_string_lossy().ends_with("-master.yaml") {
                found.push(entry.path());
            }
        }
        if found.is_empty() {
            return Err(ConfigFilesError::NoMasterConfig { folder: folder.to_owned() });
        }
        found.sort();
        Ok(found)
    }

    #[must_use]
    pub(crate) fn runner_file(&self) -> PathBuf {
        self.runner_file.clone().unwrap_or_else(|| self.folder().join("runners.yaml"))
    }

    /// The texts of all files. For a file that cannot be read or is not text, a finding is added to `found`.
    ///
    /// # Errors
    /// As [`Self::master_configs`].
    pub(crate) fn read(&self, found: &mut Diagnostics) -> Result<ConfigSources, ConfigFilesError> {
        let master_configs = self.master_configs()?;
        let configs = master_configs.iter().filter_map(|path| read_source(path, found)).collect();
        let runners = read_source(&self.runner_file(), found);
        Ok(ConfigSources { configs, runners })
    }

    /// The catalog.
    ///
    /// # Errors
    /// As [`Self::master_configs`], and all findings of severity error.
    pub(crate) fn load(&self, warn: Warn<'_>) -> Result<Catalog, ConfigFilesError> {
        let mut found = Diagnostics::new();
        let ConfigSources { configs, runners } = self.read(&mut found)?;
        let (runners, _) = found.into_result(runners)?;
        let (catalog, warnings) = Catalog::parse(&configs, &runners)?;
        if !warnings.is_empty() {
            warn(&warnings.to_string());
        }
        Ok(catalog)
    }
}
