//! Git repositories in temporary folders.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{Oid, Signature};

/// Writes a file and the folders above it.
pub fn write_file(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A repository whose first branch is `main`.
pub struct Repository {
    pub git: git2::Repository,
    folder: tempfile::TempDir,
}

impl Repository {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        options.initial_head("main");
        Self {
            git: git2::Repository::init_opts(folder.path(), &options).unwrap(),
            folder,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        write_file(self.folder.path(), name, text);
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Commits everything that is in the folder, and returns the commit's id.
    pub fn commit(&self, message: &str) -> String {
        let mut index = self.git.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = self.git.find_tree(index.write_tree().unwrap()).unwrap();
        let parent = self.git.head().ok().map(|head| head.peel_to_commit().unwrap());
        let parents: Vec<_> = parent.iter().collect();
        let author = Signature::now("someone", "someone@example.com").unwrap();
        let id = self.git.commit(Some("HEAD"), &author, &author, message, &tree, &parents).unwrap();
        id.to_string()
    }

    /// Makes a branch at a commit and checks it out.
    pub fn branch(&self, name: &str, at: &str) {
        let commit = self.git.find_commit(Oid::from_str(at).unwrap()).unwrap();
        self.git.branch(name, &commit, true).unwrap();
        self.checkout(name);
    }

    pub fn checkout(&self, name: &str) {
        self.git.set_head(&format!("refs/heads/{name}")).unwrap();
        let mut options = git2::build::CheckoutBuilder::new();
        self.git.checkout_head(Some(options.force())).unwrap();
    }
}
