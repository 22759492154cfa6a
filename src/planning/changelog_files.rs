//! The files of the performance changelog: the log and its fragments, in the checkout and at a commit.

use std::cmp::Ordering;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::changelog::{Fragment, State};
use crate::git::{Commit, GitError, Repository};
use crate::model::{Diagnostics, SourceFile};
use crate::system::files::FileError;
use crate::system::untrusted;

/// Which files make up the changelog: the log, and the YAML files of the folder `<log without extension>.d`.
#[derive(Debug, Clone)]
pub(crate) struct ChangelogFiles {
    pub log: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangelogFilesError {
    /// A file of the checkout cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// A file is not text.
    #[error("{0}")]
    NotText(#[from] Diagnostics),
    #[error("cannot list {}: {source}", folder.display())]
    Folder {
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An entry of the fragments' folder cannot be read.
    #[error("cannot list {}: {source}", folder.display())]
    FolderEntry {
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Default for ChangelogFiles {
    fn default() -> Self {
        Self {
            log: "perf-changelog.yaml".to_owned(),
        }
    }
}

impl ChangelogFiles {
    #[must_use]
    /// Whether a path from the top of the repository is the log or a fragment.
    pub(super) fn contains(&self, path: &str) -> bool {
        let path = Path::new(path);
        path == self.log_path() || path.starts_with(self.fragments_folder())
    }

    pub(crate) fn log_path(&self) -> &Path {
        Path::new(&self.log)
    }

    /// The folder of the fragments.
    #[must_use]
    pub(crate) fn fragments_folder(&self) -> PathBuf {
        self.log_path().with_extension("d")
    }

    /// The changelog of the checkout.
    ///
    /// # Errors
    /// If a file cannot be read or is not text.
    pub(crate) fn in_checkout(&self) -> Result<State, ChangelogFilesError> {
        let log = match untrusted::read_checked_out(self.log_path()) {
            Ok(bytes) => source_of(&self.log, bytes)?,
            Err(_) if !self.log_path().exists() => SourceFile::new(&self.log, ""),
            Err(error) => return Err(error.into()),
        };
        Ok(State {
            log,
            fragments: self.fragments_in_checkout()?,
        })
    }

    /// The fragments of the checkout, in reading order.
    ///
    /// # Errors
    /// If a file cannot be read or is not text.
    pub(crate) fn fragments_in_checkout(&self) -> Result<Vec<Fragment>, ChangelogFilesError> {
        self.fragment_paths()?.iter().map(|path| read_fragment(path)).collect()
    }

    /// The paths of the checkout's fragments, in reading order.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub(crate) fn fragment_paths(&self) -> Result<Vec<PathBuf>, ChangelogFilesError> {
        let folder = self.fragments_folder();
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(&folder).map_err(|source| ChangelogFilesError::Folder {
            folder: folder.clone(),
            source,
        })?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| ChangelogFilesError::FolderEntry {
                folder: folder.clone(),
                source,
            })?;
            let path = entry.path();
            if path.is_file() && is_fragment(&path.to_string_lossy()) {
                found.push(path);
            }
        }
        found.sort_by(|one, other| reading_order(&one.to_string_lossy(), &other.to_string_lossy()));
        Ok(found)
    }

    /// The changelog at a commit. `log` is the log's path at that commit, `shown` its name in messages.
    ///
    /// # Errors
    /// If a file is not text, or the repository cannot be read.
    pub(crate) fn at(&self, repository: &Repository, commit: Commit, log: &str, shown: &str) -> Result<State, ChangelogFilesError> {
        let log = repository.file(commit, log)?;
        let folder = self.fragments_folder().to_string_lossy().into_owned();
        let mut fragments = Vec::new();
        for (name, bytes) in repository.folder(commit, &folder)? {
            if is_fragment(&name) {
                let path = format!("{folder}/{name}");
                fragments.push(Fragment {
                    source: source_of(&path, bytes)?,
                    path,
                });
            }
        }
        fragments.sort_by(|one, other| reading_order(&one.path, &other.path));
        Ok(State {
            log: source_of(shown, log.unwrap_or_default())?,
            fragments,
        })
    }
}

fn read_fragment(path: &Path) -> Result<Fragment, ChangelogFilesError> {
    let bytes = untrusted::read_checked_out(path)?;
    let path = path.to_string_lossy().into_owned();
    Ok(Fragment {
        source: source_of(&path, bytes)?,
        path,
    })
}

fn is_fragment(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Fragments that start with a pull request's number come first, by number (`99.yaml` before `100.yaml`), then the others
/// by name.
fn reading_order(one: &str, other: &str) -> Ordering {
    match (leading_number(one), leading_number(other)) {
        (Some(one_number), Some(other_number)) => one_number.cmp(&other_number).then_with(|| one.cmp(other)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => one.cmp(other),
    }
}

fn leading_number(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    name[..digits].parse().ok()
}

fn source_of(path: &str, bytes: Vec<u8>) -> Result<Arc<SourceFile>, ChangelogFilesError> {
    SourceFile::from_bytes(path, bytes).map_err(|found| Diagnostics::from(*found).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_fragments_come_first_in_numeric_order() {
        let mut names = ["d/x.yaml", "d/100.yaml", "d/99.yaml", "d/99-more.yaml", "d/a.yaml"];
        names.sort_by(|one, other| reading_order(one, other));
        assert_eq!(names, ["d/99-more.yaml", "d/99.yaml", "d/100.yaml", "d/a.yaml", "d/x.yaml"]);
    }
}
