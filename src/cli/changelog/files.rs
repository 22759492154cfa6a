//! Where the changelog's files are, in the checkout and at a commit, and which repository its links name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use crate::changelog::{Fragment, State};
use crate::cli::{Exit, Failure, OrExit as _};
use crate::git::{Commit, Repository};
use crate::model::{Diagnostics, SourceFile};
use crate::system::files;

/// The changelog's files.
#[derive(Debug, Clone, Args)]
pub struct ChangelogFiles {
    /// The changelog. Fragments are the YAML files of the folder that has its name with `.d` in the place of its ending.
    #[arg(long, default_value = "perf-changelog.yaml", value_name = "FILE")]
    pub changelog_file: String,
}

/// The repository that links name.
#[derive(Debug, Clone, Args)]
pub struct Repo {
    /// The repository whose pull requests the links name
    #[arg(
        long,
        value_name = "OWNER/NAME",
        env = "GITHUB_REPOSITORY",
        default_value = "SemiAnalysisAI/InferenceX",
        hide_env_values = true
    )]
    pub repo: String,
}

impl ChangelogFiles {
    /// The log's path.
    pub fn log(&self) -> &Path {
        Path::new(&self.changelog_file)
    }

    /// The folder of the fragments.
    pub fn fragments_folder(&self) -> PathBuf {
        self.log().with_extension("d")
    }

    /// The changelog as it is in the checkout.
    ///
    /// # Errors
    /// Where a file cannot be read or is not text, as invalid input.
    pub fn in_checkout(&self) -> Result<State, Failure> {
        let log = match files::read(self.log()) {
            Ok(bytes) => text(&self.changelog_file, bytes)?,
            Err(_) if !self.log().exists() => SourceFile::new(&self.changelog_file, ""),
            Err(error) => return Err(error).or_exit(Exit::InvalidInput),
        };
        Ok(State {
            log,
            fragments: self.fragments_in_checkout()?,
        })
    }

    /// The fragments as they are in the checkout, in the order in which they are read.
    ///
    /// # Errors
    /// Where a file cannot be read or is not text, as invalid input.
    pub fn fragments_in_checkout(&self) -> Result<Vec<Fragment>, Failure> {
        let fragment = |path: PathBuf| {
            let bytes = files::read(&path).or_exit(Exit::InvalidInput)?;
            let path = path.to_string_lossy().into_owned();
            Ok(Fragment {
                source: text(&path, bytes)?,
                path,
            })
        };
        self.fragment_paths()?.into_iter().map(fragment).collect()
    }

    /// Where the fragments are in the checkout, in the order in which they are read.
    ///
    /// # Errors
    /// Where the folder cannot be read, as invalid input.
    pub fn fragment_paths(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.fragments_folder();
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let listed = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()));
        let mut found = Vec::new();
        for entry in listed.or_exit(Exit::InvalidInput)? {
            let path = entry.or_exit(Exit::Infrastructure)?.path();
            if path.is_file() && is_fragment(&path.to_string_lossy()) {
                found.push(path);
            }
        }
        found.sort_by(|one, other| reading_order(&one.to_string_lossy(), &other.to_string_lossy()));
        Ok(found)
    }

    /// The changelog as it was at a commit; `log_name` is what the log was called then, and `told` what messages call it.
    ///
    /// # Errors
    /// Where a file is not text, as invalid input, or the repository cannot be read.
    pub fn at(&self, repository: &Repository, commit: Commit, log_name: &str, told: &str) -> Result<State, Failure> {
        let log = repository.file(commit, log_name).or_exit(Exit::Infrastructure)?;
        let folder = self.fragments_folder().to_string_lossy().into_owned();
        let listed = repository.folder(commit, &folder).or_exit(Exit::Infrastructure)?;
        let mut fragments = Vec::new();
        for (name, bytes) in listed.into_iter().filter(|(name, _)| is_fragment(name)) {
            let path = format!("{folder}/{name}");
            fragments.push(Fragment {
                source: text(&path, bytes)?,
                path,
            });
        }
        fragments.sort_by(|one, other| reading_order(&one.path, &other.path));
        Ok(State {
            log: text(told, log.unwrap_or_default())?,
            fragments,
        })
    }
}

fn is_fragment(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// By number where the names begin with one (`99.yaml` before `100.yaml`), then by name.
fn reading_order(one: &str, other: &str) -> std::cmp::Ordering {
    let key = |file: &str| {
        let name = file.rsplit('/').next().unwrap_or_default();
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        name[..digits].parse::<u64>().ok()
    };
    // Named pull requests come before names.
    let rank = |file: &str| key(file).map_or((1, 0), |number| (0, number));
    rank(one).cmp(&rank(other)).then_with(|| one.cmp(other))
}

fn text(file: &str, bytes: Vec<u8>) -> Result<Arc<SourceFile>, Failure> {
    SourceFile::from_bytes(file, bytes)
        .map_err(|found| Diagnostics::from(*found))
        .or_exit(Exit::InvalidInput)
}

/// The repository around the working directory.
///
/// # Errors
/// Where there is none, as infrastructure: the checkout is wrong, not the input.
pub fn repository() -> Result<Repository, Failure> {
    Repository::around(Path::new(".")).or_exit(Exit::Infrastructure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_read_by_number_and_then_by_name() {
        let mut names = ["d/x.yaml", "d/100.yaml", "d/99.yaml", "d/99-more.yaml", "d/a.yaml"];
        names.sort_by(|one, other| reading_order(one, other));
        assert_eq!(names, ["d/99-more.yaml", "d/99.yaml", "d/100.yaml", "d/a.yaml", "d/x.yaml"]);
    }
}
