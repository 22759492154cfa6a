//! Makes git repositories and commits. Only the demo does: imax never writes to a measured repository. Neither a git
//! binary nor the user's git configuration is used.

use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{IndexAddOption, Oid, Repository, RepositoryInitOptions, Signature};

/// Name and e-mail address of the commits' author.
const AUTHOR: (&str, &str) = ("imax demo", "demo@imax.invalid");

/// The branch of all commits.
const MAIN: &str = "refs/heads/main";

pub struct NewRepository {
    git: Repository,
    folder: PathBuf,
}

/// A failure of libgit2 while a repository or a commit was made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} in {}: {}", folder.display(), source.message())]
pub struct CommitError {
    pub operation: &'static str,
    pub folder: PathBuf,
    /// The error of libgit2.
    pub source: git2::Error,
}

impl NewRepository {
    /// Creates an empty repository with the branch `main`, and its folder if that is missing.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn create(folder: &Path) -> Result<Self, CommitError> {
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main").mkpath(true);
        let git = Repository::init_opts(folder, &options).map_err(|source| CommitError {
            operation: "create a git repository",
            folder: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            git,
            folder: folder.to_owned(),
        })
    }

    /// Commits all files of the folder, and returns the commit's hash.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn commit_all(&self, message: &str) -> Result<String, CommitError> {
        self.try_commit(message).map(|id| id.to_string()).map_err(|source| CommitError {
            operation: "commit",
            folder: self.folder.clone(),
            source,
        })
    }

    /// Checks a commit out: changes the files of the folder and sets HEAD.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn check_out(&self, commit: &str) -> Result<(), CommitError> {
        self.try_check_out(commit).map_err(|source| CommitError {
            operation: "check out a commit",
            folder: self.folder.clone(),
            source,
        })
    }

    fn try_check_out(&self, commit: &str) -> Result<(), git2::Error> {
        let id = Oid::from_str(commit)?;
        self.git
            .checkout_tree(&self.git.find_object(id, None)?, Some(CheckoutBuilder::new().force()))?;
        let main = self.git.find_reference(MAIN)?;
        if main.target() == Some(id) {
            self.git.set_head(MAIN)
        } else {
            self.git.set_head_detached(id)
        }
    }

    fn try_commit(&self, message: &str) -> Result<Oid, git2::Error> {
        let mut index = self.git.index()?;
        index.add_all(["."], IndexAddOption::DEFAULT, None)?;
        index.write()?;
        let tree = self.git.find_tree(index.write_tree()?)?;
        let author = Signature::now(AUTHOR.0, AUTHOR.1)?;
        let parent = match self.git.head() {
            Ok(head) => Some(head.peel_to_commit()?),
            Err(_) => None,
        };
        let parents: Vec<_> = parent.iter().collect();
        self.git.commit(Some("HEAD"), &author, &author, message, &tree, &parents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_commit_has_first_as_parent_and_new_content() {
        let folder = tempfile::tempdir().unwrap();
        let repository = NewRepository::create(folder.path()).unwrap();
        std::fs::write(folder.path().join("a"), "1").unwrap();
        let first = repository.commit_all("first").unwrap();
        std::fs::write(folder.path().join("a"), "2").unwrap();
        let second = repository.commit_all("second").unwrap();

        let git = Repository::open(folder.path()).unwrap();
        let commit = git.find_commit(Oid::from_str(&second).unwrap()).unwrap();
        assert_eq!(commit.parent_id(0).unwrap().to_string(), first);
        let entry = commit.tree().unwrap().get_name("a").unwrap().id();
        assert_eq!(git.find_blob(entry).unwrap().content(), b"2");
    }
    #[test]
    fn commit_is_checked_out_without_moving_the_branch() {
        let folder = tempfile::tempdir().unwrap();
        let repository = NewRepository::create(folder.path()).unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "1").unwrap();
        let first = repository.commit_all("first").unwrap();
        std::fs::write(&file, "2").unwrap();
        let second = repository.commit_all("second").unwrap();
        for (commit, text) in [(&first, "1"), (&second, "2")] {
            repository.check_out(commit).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
            let git = Repository::open(folder.path()).unwrap();
            assert_eq!(git.head().unwrap().target().unwrap().to_string(), *commit);
        }
        assert!(
            Repository::open(folder.path()).unwrap().head().unwrap().is_branch(),
            "the newest commit is that of the branch"
        );
        assert!(repository.check_out("0123").is_err());
    }
}
