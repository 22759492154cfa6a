//! The settings file, `imax.yaml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Warn;
use super::source_file::read_source;
use crate::git::{Commit, GitError, Repository};
use crate::model::{Diagnostics, SourceFile};
use crate::settings::Settings;
use crate::system::untrusted;

/// The default file, which a repository may lack.
const DEFAULT_PATH: &str = "imax.yaml";
/// Thresholds of scores, where a repository has them.
const THRESHOLDS: &str = "configs/eval-thresholds.yaml";

#[derive(Debug, Clone, Default)]
pub(crate) struct SettingsFile {
    /// The file, instead of `imax.yaml`.
    pub path: Option<PathBuf>,
}

/// Settings that judge a change.
#[derive(Debug)]
pub(crate) struct JudgingSettings {
    pub settings: Settings,
    /// What the change says otherwise, a sentence each.
    pub remarks: Vec<String>,
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

    /// The settings by which the change of an event is judged. A pull request does not say itself what counts as its regression: its
    /// base does. `base` is that commit, by GitHub's event. What differs is said in a sentence each.
    ///
    /// # Errors
    /// As [`Self::load_at`].
    pub(crate) fn judging(&self, base: Option<&str>, warn: Warn<'_>) -> Result<JudgingSettings, SettingsFileError> {
        let is_outside = self.path.as_deref().is_some_and(Path::is_absolute);
        let Some(base) = base.filter(|_| !is_outside) else {
            return Ok(JudgingSettings {
                settings: self.load(warn)?,
                remarks: Vec::new(),
            });
        };
        let name = self.path.as_deref().unwrap_or(Path::new(DEFAULT_PATH)).display();
        let found = Repository::discover(Path::new(".")).ok().and_then(|repository| {
            let commit = base_commit(&repository, base)?;
            Some((repository, commit))
        });
        let Some((repository, commit)) = found else {
            let remarks = vec![format!(
                "The base of the pull request ({base}) is not in the checkout (actions/checkout: `fetch-depth: 0`); the usual rules apply \
                 and {name} does not."
            )];
            return Ok(JudgingSettings {
                settings: Settings::default(),
                remarks,
            });
        };
        let settings = self.load_at(&repository, commit, warn)?;
        let mut remarks = Vec::new();
        // An invalid file of the pull request is a finding of `imax check`; here it only does not count.
        let is_changed = self.load(&|_| {}).map_or(true, |own| own.regressions != settings.regressions);
        if is_changed {
            remarks.push(format!(
                "This pull request changes the section `regressions` of {name}. It is judged by that of its base, {commit}; the change counts \
                 after the merge."
            ));
        }
        let thresholds = repository.file(commit, THRESHOLDS)?.unwrap_or_default();
        let own = untrusted::read_checked_out(Path::new(THRESHOLDS)).unwrap_or_default();
        if own != thresholds {
            remarks.push(format!(
                "This pull request changes {THRESHOLDS}, by which the jobs have judged its scores."
            ));
        }
        Ok(JudgingSettings { settings, remarks })
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

/// The base commit of a pull request. A shallow checkout of GitHub's merge commit has it as the first parent only.
fn base_commit(repository: &Repository, base: &str) -> Option<Commit> {
    repository.commit(base).ok().or_else(|| {
        let head = repository.commit("HEAD").ok()?;
        match repository.parents(head).ok()?[..] {
            [base, _] => Some(base),
            _ => None,
        }
    })
}

fn parse(source: &Arc<SourceFile>, warn: Warn<'_>) -> Result<Settings, SettingsFileError> {
    let (settings, warnings) = Settings::parse(source)?;
    if !warnings.is_empty() {
        warn(&warnings.to_string());
    }
    Ok(settings)
}
