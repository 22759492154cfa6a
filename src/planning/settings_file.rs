//! The settings file, `imax.yaml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Warn;
use super::source_file::read_source;
use crate::git::{Commit, GitError, Repository};
use crate::model::{Diagnostics, SourceFile};
use crate::settings::Settings;

/// The default file, which a repository may lack.
const DEFAULT_PATH: &str = "imax.yaml";

#[derive(Debug, Clone, Default)]
pub(crate) struct SettingsFile {
    /// The file, instead of `imax.yaml`.
    pub path: Option<PathBuf>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsFileError {
    #[error("{0}")]
    Invalid(#[from] Diagnostics),
    #[error(transparent)]
    Git(#[from] GitError),
}

impl SettingsFile {
    /// The file to read: the given one, else the default one if it exists.
    fn existing(&self) -> Option<&Path> {
        let default = Some(Path::new(DEFAULT_PATH)).filter(|path| path.exists());
        self.path.as_deref().or(default)
    }

    /// The settings of the checkout; the defaults without a file.
    ///
    /// # Errors
    /// All findings of severity error.
    pub(crate) fn load(&self, warn: Warn<'_>) -> Result<Settings, SettingsFileError> {
        let Some(path) = self.existing() else {
            return Ok(Settings::default());
        };
        let mut found = Diagnostics::new();
        let source = read_source(path, &mut found);
        let (source, _) = found.into_result(source)?;
        parse(&source, warn)
    }

    /// The settings at a commit, independent of the checkout; the defaults without a file.
    ///
    /// # Errors
    /// As [`Self::load`], and if the commit cannot be read.
    pub(crate) fn load_at(&self, repository: &Repository, commit: Commit, warn: Warn<'_>) -> Result<Settings, SettingsFileError> {
        let path = self.path.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
        // An absolute path is outside of the repository, so no branch can change the file.
        if path.is_absolute() {
            return self.load(warn);
        }
        let name = path.to_string_lossy();
        match repository.file(commit, &name)? {
            None => Ok(Settings::default()),
            Some(bytes) => {
                let source = SourceFile::from_bytes(format!("{commit}:{name}"), bytes);
                parse(&source.map_err(|found| Diagnostics::from(*found))?, warn)
            }
        }
    }

    /// All findings in the file, warnings included.
    #[must_use]
    pub(crate) fn check(&self) -> Diagnostics {
        let mut found = Diagnostics::new();
        if let Some(source) = self.existing().and_then(|path| read_source(path, &mut found)) {
            let (Ok((_, findings)) | Err(findings)) = Settings::parse(&source);
            found.append(findings);
        }
        found
    }
}

fn parse(source: &Arc<SourceFile>, warn: Warn<'_>) -> Result<Settings, SettingsFileError> {
    let (settings, warnings) = Settings::parse(source)?;
    if !warnings.is_empty() {
        warn(&warnings.to_string());
    }
    Ok(settings)
}
