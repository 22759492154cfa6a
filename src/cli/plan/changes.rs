//! Which entries are new between two commits, and what the configs were at the earlier one.

use std::sync::Arc;

use crate::changelog::{ChangelogError, Entry, State, Written};
use crate::cli::changelog::ChangelogFiles;
use crate::cli::changelog::files::repository;
use crate::cli::configs::ConfigFiles;
use crate::cli::{Exit, Failure, OrExit as _};
use crate::config::Catalog;
use crate::git::{Commit, Repository};
use crate::model::{Place, Position, SourceFile, Span};

/// A change that is to be planned.
pub struct Change {
    /// The earlier state as it was asked for.
    pub base_ref: String,
    /// The later state as it was asked for.
    pub head_ref: String,
    /// The earlier commit; none where there was nothing before, or where a person chose configs by key.
    pub base: Option<Commit>,
    /// The later commit, where one was looked at.
    pub head: Option<Commit>,
    /// The new entries.
    pub added: Vec<Written>,
    repository: Repository,
}

/// What happened to the changelog.
pub enum Found {
    /// It has new entries.
    Change(Box<Change>),
    /// It has none; the error says so.
    Nothing(ChangelogError),
}

impl Change {
    /// What one ref has that another has not.
    ///
    /// # Errors
    /// As [`Change::between`]; an unknown ref is the caller's mistake and so invalid input.
    pub fn by_refs(base_ref: &str, head_ref: &str, merge_base: bool, files: &ChangelogFiles) -> Result<Found, Failure> {
        let repository = repository()?;
        let base = repository.commit(base_ref).or_exit(Exit::InvalidInput)?;
        let head = repository.commit(head_ref).or_exit(Exit::InvalidInput)?;
        let base = match merge_base {
            true => repository.merge_base(base, head).or_exit(Exit::Infrastructure)?,
            false => base,
        };
        Self::between(repository, (base_ref.to_owned(), head_ref.to_owned()), Some(base), head, files)
    }

    /// What a commit has that another has not.
    ///
    /// # Errors
    /// Where an old entry was changed or a new one is wrong, as invalid input, or the repository cannot be read.
    pub fn between(
        repository: Repository,
        names: (String, String),
        base: Option<Commit>,
        head: Commit,
        files: &ChangelogFiles,
    ) -> Result<Found, Failure> {
        let log = &files.changelog_file;
        let after = files.at(&repository, head, log, log)?;
        let before = match base {
            Some(base) => before(&repository, base, head, files)?,
            None => State::none(),
        };
        let is_gone = repository.file(head, log).or_exit(Exit::Infrastructure)?.is_none();
        if is_gone && !before.log.text.is_empty() {
            let error =
                anyhow::anyhow!("{log} was there before and is not at {head}; restore it, or say with --changelog-file where it is now");
            return Err(error).or_exit(Exit::InvalidInput);
        }
        let (base_ref, head_ref) = names;
        match after.additions_since(&before) {
            Ok(added) => Ok(Found::Change(Box::new(Self {
                base_ref,
                head_ref,
                base,
                head: Some(head),
                added,
                repository,
            }))),
            Err(nothing @ ChangelogError::NothingAdded { .. }) => Ok(Found::Nothing(nothing)),
            Err(error) => Err(error).or_exit(Exit::InvalidInput),
        }
    }

    /// Configs that a person or a schedule chose by key, as one entry that is in no log.
    pub fn of_keys(repository: Repository, keys: Vec<String>, reason: &str) -> Self {
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
        let request = SourceFile::new("the request", entry.config_keys.join("\n"));
        let place = |line: usize| Place {
            file: Arc::clone(&request),
            span: Span {
                start: Position { line, column: 1 },
                end: Position { line: line + 1, column: 1 },
            },
        };
        let written = Written {
            place: place(1),
            key_places: (1..=entry.config_keys.len()).map(place).collect(),
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

    /// The log ends with a line break, so that the next entry begins on a line of its own.
    ///
    /// # Errors
    /// Where it does not, as invalid input.
    pub fn check_ending(&self, files: &ChangelogFiles) -> Result<(), Failure> {
        let log = &files.changelog_file;
        let text = match self.head {
            Some(head) => self.repository.file(head, log).or_exit(Exit::Infrastructure)?,
            None => None,
        };
        match text {
            Some(text) if !text.ends_with(b"\n") => {
                let error = anyhow::anyhow!("{log} does not end with a line break; add one");
                Err(error).or_exit(Exit::InvalidInput)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The configs as they were at the earlier commit, in the files that are there now.
    ///
    /// # Errors
    /// Where a file was not there or was wrong, as invalid input.
    pub fn base_catalog(&self, configs: &ConfigFiles) -> Result<Catalog, Failure> {
        let no_base = || anyhow::anyhow!("append-only entries need an earlier state to compare with; give `--base-ref`");
        let base = self.base.ok_or_else(no_base).or_exit(Exit::InvalidInput)?;
        let source = |path: &std::path::Path| -> Result<Arc<SourceFile>, Failure> {
            let name = path.to_string_lossy();
            let missing = || anyhow::anyhow!("{name} was not there at {base}; append-only entries need the configs of the base");
            let bytes = self.repository.file(base, &name).or_exit(Exit::Infrastructure)?;
            let bytes = bytes.ok_or_else(missing).or_exit(Exit::InvalidInput)?;
            let text = String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{name} at {base} is not UTF-8"));
            Ok(SourceFile::new(format!("{base}:{name}"), text.or_exit(Exit::InvalidInput)?))
        };
        let files: Result<Vec<_>, Failure> = configs.master_files()?.iter().map(|path| source(path)).collect();
        let (catalog, _) = Catalog::parse(&files?, &source(&configs.runner_file())?).or_exit(Exit::InvalidInput)?;
        Ok(catalog)
    }
}

/// The changelog at the earlier commit, also where the log had another name then.
fn before(repository: &Repository, base: Commit, head: Commit, files: &ChangelogFiles) -> Result<State, Failure> {
    let log = &files.changelog_file;
    let there = repository.file(base, log).or_exit(Exit::Infrastructure)?.is_some();
    let name = match there {
        true => None,
        false => repository.earlier_name(base, head, log).or_exit(Exit::Infrastructure)?,
    };
    let name = name.as_deref().unwrap_or(log);
    files.at(repository, base, name, &format!("{base}:{name}"))
}
