//! Reads a git repository: files at a commit, merge bases, the sides of a conflict. No git binary is needed, and nothing
//! here writes to the repository. Every error has a remedy, because most failures come from the way the repository was
//! checked out.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid, Repository as Git};

/// A repository, seen from one folder of its checkout: paths are relative to that folder.
pub struct Repository {
    git: Git,
    /// From the top of the checkout to the folder.
    prefix: PathBuf,
}

/// A commit of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit(Oid);

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The three sides of a file in conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The version of the merge base.
    pub base: Vec<u8>,
    /// The version of the current branch.
    pub ours: Vec<u8>,
    /// The version of the other branch.
    pub theirs: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository, or libgit2 refuses it.
    #[error("cannot open a git repository at {}: {reason}{}", folder.display(), open_remedy(reason))]
    Open {
        /// The folder from which the repository was searched.
        folder: PathBuf,
        /// What libgit2 said.
        reason: String,
    },
    /// A revision that the repository does not have.
    #[error("unknown revision `{revision}`: {}", unknown_remedy(*shallow))]
    UnknownRevision {
        /// The revision as given.
        revision: String,
        /// Whether the clone is shallow.
        shallow: bool,
    },
    /// The null revision of a branch that did not exist.
    #[error(
        "{revision} is the null revision, which GitHub sends for a new branch: it has no earlier state; give the branch from which it was created, such as `--base-ref origin/main`"
    )]
    NullRevision {
        /// The revision as given.
        revision: String,
    },
    /// Two commits share no history here.
    #[error("{one} and {other} have no common ancestor in this clone: {}", merge_base_remedy(*shallow))]
    NoMergeBase {
        one: String,
        /// The other one.
        other: String,
        /// Whether the clone is shallow.
        shallow: bool,
    },
    /// A path is not in conflict.
    #[error("{path} is not in conflict in the index; run this while a merge or rebase has stopped at it")]
    NoConflict { path: String },
    /// One side of a conflict does not have the file.
    #[error("{path} is in conflict, but {side} does not have the file; resolve the conflict by hand")]
    NoSide { path: String, side: &'static str },
    /// Another failure of libgit2.
    #[error("git: cannot {operation}: {reason}")]
    Libgit2 {
        operation: &'static str,
        /// What libgit2 said.
        reason: String,
    },
}

fn open_remedy(reason: &str) -> &'static str {
    if reason.contains("owner") || reason.contains("safe.directory") {
        "; run `git config --global --add safe.directory <folder>`"
    } else if reason.contains("extension") {
        "; check the repository out without partial clone (`filter:`) and with the `files` ref format"
    } else {
        "; run inside a checkout (`actions/checkout`)"
    }
}

fn unknown_remedy(shallow: bool) -> &'static str {
    if shallow {
        "the clone is shallow; check out with `fetch-depth: 0`"
    } else {
        "check its spelling, or fetch it (`git fetch origin <ref>`); after a force push the old commit no longer exists: compare with the merge base of the main branch"
    }
}

fn merge_base_remedy(shallow: bool) -> &'static str {
    if shallow {
        "it is shallow; check out with `fetch-depth: 0`"
    } else {
        "the branches are unrelated; rebase one onto the other"
    }
}

impl Repository {
    /// The repository whose checkout contains the folder.
    ///
    /// # Errors
    /// [`GitError::Open`].
    pub fn discover(folder: &Path) -> Result<Self, GitError> {
        let git = Git::discover(folder).map_err(|error| GitError::Open {
            folder: folder.to_owned(),
            reason: error.message().to_owned(),
        })?;
        let top = git.workdir().map(Path::to_owned);
        let prefix = match (top, folder.canonicalize()) {
            (Some(top), Ok(folder)) => {
                let top = top.canonicalize().unwrap_or(top);
                folder.strip_prefix(&top).map(Path::to_owned).unwrap_or_default()
            }
            (None, _) | (_, Err(_)) => PathBuf::new(),
        };
        Ok(Self { git, prefix })
    }

    /// Whether the clone has only the newest part of the history.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.git.is_shallow()
    }

    /// The commit of a branch, tag or hash. A branch that exists only at the remote `origin` is found too.
    ///
    /// # Errors
    /// [`GitError::UnknownRevision`] and [`GitError::NullRevision`].
    pub fn commit(&self, revision: &str) -> Result<Commit, GitError> {
        if is_null_revision(revision) {
            return Err(GitError::NullRevision {
                revision: revision.to_owned(),
            });
        }
        let names = [revision.to_owned(), format!("refs/remotes/origin/{revision}")];
        let mut found = names
            .iter()
            .filter_map(|name| self.git.revparse_single(name).ok()?.peel_to_commit().ok());
        found
            .next()
            .map(|commit| Commit(commit.id()))
            .ok_or_else(|| GitError::UnknownRevision {
                revision: revision.to_owned(),
                shallow: self.is_shallow(),
            })
    }

    /// The newest common ancestor of two commits.
    ///
    /// # Errors
    /// [`GitError::NoMergeBase`].
    pub fn merge_base(&self, one: Commit, other: Commit) -> Result<Commit, GitError> {
        self.git.merge_base(one.0, other.0).map(Commit).map_err(|_| GitError::NoMergeBase {
            one: one.to_string(),
            other: other.to_string(),
            shallow: self.is_shallow(),
        })
    }

    /// The first parent of a commit; `None` for the root commit of the history.
    ///
    /// # Errors
    /// If the parent is missing from a shallow clone, or libgit2 cannot read the commit.
    pub fn parent(&self, commit: Commit) -> Result<Option<Commit>, GitError> {
        let found = self.git.find_commit(commit.0).map_err(libgit2("read a commit"))?;
        // A shallow clone hides the parents of its first commits; the commit's own header names them.
        let header = String::from_utf8_lossy(found.raw_header_bytes());
        let Some(parent) = header.lines().find_map(|line| line.strip_prefix("parent ")) else {
            return Ok(None);
        };
        self.commit(parent).map(Some)
    }

    /// All parents of a commit, including those that a shallow clone does not have.
    ///
    /// # Errors
    /// If libgit2 cannot read the commit.
    pub fn parents(&self, commit: Commit) -> Result<Vec<Commit>, GitError> {
        let found = self.git.find_commit(commit.0).map_err(libgit2("read a commit"))?;
        Ok(found.parent_ids().map(Commit).collect())
    }

    /// The commit's message.
    ///
    /// # Errors
    /// If libgit2 cannot read the commit.
    pub fn message(&self, commit: Commit) -> Result<String, GitError> {
        let found = self.git.find_commit(commit.0).map_err(libgit2("read a commit"))?;
        Ok(String::from_utf8_lossy(found.message_bytes()).into_owned())
    }

    /// A file's content at a commit; `None` if the commit does not have the file.
    ///
    /// # Errors
    /// If libgit2 cannot read the commit or the file.
    pub fn file(&self, commit: Commit, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let tree = self.tree(commit)?;
        let entry = match tree.get_path(&self.in_tree(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(libgit2("look up a path")(error)),
        };
        if entry.kind() != Some(ObjectType::Blob) {
            return Ok(None);
        }
        let blob = self.git.find_blob(entry.id()).map_err(libgit2("read a file"))?;
        Ok(Some(blob.content().to_owned()))
    }

    /// The files directly in a folder at a commit, sorted by name; empty if the commit does not have the folder.
    ///
    /// # Errors
    /// If libgit2 cannot read the commit or a file.
    pub fn folder(&self, commit: Commit, path: &str) -> Result<Vec<(String, Vec<u8>)>, GitError> {
        let tree = self.tree(commit)?;
        let folder = match tree.get_path(&self.in_tree(path)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => self.git.find_tree(entry.id()).map_err(libgit2("read a folder"))?,
            Ok(_) => return Ok(Vec::new()),
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(libgit2("look up a path")(error)),
        };
        let mut files = Vec::new();
        for entry in folder.iter().filter(|entry| entry.kind() == Some(ObjectType::Blob)) {
            let blob = self.git.find_blob(entry.id()).map_err(libgit2("read a file"))?;
            files.push((String::from_utf8_lossy(entry.name_bytes()).into_owned(), blob.content().to_owned()));
        }
        files.sort();
        Ok(files)
    }

    /// The files that differ between two commits, as paths from the top of the repository; a renamed file is there with both names.
    ///
    /// # Errors
    /// If libgit2 cannot read a commit.
    pub fn changed_files(&self, base: Commit, head: Commit) -> Result<Vec<String>, GitError> {
        let (old, new) = (self.tree(base)?, self.tree(head)?);
        let diff = self
            .git
            .diff_tree_to_tree(Some(&old), Some(&new), None)
            .map_err(libgit2("compare two commits"))?;
        let sides = diff
            .deltas()
            .flat_map(|delta| [delta.old_file().path(), delta.new_file().path()].map(|path| path.map(Path::to_owned)));
        let mut files: Vec<String> = sides.flatten().map(|path| path.to_string_lossy().into_owned()).collect();
        files.dedup();
        Ok(files)
    }

    /// The name of a renamed file at an earlier commit, by libgit2's rename detection: the file that was deleted since
    /// and shares most of its lines with this one.
    ///
    /// # Errors
    /// If libgit2 cannot read a commit.
    pub fn earlier_name(&self, base: Commit, head: Commit, path: &str) -> Result<Option<String>, GitError> {
        let (old, new) = (self.tree(base)?, self.tree(head)?);
        let mut diff = self
            .git
            .diff_tree_to_tree(Some(&old), Some(&new), None)
            .map_err(libgit2("compare two commits"))?;
        let mut options = git2::DiffFindOptions::new();
        options.renames(true);
        diff.find_similar(Some(&mut options)).map_err(libgit2("look for renamed files"))?;
        let wanted = self.in_tree(path);
        let renamed = diff
            .deltas()
            .find(|delta| delta.status() == git2::Delta::Renamed && delta.new_file().path() == Some(&wanted));
        let earlier = renamed.and_then(|delta| delta.old_file().path().map(Path::to_owned));
        Ok(earlier.map(|path| path.strip_prefix(&self.prefix).unwrap_or(&path).to_string_lossy().into_owned()))
    }

    /// The three sides of a file in conflict.
    ///
    /// # Errors
    /// If the file is not in conflict, or a side does not have it.
    pub fn conflict(&self, path: &str) -> Result<Conflict, GitError> {
        let mut index = self.git.index().map_err(libgit2("open the index"))?;
        index.read(true).map_err(libgit2("read the index"))?;
        let in_tree = self.in_tree(path);
        // The index has the sides of a conflict as the stages 1, 2 and 3 of the path.
        let [base, ours, theirs] = [1, 2, 3].map(|stage| index.get_path(&in_tree, stage));
        if base.is_none() && ours.is_none() && theirs.is_none() {
            return Err(GitError::NoConflict { path: path.to_owned() });
        }
        Ok(Conflict {
            base: self.side_of_conflict(base, path, "the merge base")?,
            ours: self.side_of_conflict(ours, path, "the current branch")?,
            theirs: self.side_of_conflict(theirs, path, "the other branch")?,
        })
    }

    fn side_of_conflict(&self, entry: Option<git2::IndexEntry>, path: &str, side: &'static str) -> Result<Vec<u8>, GitError> {
        let Some(entry) = entry else {
            return Err(GitError::NoSide {
                path: path.to_owned(),
                side,
            });
        };
        let blob = self.git.find_blob(entry.id).map_err(libgit2("read a side of a conflict"))?;
        Ok(blob.content().to_owned())
    }

    /// The short name of the branch that is checked out; `None` on a detached head.
    #[must_use]
    pub fn branch(&self) -> Option<String> {
        let head = self.git.head().ok()?;
        head.is_branch()
            .then(|| String::from_utf8_lossy(head.shorthand_bytes()).into_owned())
    }

    fn tree(&self, commit: Commit) -> Result<git2::Tree<'_>, GitError> {
        let found = self.git.find_commit(commit.0).map_err(libgit2("read a commit"))?;
        found.tree().map_err(libgit2("read a commit's files"))
    }

    /// A path from the top of the checkout, without `.` in it.
    fn in_tree(&self, path: &str) -> PathBuf {
        let parts = self.prefix.join(path);
        parts
            .components()
            .filter(|part| !matches!(part, std::path::Component::CurDir))
            .collect()
    }
}

/// Whether a revision is git's null revision, which GitHub sends as `before` of a new branch.
#[must_use]
pub fn is_null_revision(revision: &str) -> bool {
    revision.len() >= 40 && revision.bytes().all(|byte| byte == b'0')
}

/// Merges three sides line by line, as git does, with conflict markers where they contradict each other.
///
/// # Errors
/// If libgit2 cannot merge, for example binary content.
pub fn merge_lines(conflict: &Conflict) -> Result<Vec<u8>, GitError> {
    // `git2::merge_file` does not initialise libgit2, and fails without a message unless another call did.
    let _initialised = git2::Index::new().map_err(libgit2("initialise libgit2"))?;
    let mut options = git2::MergeFileOptions::new();
    options.our_label("ours").their_label("theirs");
    let merged = git2::merge_file(
        &merge_input(&conflict.base),
        &merge_input(&conflict.ours),
        &merge_input(&conflict.theirs),
        Some(&mut options),
    );
    Ok(merged.map_err(libgit2("merge a file"))?.content().to_owned())
}

fn merge_input(content: &[u8]) -> git2::MergeFileInput<'_> {
    let mut input = git2::MergeFileInput::new();
    input.content(content);
    input
}

fn libgit2(operation: &'static str) -> impl FnOnce(git2::Error) -> GitError {
    move |error| GitError::Libgit2 {
        operation,
        reason: error.message().to_owned(),
    }
}
