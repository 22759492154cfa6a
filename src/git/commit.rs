//! Making git repositories and commits, which only the demo does: measured repositories are never written to. No git
//! binary and no git configuration of the user is needed or touched.

use std::path::{Path, PathBuf};

use git2::{IndexAddOption, Oid, Repository, RepositoryInitOptions, Signature};

/// Who the commits are by.
const AUTHOR: (&str, &str) = ("imax demo", "demo@imax.invalid");

/// A repository that commits are made in.
pub struct NewRepository {
    git: Repository,
    folder: PathBuf,
}

/// libgit2 failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} in {}: {}", folder.display(), source.message())]
pub struct CommitError {
    /// What was done.
    pub what: &'static str,
    /// The repository's folder.
    pub folder: PathBuf,
    /// What libgit2 said.
    pub source: git2::Error,
}

impl NewRepository {
    /// Makes an empty repository with the branch `main`; the folder is made where it is missing.
    ///
    /// # Errors
    /// Where libgit2 cannot.
    pub fn create(folder: &Path) -> Result<Self, CommitError> {
        let mut options = RepositoryInitOptions::new();
        options.initial_head("main").mkpath(true);
        let git = Repository::init_opts(folder, &options).map_err(|source| CommitError {
            what: "make a git repository",
            folder: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            git,
            folder: folder.to_owned(),
        })
    }

    /// Commits everything in the folder, and gives the commit's hash.
    ///
    /// # Errors
    /// Where libgit2 cannot.
    pub fn commit_all(&self, message: &str) -> Result<String, CommitError> {
        self.try_commit(message).map(|id| id.to_string()).map_err(|source| CommitError {
            what: "commit",
            folder: self.folder.clone(),
            source,
        })
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
    fn commits_follow_each_other_with_the_files_of_the_folder() {
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
}
