//! Where master configs and runners are, and reading them into a catalog.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::config::Catalog;
use crate::model::{Diagnostic, Diagnostics, SourceFile};
use crate::system::files;

/// The config files of a command.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigFiles {
    /// The folder of the master configs (`*-master.yaml`) and of `runners.yaml` [default: configs, or .github/configs]
    #[arg(long, value_name = "FOLDER")]
    pub config_dir: Option<PathBuf>,
    /// Master config files, instead of the folder's
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub config_files: Vec<PathBuf>,
    /// The runner file, instead of the folder's
    #[arg(long, value_name = "FILE")]
    pub runner_config: Option<PathBuf>,
}

/// The texts of config files, as far as they could be read.
#[derive(Debug)]
pub struct Sources {
    /// Master configs, in the order in which they are read.
    pub configs: Vec<Arc<SourceFile>>,
    /// The runner file.
    pub runners: Option<Arc<SourceFile>>,
}

/// Where configs are looked for: here, and where the field's repositories used to have them.
const FOLDERS: [&str; 2] = ["configs", ".github/configs"];

impl ConfigFiles {
    /// The folder that counts.
    fn folder(&self) -> &Path {
        let usual = || FOLDERS.iter().map(Path::new).find(|folder| folder.is_dir());
        self.config_dir.as_deref().or_else(usual).unwrap_or(Path::new(FOLDERS[0]))
    }

    /// The master config files, in the order in which they are read.
    ///
    /// # Errors
    /// A folder that cannot be listed or has no master config, as invalid input.
    pub fn master_files(&self) -> Result<Vec<PathBuf>, Failure> {
        if !self.config_files.is_empty() {
            return Ok(self.config_files.clone());
        }
        let folder = self.folder();
        let list = std::fs::read_dir(folder).with_context(|| format!("cannot list the config folder {}", folder.display()));
        let mut found = Vec::new();
        for entry in list.or_exit(Exit::InvalidInput)? {
            let path = entry.or_exit(Exit::Infrastructure)?.path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().ends_with("-master.yaml"))
            {
                found.push(path);
            }
        }
        found.sort();
        if found.is_empty() {
            let message = format!(
                "no `*-master.yaml` in {}, expected at least one; or name files with --config-files",
                folder.display()
            );
            return Err(anyhow::anyhow!(message)).or_exit(Exit::InvalidInput);
        }
        Ok(found)
    }

    /// The runner file.
    #[must_use]
    pub fn runner_file(&self) -> PathBuf {
        self.runner_config.clone().unwrap_or_else(|| self.folder().join("runners.yaml"))
    }

    /// The texts. Files that cannot be read or are not text are added to `found`.
    ///
    /// # Errors
    /// As [`Self::master_files`].
    pub fn read(&self, found: &mut Diagnostics) -> Result<Sources, Failure> {
        let files = self.master_files()?;
        let configs = files.iter().filter_map(|path| source(path, found)).collect();
        let runners = source(&self.runner_file(), found);
        Ok(Sources { configs, runners })
    }

    /// The catalog. Warnings are said on stderr.
    ///
    /// # Errors
    /// Everything that is wrong with the files, as invalid input.
    pub fn load(&self) -> Result<Catalog, Failure> {
        let mut found = Diagnostics::new();
        let Sources { configs, runners } = self.read(&mut found)?;
        let (runners, _) = found.into_result(runners).or_exit(Exit::InvalidInput)?;
        let (catalog, warnings) = Catalog::parse(&configs, &runners).or_exit(Exit::InvalidInput)?;
        if !warnings.is_empty() {
            output::say(&warnings.to_string());
        }
        Ok(catalog)
    }
}

/// A file's text; what is wrong with it is added to `found`.
pub(super) fn source(path: &Path, found: &mut Diagnostics) -> Option<Arc<SourceFile>> {
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
