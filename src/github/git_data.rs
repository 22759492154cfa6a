//! GitHub's Git data API: commits, trees and blobs of a branch without a clone (<https://docs.github.com/en/rest/git>). Objects are
//! found by their hash and never change; the only thing that moves is the branch, and it moves forward or not at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::client::{Client, Method, RepositoryName, Request};
use super::error::GithubError;

/// What writing to a branch needs.
const WRITE: &str = "contents: write";
const READ: &str = "contents: read";

/// The largest file that is read or written, bytes. As base64 with line breaks it fits into the largest response that the client reads.
pub(crate) const MAX_FILE: u64 = 20_000_000;
/// The largest tree, entries: GitHub cuts it there.
const MAX_ENTRIES: usize = 100_000;

/// The name of a branch, of the characters that need no escape in a URL and have no meaning in a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BranchName(String);

impl BranchName {
    /// `None` for what Git does not allow (<https://git-scm.com/docs/git-check-ref-format>), or what would have to be escaped.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_part = |part: &str| {
            let is_plain = part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            let has_extension = part.ends_with('.') || part.to_ascii_lowercase().ends_with(".lock");
            is_plain && !part.is_empty() && !part.starts_with(['.', '-']) && !part.contains("..") && !has_extension
        };
        (text.len() <= 200 && text.split('/').all(is_part)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The reference as one segment of a path, as GitHub's own clients write it.
    fn segment(&self) -> String {
        format!("heads%2F{}", self.0.replace('/', "%2F"))
    }
}

/// The commit that a branch is at, with its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    pub commit: String,
    pub tree: String,
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TreeEntry {
    /// From the root, with slashes.
    #[serde(default)]
    pub path: String,
    /// `100644` for a file, `120000` for a symbolic link, `160000` for a submodule, `040000` for a folder.
    #[serde(default)]
    pub mode: String,
    #[serde(default)]
    pub sha: String,
    /// Bytes, of a blob.
    #[serde(default)]
    pub size: Option<u64>,
}

/// A change of a file in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TreeChange {
    /// The blob that the path has from now on.
    Put {
        path: String,
        sha: String,
    },
    Remove {
        path: String,
    },
}

/// What became of an attempt to move a branch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RefUpdate {
    Moved,
    /// GitHub refused with 422: another writer was faster, or a rule forbids it; the reason is GitHub's.
    Refused(String),
}

#[derive(Deserialize)]
struct Object {
    sha: String,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default, rename = "ref")]
    name: String,
    object: Object,
}

#[derive(Deserialize)]
struct TreeLink {
    sha: String,
}

#[derive(Deserialize)]
struct Commit {
    tree: TreeLink,
}

#[derive(Deserialize)]
struct Tree {
    tree: Vec<TreeEntry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct Blob {
    content: String,
    encoding: String,
}

#[derive(Deserialize)]
struct ListedCommit {
    sha: String,
}

/// A hash out of a response becomes part of a path, so it must be one.
fn checked_sha(request: &str, sha: String) -> Result<String, GithubError> {
    if matches!(sha.len(), 40 | 64) && sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(sha);
    }
    Err(GithubError::Response {
        request: request.to_owned(),
        reason: format!("{:?} is not the hash of an object", sha.chars().take(80).collect::<String>()),
    })
}

/// The name that Git gives to a blob of these bytes: the SHA-1 of a header and the bytes.
pub(crate) fn blob_sha(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex::encode(hash.finalize())
}

/// Where a branch is; `None` where the repository has no such branch. The list of references that begin with a name is asked for, because
/// it is empty for a branch that is missing, and 404 for a repository that the token cannot see.
///
/// # Errors
/// [`GithubError`].
pub(crate) async fn tip(client: &Client, repository: &RepositoryName, branch: &BranchName) -> Result<Option<Tip>, GithubError> {
    let path = format!("/repos/{repository}/git/matching-refs/{}", branch.segment());
    let references: Vec<Reference> = client.read::<_, ()>(Request::get(&path, READ)).await?;
    let name = format!("refs/heads/{}", branch.as_str());
    let Some(reference) = references.into_iter().find(|reference| reference.name == name) else {
        return Ok(None);
    };
    if reference.object.kind != "commit" {
        return Err(GithubError::Response {
            request: format!("GET {path}"),
            reason: format!("the branch is at a {:?}, expected a commit", reference.object.kind),
        });
    }
    let commit = checked_sha(&path, reference.object.sha)?;
    Ok(Some(commit_tip(client, repository, commit).await?))
}

/// The newest commit of a branch that is not younger than a time; `None` where the branch is younger.
///
/// # Errors
/// [`GithubError`].
pub(crate) async fn tip_at(
    client: &Client,
    repository: &RepositoryName,
    branch: &BranchName,
    time: DateTime<Utc>,
) -> Result<Option<Tip>, GithubError> {
    let until = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let path = format!(
        "/repos/{repository}/commits?sha={}&until={until}&per_page=1",
        branch.as_str().replace('/', "%2F")
    );
    let commits: Vec<ListedCommit> = client.read::<_, ()>(Request::get(&path, READ)).await?;
    let Some(newest) = commits.into_iter().next() else {
        return Ok(None);
    };
    let commit = checked_sha(&path, newest.sha)?;
    Ok(Some(commit_tip(client, repository, commit).await?))
}

async fn commit_tip(client: &Client, repository: &RepositoryName, commit: String) -> Result<Tip, GithubError> {
    let path = format!("/repos/{repository}/git/commits/{commit}");
    let found: Commit = client.read::<_, ()>(Request::get(&path, READ)).await?;
    Ok(Tip {
        commit,
        tree: checked_sha(&path, found.tree.sha)?,
    })
}

/// All entries of a tree and of the trees in it.
///
/// # Errors
/// [`GithubError`], also for a tree that GitHub does not show whole.
pub(crate) async fn tree(client: &Client, repository: &RepositoryName, tip: &Tip) -> Result<Vec<TreeEntry>, GithubError> {
    let path = format!("/repos/{repository}/git/trees/{}?recursive=1", tip.tree);
    let found: Tree = client.read::<_, ()>(Request::get(&path, READ)).await?;
    if found.truncated || found.tree.len() > MAX_ENTRIES {
        return Err(GithubError::Response {
            request: format!("GET {path}"),
            reason: format!("the tree of commit {} has more entries than GitHub lists", tip.commit),
        });
    }
    Ok(found.tree)
}

/// The bytes of a blob.
///
/// # Errors
/// [`GithubError`], also for bytes that do not have the hash.
pub(crate) async fn blob(client: &Client, repository: &RepositoryName, sha: &str) -> Result<Vec<u8>, GithubError> {
    let sha = checked_sha("GET tree", sha.to_owned())?;
    let path = format!("/repos/{repository}/git/blobs/{sha}");
    let found: Blob = client.read::<_, ()>(Request::get(&path, READ)).await?;
    let refused = |reason: String| GithubError::Response {
        request: format!("GET {path}"),
        reason,
    };
    let bytes = match found.encoding.as_str() {
        "utf-8" => found.content.into_bytes(),
        "base64" => {
            let content: String = found.content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            STANDARD.decode(content).map_err(|error| refused(error.to_string()))?
        }
        other => return Err(refused(format!("encoding {other:?}, expected base64 or utf-8"))),
    };
    // A repository of SHA-256 hashes has longer names, which are not checked here.
    if sha.len() == 40 && blob_sha(&bytes) != sha {
        return Err(refused("the content does not have the hash of the blob".to_owned()));
    }
    Ok(bytes)
}

async fn created(client: &Client, path: &str, body: &Value) -> Result<String, GithubError> {
    let created: TreeLink = client.read(Request::write(Method::Post, path, body, WRITE)).await?;
    checked_sha(path, created.sha)
}

/// Stores bytes and gives their hash.
///
/// # Errors
/// [`GithubError`].
pub(crate) async fn create_blob(client: &Client, repository: &RepositoryName, bytes: &[u8]) -> Result<String, GithubError> {
    let body = json!({ "content": STANDARD.encode(bytes), "encoding": "base64" });
    created(client, &format!("/repos/{repository}/git/blobs"), &body).await
}

/// Stores a tree that differs from another one, or from the empty one, by some files. What is not named stays as it is.
///
/// # Errors
/// [`GithubError`].
pub(crate) async fn create_tree(
    client: &Client,
    repository: &RepositoryName,
    base: Option<&Tip>,
    changes: &[TreeChange],
) -> Result<String, GithubError> {
    let entries: Vec<Value> = changes
        .iter()
        .map(|change| match change {
            TreeChange::Put { path, sha } => json!({ "path": path, "mode": "100644", "type": "blob", "sha": sha }),
            TreeChange::Remove { path } => json!({ "path": path, "mode": "100644", "type": "blob", "sha": null }),
        })
        .collect();
    let mut body = json!({ "tree": entries });
    if let Some(base) = base {
        body["base_tree"] = base.tree.clone().into();
    }
    created(client, &format!("/repos/{repository}/git/trees"), &body).await
}

/// Stores a commit with one parent, or with none.
///
/// # Errors
/// [`GithubError`].
pub(crate) async fn create_commit(
    client: &Client,
    repository: &RepositoryName,
    parent: Option<&Tip>,
    tree: &str,
    message: &str,
) -> Result<String, GithubError> {
    let parents: Vec<&str> = parent.iter().map(|parent| parent.commit.as_str()).collect();
    let body = json!({ "message": message, "tree": tree, "parents": parents });
    created(client, &format!("/repos/{repository}/git/commits"), &body).await
}

/// Moves a branch forward to a commit, or creates it. It is never forced: commits of others stay.
///
/// # Errors
/// [`GithubError`]; a refusal with 422 is a [`RefUpdate`].
pub(crate) async fn move_branch(
    client: &Client,
    repository: &RepositoryName,
    branch: &BranchName,
    from: Option<&Tip>,
    commit: &str,
) -> Result<RefUpdate, GithubError> {
    let (method, path, body) = match from {
        Some(_) => (
            Method::Patch,
            format!("/repos/{repository}/git/refs/{}", branch.segment()),
            json!({ "sha": commit, "force": false }),
        ),
        None => (
            Method::Post,
            format!("/repos/{repository}/git/refs"),
            json!({ "ref": format!("refs/heads/{}", branch.as_str()), "sha": commit }),
        ),
    };
    match client.send(Request::write(method, &path, &body, WRITE)).await {
        Ok(_) => Ok(RefUpdate::Moved),
        Err(GithubError::Refused { status: 422, message, .. }) => Ok(RefUpdate::Refused(message)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_names_are_those_that_need_no_escape() {
        for name in ["imax-history", "team/imax.history", "v1_2"] {
            assert!(BranchName::parse(name).is_some(), "{name}");
        }
        for name in [
            "", "/a", "a/", "a//b", "a..b", ".a", "a/.b", "-a", "a.lock", "a.LOCK", "a.", "a b", "a?b", "a%2fb", "ä", "a~1", "@{1}",
        ] {
            assert!(BranchName::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn blob_has_the_name_that_git_gives_it() {
        // `git hash-object --stdin` of nothing, and of "hello\n".
        assert_eq!(blob_sha(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(blob_sha(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn hash_of_a_response_never_becomes_another_path() {
        for sha in ["../../../user", "", "0123", &"g".repeat(40)] {
            assert!(checked_sha("GET x", sha.to_owned()).is_err(), "{sha}");
        }
    }
}
