//! Reading a git repository: files as they were at a commit, merge bases, the sides of a conflict. No git binary is
//! needed. Nothing here writes to the repository, and every failure says what to do, since what is missing is most
//! often a matter of how the repository was checked out.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid, Repository as Git};

/// A repository whose checkout holds a folder.
pub struct Repository {
    git: Git,
    /// From the top of the checkout to the folder; paths are given from there.
    prefix: PathBuf,
}

/// A commit that is in the repository.
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
    /// The merge base's.
    pub base: Vec<u8>,
    /// The current branch's.
    pub ours: Vec<u8>,
    /// The other branch's.
    pub theirs: Vec<u8>,
}

/// What is wrong with a repository, or with what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository, or libgit2 refuses it.
    #[error("no git repository can be read at {}: {reason}{}", folder.display(), open_remedy(reason))]
    Open {
        /// Where it was looked for.
        folder: PathBuf,
        /// What libgit2 said.
        reason: String,
    },
    /// A ref names nothing.
    #[error("`{reference}` is no commit of this repository: {}", unknown_remedy(*shallow))]
    UnknownRef {
        /// The ref as given.
        reference: String,
        /// Whether the clone has only a part of the history.
        shallow: bool,
    },
    /// The ref of a branch that did not exist.
    #[error(
        "the ref {reference} is what GitHub sends for a branch that was just made: it has no earlier state; give the branch that it was made from, such as `--base-ref origin/main`"
    )]
    ZeroRef {
        /// The ref as given.
        reference: String,
    },
    /// Two commits share no history here.
    #[error("{one} and {other} have no common ancestor in this clone: {}", merge_base_remedy(*shallow))]
    NoMergeBase {
        /// A commit.
        one: String,
        /// The other one.
        other: String,
        /// Whether the clone has only a part of the history.
        shallow: bool,
    },
    /// A path is not in conflict.
    #[error("{path} is not in conflict in the index; run this while a merge or rebase has stopped at it")]
    NoConflict {
        /// The path.
        path: String,
    },
    /// One side of a conflict has no such file.
    #[error("{path} is in conflict, but {side} has no such file; resolve by hand")]
    NoSide {
        /// The path.
        path: String,
        /// Which side.
        side: &'static str,
    },
    /// libgit2 failed otherwise.
    #[error("git: cannot {what}: {reason}")]
    Other {
        /// What was done.
        what: String,
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
        "the clone has only the newest commits; check out with `fetch-depth: 0`"
    } else {
        "check its spelling, or fetch it (`git fetch origin <ref>`); after a force push the old commit is gone, and the merge base with the main branch is the state to compare with"
    }
}

fn merge_base_remedy(shallow: bool) -> &'static str {
    if shallow {
        "it has only the newest commits; check out with `fetch-depth: 0`"
    } else {
        "the branches are unrelated; rebase one onto the other"
    }
}

impl Repository {
    /// The repository around a folder.
    ///
    /// # Errors
    /// [`GitError::Open`].
    pub fn around(folder: &Path) -> Result<Self, GitError> {
        let open = |reason: String| GitError::Open {
            folder: folder.to_owned(),
            reason,
        };
        let git = Git::discover(folder).map_err(|error| open(error.message().to_owned()))?;
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

    /// Whether the clone has only a part of the history.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.git.is_shallow()
    }

    /// The commit that a branch, tag or hash names. A branch that is only known as the remote's is found too.
    ///
    /// # Errors
    /// [`GitError::UnknownRef`], and [`GitError::ZeroRef`] for GitHub's hash of nothing.
    pub fn commit(&self, reference: &str) -> Result<Commit, GitError> {
        if is_zero(reference) {
            return Err(GitError::ZeroRef {
                reference: reference.to_owned(),
            });
        }
        let named = [reference.to_owned(), format!("refs/remotes/origin/{reference}")];
        let mut found = named
            .iter()
            .filter_map(|name| self.git.revparse_single(name).ok()?.peel_to_commit().ok());
        found.next().map(|commit| Commit(commit.id())).ok_or_else(|| GitError::UnknownRef {
            reference: reference.to_owned(),
            shallow: self.is_shallow(),
        })
    }

    /// The last commit that two commits have in common.
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

    /// The first parent of a commit; none where the history begins with it.
    ///
    /// # Errors
    /// Where the clone begins with it and the history does not, or libgit2 cannot read the commit.
    pub fn parent(&self, commit: Commit) -> Result<Option<Commit>, GitError> {
        let found = self.git.find_commit(commit.0).map_err(other("read a commit"))?;
        // A shallow clone hides the parents of its first commits; the commit's own header names them.
        let header = String::from_utf8_lossy(found.raw_header_bytes());
        let Some(parent) = header.lines().find_map(|line| line.strip_prefix("parent ")) else {
            return Ok(None);
        };
        self.commit(parent).map(Some)
    }

    /// All parents of a commit by hash, also those that the clone has not.
    ///
    /// # Errors
    /// Where libgit2 cannot read the commit.
    pub fn parents(&self, commit: Commit) -> Result<Vec<Commit>, GitError> {
        let found = self.git.find_commit(commit.0).map_err(other("read a commit"))?;
        Ok(found.parent_ids().map(Commit).collect())
    }

    /// The commit's message.
    ///
    /// # Errors
    /// Where libgit2 cannot read the commit.
    pub fn message(&self, commit: Commit) -> Result<String, GitError> {
        let found = self.git.find_commit(commit.0).map_err(other("read a commit"))?;
        Ok(String::from_utf8_lossy(found.message_bytes()).into_owned())
    }

    /// A file's bytes at a commit; none where it is not there.
    ///
    /// # Errors
    /// Where libgit2 cannot read the commit or the file.
    pub fn file(&self, commit: Commit, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let tree = self.tree(commit)?;
        let entry = match tree.get_path(&self.in_tree(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(other("look up a path")(error)),
        };
        if entry.kind() != Some(ObjectType::Blob) {
            return Ok(None);
        }
        let blob = self.git.find_blob(entry.id()).map_err(other("read a file"))?;
        Ok(Some(blob.content().to_owned()))
    }

    /// The files directly in a folder at a commit, sorted by name; none where the folder is not there.
    ///
    /// # Errors
    /// Where libgit2 cannot read the commit or a file.
    pub fn folder(&self, commit: Commit, path: &str) -> Result<Vec<(String, Vec<u8>)>, GitError> {
        let tree = self.tree(commit)?;
        let folder = match tree.get_path(&self.in_tree(path)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Tree) => self.git.find_tree(entry.id()).map_err(other("read a folder"))?,
            Ok(_) => return Ok(Vec::new()),
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(other("look up a path")(error)),
        };
        let mut files = Vec::new();
        for entry in folder.iter().filter(|entry| entry.kind() == Some(ObjectType::Blob)) {
            let blob = self.git.find_blob(entry.id()).map_err(other("read a file"))?;
            files.push((String::from_utf8_lossy(entry.name_bytes()).into_owned(), blob.content().to_owned()));
        }
        files.sort();
        Ok(files)
    }

    /// What a file was called at an earlier commit, where it was not there under its name then: the file there that
    /// is not there any more and of whose lines most are still in this one.
    ///
    /// # Errors
    /// Where libgit2 cannot read a commit.
    pub fn earlier_name(&self, base: Commit, head: Commit, path: &str) -> Result<Option<String>, GitError> {
        let (old, new) = (self.tree(base)?, self.tree(head)?);
        let mut diff = self
            .git
            .diff_tree_to_tree(Some(&old), Some(&new), None)
            .map_err(other("compare two commits"))?;
        let mut options = git2::DiffFindOptions::new();
        options.renames(true);
        diff.find_similar(Some(&mut options)).map_err(other("look for renamed files"))?;
        let wanted = self.in_tree(path);
        let renamed = diff
            .deltas()
            .find(|delta| delta.status() == git2::Delta::Renamed && delta.new_file().path() == Some(&wanted));
        let earlier = renamed.and_then(|delta| delta.old_file().path().map(Path::to_owned));
        Ok(earlier.map(|path| path.strip_prefix(&self.prefix).unwrap_or(&path).to_string_lossy().into_owned()))
    }

    /// The three sides of a file that a merge has stopped at.
    ///
    /// # Errors
    /// Where it is not in conflict, or a side has no such file.
    pub fn conflict(&self, path: &str) -> Result<Conflict, GitError> {
        let mut index = self.git.index().map_err(other("open the index"))?;
        index.read(true).map_err(other("read the index"))?;
        let at = self.in_tree(path);
        let stage = |number| index.get_path(&at, number);
        if [1, 2, 3].into_iter().all(|number| stage(number).is_none()) {
            return Err(GitError::NoConflict { path: path.to_owned() });
        }
        let side = |number, side| -> Result<Vec<u8>, GitError> {
            let entry = stage(number).ok_or_else(|| GitError::NoSide {
                path: path.to_owned(),
                side,
            })?;
            let blob = self.git.find_blob(entry.id).map_err(other("read a side of a conflict"))?;
            Ok(blob.content().to_owned())
        };
        Ok(Conflict {
            base: side(1, "the merge base")?,
            ours: side(2, "the current branch")?,
            theirs: side(3, "the other branch")?,
        })
    }

    /// The short name of the branch that is checked out; none on a detached head.
    #[must_use]
    pub fn branch(&self) -> Option<String> {
        let head = self.git.head().ok()?;
        head.is_branch()
            .then(|| String::from_utf8_lossy(head.shorthand_bytes()).into_owned())
    }

    fn tree(&self, commit: Commit) -> Result<git2::Tree<'_>, GitError> {
        let found = self.git.find_commit(commit.0).map_err(other("read a commit"))?;
        found.tree().map_err(other("read a commit's files"))
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

/// Whether a ref is GitHub's hash of nothing, its `before` of a branch that was just made.
#[must_use]
pub fn is_zero(reference: &str) -> bool {
    reference.len() >= 40 && reference.bytes().all(|byte| byte == b'0')
}

/// Three sides merged line by line as git does it, with conflict markers where they contradict each other.
///
/// # Errors
/// Where libgit2 cannot merge, as with binary content.
pub fn merge_lines(conflict: &Conflict) -> Result<Vec<u8>, GitError> {
    // Merging does not set libgit2 up, and fails without words before something did.
    let _set_up = git2::Index::new().map_err(other("set up"))?;
    let input = |bytes| {
        let mut input = git2::MergeFileInput::new();
        input.content(bytes);
        input
    };
    let mut options = git2::MergeFileOptions::new();
    options.our_label("ours").their_label("theirs");
    let merged = git2::merge_file(
        &input(&conflict.base),
        &input(&conflict.ours),
        &input(&conflict.theirs),
        Some(&mut options),
    );
    Ok(merged.map_err(other("merge a file"))?.content().to_owned())
}

fn other(what: &str) -> impl FnOnce(git2::Error) -> GitError {
    let what = what.to_owned();
    move |error| GitError::Other {
        what,
        reason: error.message().to_owned(),
    }
}
