//! The changelog entries that are new between two commits, and the configs at the earlier one.

use std::path::Path;
use std::sync::Arc;

use super::changelog_files::{ChangelogFiles, ChangelogFilesError};
use super::config_files::{ConfigFiles, ConfigFilesError};
use crate::changelog::{ChangelogError, Entry, LocatedEntry, State};
use crate::config::Catalog;
use crate::git::{Commit, GitError, Repository};
use crate::model::{Diagnostics, Place, Position, SourceFile, Span};

pub(super) struct Change {
    /// The earlier revision as the request names it.
    pub(super) base_ref: String,
    /// The later revision as the request names it.
    pub(super) head_ref: String,
    /// The earlier commit; `None` for a root commit, and for configs that were chosen by key.
    pub(super) base: Option<Commit>,
    /// The later commit, if it is known.
    pub(super) head: Option<Commit>,
    pub(super) added: Vec<LocatedEntry>,
    repository: Repository,
}

pub(super) struct Revisions {
    pub(super) base_ref: String,
    pub(super) head_ref: String,
    /// `None` compares with an empty changelog.
    pub(super) base: Option<Commit>,
    pub(super) head: Commit,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error(transparent)]
    Git(GitError),
    /// A revision of the request or the event does not exist.
    #[error(transparent)]
    Revision(GitError),
    #[error(transparent)]
    Files(#[from] ChangelogFilesError),
    /// The changelog was deleted or renamed.
    #[error("{log} existed before and is missing at {head}; restore it, or name its new path with --changelog-file")]
    LogMissing { log: String, head: Commit },
    /// The changelog has no new entry.
    #[error(transparent)]
    NoNewEntry(ChangelogError),
    /// An old entry was changed, or a new one is wrong.
    #[error(transparent)]
    Changelog(ChangelogError),
    /// The changelog does not end with a line break, so that the next entry would not start on a line of its own.
    #[error("{log} does not end with a line break; add one")]
    NoFinalLineBreak { log: String },
    /// An append-only entry without an earlier commit.
    #[error("append-only entries need an earlier state to compare with; give `--base-ref`")]
    NoBase,
    /// A config file is missing at the earlier commit.
    #[error("{file} is missing at {base}; append-only entries need the configs of the base")]
    BaseConfigMissing { file: String, base: Commit },
    /// A config file of the earlier commit is not text.
    #[error("{file} at {base} is not UTF-8")]
    BaseConfigNotText { file: String, base: Commit },
    /// Findings in the configs of the earlier commit.
    #[error("{0}")]
    BaseConfigs(#[from] Diagnostics),
    /// The config files of the checkout cannot be found.
    #[error(transparent)]
    Configs(#[from] ConfigFilesError),
}

impl Change {
    /// The entries of `head_ref` that are not in `base_ref`, or with `merge_base` not in their common ancestor.
    pub(super) fn between_refs(base_ref: &str, head_ref: &str, merge_base: bool, files: &ChangelogFiles) -> Result<Self, ChangeError> {
        let repository = Repository::discover(Path::new(".")).map_err(ChangeError::Git)?;
        let base = repository.commit(base_ref).map_err(ChangeError::Revision)?;
        let head = repository.commit(head_ref).map_err(ChangeError::Revision)?;
        let base = if merge_base {
            repository.merge_base(base, head).map_err(ChangeError::Git)?
        } else {
            base
        };
        let revisions = Revisions {
            base_ref: base_ref.to_owned(),
            head_ref: head_ref.to_owned(),
            base: Some(base),
            head,
        };
        Self::between(repository, revisions, files)
    }

    /// The entries of the later commit that are not in the earlier one.
    pub(super) fn between(repository: Repository, revisions: Revisions, files: &ChangelogFiles) -> Result<Self, ChangeError> {
        let Revisions {
            base_ref,
            head_ref,
            base,
            head,
        } = revisions;
        let log = &files.log;
        let after = files.at(&repository, head, log, log)?;
        let before = match base {
            Some(base) => changelog_at_base(&repository, base, head, files)?,
            None => State::none(),
        };
        let is_missing = repository.file(head, log).map_err(ChangeError::Git)?.is_none();
        if is_missing && !before.log.text.is_empty() {
            return Err(ChangeError::LogMissing { log: log.clone(), head });
        }
        match after.additions_since(&before) {
            Ok(added) => Ok(Self {
                base_ref,
                head_ref,
                base,
                head: Some(head),
                added,
                repository,
            }),
            Err(error @ ChangelogError::NothingAdded { .. }) => Err(ChangeError::NoNewEntry(error)),
            Err(error @ ChangelogError::Invalid(_)) => Err(ChangeError::Changelog(error)),
        }
    }

    /// Configs chosen by key, by a person or a schedule, as one entry that is in no changelog.
    pub(super) fn of_keys(repository: Repository, keys: Vec<String>, reason: &str) -> Self {
        let request = SourceFile::new("the request", keys.join("\n"));
        let key_places = (1..=keys.len()).map(|line| line_of(&request, line)).collect();
        let entry = Entry {
            config_keys: keys,
            description: vec![reason.to_owned()],
            pr_link: String::new(),
            evals_only: false,
            all_evals: false,
            append_only: false,
            eval_min_prefill_ep: None,
            scenario_type: None,
        };
        let written = LocatedEntry {
            place: line_of(&request, 1),
            key_places,
            entry,
        };
        Self {
            base_ref: String::new(),
            head_ref: "HEAD".to_owned(),
            base: None,
            head: repository.commit("HEAD").ok(),
            added: vec![written],
            repository,
        }
    }

    /// Rows that a command line of the generator selects, as one entry without keys that is in no changelog.
    pub(super) fn of_command_line(repository: Repository, command_line: &str) -> Self {
        let description = format!("Rows of `{command_line}`");
        Self::of_keys(repository, Vec::new(), &description)
    }

    /// Checks that the changelog ends with a line break.
    pub(super) fn check_final_line_break(&self, files: &ChangelogFiles) -> Result<(), ChangeError> {
        let Some(head) = self.head else { return Ok(()) };
        match self.repository.file(head, &files.log).map_err(ChangeError::Git)? {
            Some(text) if !text.ends_with(b"\n") => Err(ChangeError::NoFinalLineBreak { log: files.log.clone() }),
            Some(_) | None => Ok(()),
        }
    }

    /// The catalog at the earlier commit, from the files that the checkout has now.
    pub(super) fn base_catalog(&self, configs: &ConfigFiles) -> Result<Catalog, ChangeError> {
        let base = self.base.ok_or(ChangeError::NoBase)?;
        let mut sources = Vec::new();
        for path in configs.master_configs()? {
            sources.push(self.config_at(base, &path)?);
        }
        let runners = self.config_at(base, &configs.runner_file())?;
        let (catalog, _) = Catalog::parse(&sources, &runners)?;
        Ok(catalog)
    }

    fn config_at(&self, base: Commit, path: &Path) -> Result<Arc<SourceFile>, ChangeError> {
        let file = path.to_string_lossy().into_owned();
        let Some(bytes) = self.repository.file(base, &file).map_err(ChangeError::Git)? else {
            return Err(ChangeError::BaseConfigMissing { file, base });
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(SourceFile::new(format!("{base}:{file}"), text)),
            Err(_) => Err(ChangeError::BaseConfigNotText { file, base }),
        }
    }
}

fn line_of(file: &Arc<SourceFile>, line: usize) -> Place {
    Place {
        file: Arc::clone(file),
        span: Span {
            start: Position { line, column: 1 },
            end: Position { line: line + 1, column: 1 },
        },
    }
}

/// The changelog at the earlier commit, even if the log was renamed since.
fn changelog_at_base(repository: &Repository, base: Commit, head: Commit, files: &ChangelogFiles) -> Result<State, ChangeError> {
    let log = &files.log;
    let existed = repository.file(base, log).map_err(ChangeError::Git)?.is_some();
    let earlier_name = if existed {
        None
    } else {
        repository.earlier_name(base, head, log).map_err(ChangeError::Git)?
    };
    let name = earlier_name.as_deref().unwrap_or(log);
    Ok(files.at(repository, base, name, &format!("{base}:{name}"))?)
}
