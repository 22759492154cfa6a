//! `imax.yaml`: where it is, and reading it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::configs::source;
use super::{Exit, Failure, OrExit as _, output};
use crate::git::{Commit, Repository};
use crate::model::{Diagnostics, SourceFile};
use crate::settings::Settings;

/// The settings file of a command.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsFile {
    /// What the repository decides for itself: policy, regressions [default: imax.yaml, where it exists]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

/// A repository may do without.
const USUAL: &str = "imax.yaml";

impl SettingsFile {
    /// The file to read; none where none was named and the usual one does not exist.
    fn path(&self) -> Option<&Path> {
        let usual = || Some(Path::new(USUAL)).filter(|usual| usual.exists());
        self.settings.as_deref().or_else(usual)
    }

    /// What it says, the defaults where there is none. Warnings are said on stderr.
    ///
    /// # Errors
    /// All that is wrong with it, as invalid input.
    pub fn load(&self) -> Result<Settings, Failure> {
        let Some(path) = self.path() else {
            return Ok(Settings::default());
        };
        let mut found = Diagnostics::new();
        let source = source(path, &mut found);
        let (source, _) = found.into_result(source).or_exit(Exit::InvalidInput)?;
        parse(&source)
    }

    /// What it says at a commit, whatever the checkout says.
    ///
    /// # Errors
    /// As [`Self::load`], and infrastructure where the commit cannot be read.
    pub fn load_at(&self, repository: &Repository, commit: Commit) -> Result<Settings, Failure> {
        let path = self.settings.as_deref().unwrap_or(Path::new(USUAL));
        // A path that is not relative is none of the repository, so nobody's branch changes it.
        if path.is_absolute() {
            return self.load();
        }
        let name = path.to_string_lossy();
        match repository.file(commit, &name).or_exit(Exit::Infrastructure)? {
            None => Ok(Settings::default()),
            Some(bytes) => {
                let source = SourceFile::from_bytes(format!("{commit}:{name}"), bytes).map_err(|found| Diagnostics::from(*found));
                parse(&source.or_exit(Exit::InvalidInput)?)
            }
        }
    }

    /// All that is wrong with it, and what it warns about.
    pub fn check(&self) -> Diagnostics {
        let mut found = Diagnostics::new();
        if let Some(source) = self.path().and_then(|path| source(path, &mut found)) {
            let (Ok((_, said)) | Err(said)) = Settings::parse(&source);
            found.append(said);
        }
        found
    }
}

fn parse(source: &Arc<SourceFile>) -> Result<Settings, Failure> {
    let (settings, warnings) = Settings::parse(source).or_exit(Exit::InvalidInput)?;
    if !warnings.is_empty() {
        output::say(&warnings.to_string());
    }
    Ok(settings)
}
