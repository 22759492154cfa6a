//! The Git data API on a real repository: what is stored are Git's own objects, and a branch that is not forced moves forward only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git2::{ObjectType, Oid, Repository, Signature, Sort, TreeWalkMode, TreeWalkResult};
use serde_json::{Value, json};

use super::{State, documents, error, not_found};
use crate::harness::{HttpRequest, HttpResponse};

/// The repository behind the API.
#[derive(Debug)]
pub struct GitRepository {
    folder: tempfile::TempDir,
    /// Reads of a branch that still see it as it was when the server started, so that several jobs believe to be first.
    pub stale_reads: usize,
    /// Commits of others that come in just before the next moves of a branch, each a file.
    pub races: Vec<Race>,
    /// Refused moves.
    pub refusals: usize,
    /// Whether a rule of the repository forbids every move.
    pub forbidden: bool,
}

/// What somebody else does before a branch is moved.
#[derive(Debug, Clone, Copy)]
pub enum Race {
    /// Another commit on top.
    Push,
    /// Another branch in its place.
    ForcePush,
}

impl Default for GitRepository {
    fn default() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Repository::init_bare(folder.path()).unwrap();
        Self {
            folder,
            stale_reads: 0,
            races: Vec::new(),
            refusals: 0,
            forbidden: false,
        }
    }
}

/// A file of a commit.
pub struct File<'a> {
    pub path: &'a str,
    pub mode: i32,
    pub bytes: &'a [u8],
}

impl GitRepository {
    pub fn open(&self) -> Repository {
        Repository::open(self.folder.path()).unwrap()
    }

    /// Commits files onto a branch, or in its place. A file of no bytes is removed.
    pub fn push(&self, branch: &str, files: &[File<'_>], is_forced: bool) -> Oid {
        let repository = self.open();
        let name = format!("refs/heads/{branch}");
        let parent = repository.find_reference(&name).ok().map(|found| found.peel_to_commit().unwrap());
        let parent = parent.filter(|_| !is_forced);
        let mut update = git2::build::TreeUpdateBuilder::new();
        for file in files {
            if file.bytes.is_empty() {
                update.remove(file.path);
                continue;
            }
            let blob = repository.blob(file.bytes).unwrap();
            let mode = match file.mode {
                0o120_000 => git2::FileMode::Link,
                0o100_755 => git2::FileMode::BlobExecutable,
                _ => git2::FileMode::Blob,
            };
            update.upsert(file.path, blob, mode);
        }
        let base = match &parent {
            Some(parent) => parent.tree().unwrap(),
            None => empty_tree(&repository),
        };
        let tree = repository.find_tree(update.create_updated(&repository, &base).unwrap()).unwrap();
        let author = Signature::now("somebody", "somebody@example.org").unwrap();
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let commit = repository.commit(None, &author, &author, "by hand", &tree, &parents).unwrap();
        repository.reference(&name, commit, true, "push").unwrap();
        commit
    }

    /// The files of a branch with their sizes.
    pub fn files(&self, branch: &str) -> Vec<String> {
        let repository = self.open();
        let Ok(reference) = repository.find_reference(&format!("refs/heads/{branch}")) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let tree = reference.peel_to_tree().unwrap();
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() != Some(ObjectType::Tree) {
                found.push(format!("{folder}{}", entry.name().unwrap()));
            }
            TreeWalkResult::Ok
        })
        .unwrap();
        found
    }

    /// The bytes of a file of a branch.
    pub fn bytes(&self, branch: &str, path: &str) -> Vec<u8> {
        let repository = self.open();
        let tree = repository
            .find_reference(&format!("refs/heads/{branch}"))
            .unwrap()
            .peel_to_tree()
            .unwrap();
        let entry = tree.get_path(std::path::Path::new(path)).unwrap();
        repository.find_blob(entry.id()).unwrap().content().to_vec()
    }

    /// The number of commits of a branch, and whether each has one parent but the first, which has none.
    pub fn commits(&self, branch: &str) -> usize {
        let repository = self.open();
        let mut walk = repository.revwalk().unwrap();
        walk.push_ref(&format!("refs/heads/{branch}")).unwrap();
        let commits: Vec<Oid> = walk.map(Result::unwrap).collect();
        let roots = commits
            .iter()
            .filter(|commit| repository.find_commit(**commit).unwrap().parent_count() == 0);
        assert_eq!(roots.count(), 1);
        commits.len()
    }
}

fn empty_tree(repository: &Repository) -> git2::Tree<'_> {
    let id = repository.treebuilder(None).unwrap().write().unwrap();
    repository.find_tree(id).unwrap()
}

pub fn respond(state: &mut State, method: &str, parts: &[&str], request: &HttpRequest) -> HttpResponse {
    let repository = state.git.open();
    match (method, parts) {
        ("GET", ["matching-refs", start]) => matching_refs(&mut state.git, &repository, &decoded(start)),
        ("GET", ["commits", sha]) => match object(sha).and_then(|id| repository.find_commit(id).ok()) {
            Some(commit) => HttpResponse::json(commit_document(&commit)),
            None => not_found(),
        },
        ("GET", ["trees", sha]) => match object(sha).and_then(|id| repository.find_tree(id).ok()) {
            Some(tree) => HttpResponse::json(tree_document(&repository, &tree)),
            None => not_found(),
        },
        ("GET", ["blobs", sha]) => match object(sha).and_then(|id| repository.find_blob(id).ok()) {
            Some(blob) => HttpResponse::json(blob_document(&blob)),
            None => not_found(),
        },
        ("POST", ["blobs"]) => create_blob(&repository, &request.json()),
        ("POST", ["trees"]) => create_tree(&repository, &request.json()),
        ("POST", ["commits"]) => create_commit(&repository, &request.json()),
        ("POST", ["refs"]) => {
            let body: Value = request.json();
            let name = body["ref"].as_str().unwrap().to_owned();
            move_ref(state, &name, &body, true)
        }
        ("PATCH", ["refs", name]) => {
            let name = format!("refs/{}", decoded(name));
            move_ref(state, &name, &request.json(), false)
        }
        _ => not_found(),
    }
}

/// All references whose names begin so.
fn matching_refs(git: &mut GitRepository, repository: &Repository, start: &str) -> HttpResponse {
    if git.stale_reads > 0 {
        git.stale_reads -= 1;
        let initial = repository.find_reference("refs/initial").ok();
        let shown = initial.map(|initial| reference(start, initial.target().unwrap()));
        return HttpResponse::json(Value::Array(shown.into_iter().collect()));
    }
    let found = repository.references_glob(&format!("refs/{start}*")).unwrap().map(Result::unwrap);
    let shown = found.map(|found| reference(found.name().unwrap().strip_prefix("refs/").unwrap(), found.target().unwrap()));
    HttpResponse::json(Value::Array(shown.collect()))
}

/// The commits of a branch until a time, newest first.
pub fn list_commits(state: &State, request: &HttpRequest) -> HttpResponse {
    let repository = state.git.open();
    let branch = request.query("sha").unwrap();
    let until = request
        .query("until")
        .map(|until| until.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp());
    let mut walk = repository.revwalk().unwrap();
    walk.set_sorting(Sort::TOPOLOGICAL).unwrap();
    if walk.push_ref(&format!("refs/heads/{branch}")).is_err() {
        return not_found();
    }
    let commits = walk.map(|id| repository.find_commit(id.unwrap()).unwrap());
    let commits = commits.filter(|commit| until.is_none_or(|until| commit.time().seconds() <= until));
    let shown: Vec<Value> = super::page(request, commits)
        .iter()
        .map(|commit| documents::of("commit", json!({ "sha": commit.id().to_string() })))
        .collect();
    HttpResponse::json(Value::Array(shown))
}

fn decoded(name: &str) -> String {
    name.replace("%2F", "/")
}

fn object(sha: &str) -> Option<Oid> {
    (sha.len() == 40).then(|| Oid::from_str(sha).ok()).flatten()
}

fn reference(name: &str, target: Oid) -> Value {
    let url = format!("https://api.github.example/repos/octo-org/octo-repo/git/commits/{target}");
    documents::of(
        "git-ref",
        json!({ "ref": format!("refs/{name}"), "object": { "type": "commit", "sha": target.to_string(), "url": url } }),
    )
}

fn commit_document(commit: &git2::Commit<'_>) -> Value {
    let link = |kind: &str, id: Oid| format!("https://api.github.example/repos/octo-org/octo-repo/git/{kind}/{id}");
    let parents: Vec<Value> = commit
        .parent_ids()
        .map(|id| json!({ "sha": id.to_string(), "url": link("commits", id), "html_url": link("commits", id) }))
        .collect();
    documents::of(
        "git-commit",
        json!({
            "sha": commit.id().to_string(), "message": commit.message().unwrap(), "parents": parents,
            "tree": { "sha": commit.tree_id().to_string(), "url": link("trees", commit.tree_id()) },
        }),
    )
}

fn tree_document(repository: &Repository, tree: &git2::Tree<'_>) -> Value {
    let mut entries = Vec::new();
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let (kind, size) = match entry.kind() {
            Some(ObjectType::Tree) => ("tree", None),
            Some(ObjectType::Commit) => ("commit", None),
            _ => ("blob", Some(repository.find_blob(entry.id()).unwrap().size())),
        };
        let mut document = json!({
            "path": format!("{folder}{}", entry.name().unwrap()), "mode": format!("{:06o}", entry.filemode()), "type": kind,
            "sha": entry.id().to_string(), "url": format!("https://api.github.example/objects/{}", entry.id()),
        });
        if let Some(size) = size {
            document["size"] = size.into();
        }
        entries.push(document);
        TreeWalkResult::Ok
    })
    .unwrap();
    json!({ "sha": tree.id().to_string(), "url": "https://api.github.example/tree", "tree": entries, "truncated": false })
}

fn blob_document(blob: &git2::Blob<'_>) -> Value {
    // GitHub breaks its lines after 60 characters.
    let content = STANDARD.encode(blob.content());
    let lines: Vec<&str> = content
        .as_bytes()
        .chunks(60)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let content = lines.iter().fold(String::new(), |text, line| text + line + "\n");
    documents::of(
        "git-blob",
        json!({ "sha": blob.id().to_string(), "size": blob.size(), "encoding": "base64", "content": content }),
    )
}

fn created(id: Oid, mut document: Value) -> HttpResponse {
    document["sha"] = id.to_string().into();
    HttpResponse::json(document).status(201)
}

fn create_blob(repository: &Repository, body: &Value) -> HttpResponse {
    let content = body["content"].as_str().unwrap();
    let bytes = match body["encoding"].as_str() {
        Some("base64") => STANDARD.decode(content).unwrap(),
        _ => content.as_bytes().to_vec(),
    };
    created(
        repository.blob(&bytes).unwrap(),
        json!({ "url": "https://api.github.example/blob" }),
    )
}

fn create_tree(repository: &Repository, body: &Value) -> HttpResponse {
    let base = match body["base_tree"].as_str() {
        Some(sha) => match object(sha).and_then(|id| repository.find_tree(id).ok()) {
            Some(tree) => tree,
            None => return not_found(),
        },
        None => empty_tree(repository),
    };
    let mut update = git2::build::TreeUpdateBuilder::new();
    for entry in body["tree"].as_array().unwrap() {
        let path = entry["path"].as_str().unwrap();
        match entry["sha"].as_str() {
            None if base.get_path(std::path::Path::new(path)).is_err() => return error(422, "GitRPC::BadObjectState"),
            None => {
                update.remove(path);
            }
            Some(sha) => {
                let Some(blob) = object(sha).filter(|id| repository.find_blob(*id).is_ok()) else {
                    return error(422, "tree.sha is not a valid blob");
                };
                update.upsert(path, blob, git2::FileMode::Blob);
            }
        }
    }
    let id = update.create_updated(repository, &base).unwrap();
    let tree = repository.find_tree(id).unwrap();
    created(id, tree_document(repository, &tree))
}

fn create_commit(repository: &Repository, body: &Value) -> HttpResponse {
    let Some(tree) = body["tree"].as_str().and_then(object).and_then(|id| repository.find_tree(id).ok()) else {
        return error(422, "Tree SHA does not exist");
    };
    let parents: Option<Vec<git2::Commit<'_>>> = body["parents"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|sha| repository.find_commit(object(sha.as_str()?)?).ok())
        .collect();
    let Some(parents) = parents else {
        return error(422, "Parent SHA does not exist or is not a commit object");
    };
    let author = Signature::now("github-actions[bot]", "bot@example.org").unwrap();
    let message = body["message"].as_str().unwrap();
    let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
    let id = repository.commit(None, &author, &author, message, &tree, &parents).unwrap();
    created(id, commit_document(&repository.find_commit(id).unwrap()))
}

fn move_ref(state: &mut State, name: &str, body: &Value, is_new: bool) -> HttpResponse {
    let branch = name.strip_prefix("refs/heads/").unwrap().to_owned();
    if state.git.forbidden {
        return error(422, "Repository rule violations found");
    }
    if let Some(race) = state.git.races.pop() {
        let path = format!("notes/{}.txt", state.git.races.len());
        let marker = File {
            path: "imax-history.json",
            mode: 0o100_644,
            bytes: b"{\"schema\":\"imax-history-branch/1\"}\n",
        };
        let note = File {
            path: &path,
            mode: 0o100_644,
            bytes: b"somebody was faster\n",
        };
        state.git.push(&branch, &[marker, note], matches!(race, Race::ForcePush));
    }
    let repository = state.git.open();
    let Some(target) = body["sha"]
        .as_str()
        .and_then(object)
        .filter(|id| repository.find_commit(*id).is_ok())
    else {
        return error(422, "Object does not exist");
    };
    let current = repository.find_reference(name).ok().and_then(|found| found.target());
    let is_forced = body["force"] == json!(true);
    let refusal = match (is_new, current) {
        (true, Some(_)) => Some("Reference already exists"),
        (false, None) => Some("Reference does not exist"),
        (false, Some(current)) if !is_forced && current != target && !repository.graph_descendant_of(target, current).unwrap() => {
            Some("Update is not a fast forward")
        }
        (_, _) => None,
    };
    if let Some(refusal) = refusal {
        state.git.refusals += 1;
        return error(422, refusal);
    }
    repository.reference(name, target, true, "api").unwrap();
    HttpResponse::json(reference(name.strip_prefix("refs/").unwrap(), target)).status(if is_new { 201 } else { 200 })
}
