//! The settings file, `imax.yaml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Warn;
use super::source_file::read_source;
use crate::analysis::EvalScore;
use crate::eval::score::Score;
use crate::eval::threshold::{Thresholds, Verdict};
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
    /// The thresholds of the base, where the change has others: the jobs have judged their scores by those of the change.
    thresholds: Option<Thresholds>,
}

impl JudgingSettings {
    /// The scores that fail by the base's thresholds, a sentence each; none where the change leaves the thresholds alone.
    #[must_use]
    pub(crate) fn low_scores(&self, scores: &[EvalScore]) -> Vec<String> {
        let Some(thresholds) = &self.thresholds else {
            return Vec::new();
        };
        scores.iter().filter_map(|score| low_score(thresholds, score)).collect()
    }
}

fn low_score(thresholds: &Thresholds, EvalScore { key, score, questions, .. }: &EvalScore) -> Option<String> {
    // Without the number of questions there is no interval: the score alone decides.
    let judged = Score::of_mean(*score, questions.unwrap_or(u64::from(u32::MAX)))?;
    match thresholds.judge(&[&key.model_prefix], &key.task, &judged) {
        Verdict::Fail { threshold } => Some(format!("{key}: {score:.3} is below the threshold of the base, {threshold}.")),
        Verdict::Unjudged | Verdict::Pass { .. } | Verdict::Unsure { .. } => None,
    }
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
                thresholds: None,
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
                thresholds: None,
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
        let thresholds = if own == thresholds {
            None
        } else {
            remarks.push(format!(
                "This pull request changes {THRESHOLDS}. Its jobs were judged by that; its scores are judged by that of its base, {commit}, \
                 as well, and the change counts after the merge."
            ));
            Some(base_thresholds(commit, thresholds)?)
        };
        Ok(JudgingSettings {
            settings,
            remarks,
            thresholds,
        })
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

/// The thresholds of the base, which may have none.
fn base_thresholds(commit: Commit, bytes: Vec<u8>) -> Result<Thresholds, Diagnostics> {
    if bytes.is_empty() {
        return Ok(Thresholds::default());
    }
    let source = SourceFile::from_bytes(format!("{commit}:{THRESHOLDS}"), bytes).map_err(|found| Diagnostics::from(*found))?;
    Thresholds::read(&source)
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
