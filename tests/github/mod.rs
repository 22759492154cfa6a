//! A fake GitHub for the real client: an HTTP server with comments, labels, check runs, workflow runs and artifacts in memory. Its
//! documents are the examples of GitHub's published API description with values of the test. A second server stores the artifacts, as
//! GitHub's blob store does. Faults are queued and sent in their order instead of the right responses.

mod actions;
mod checks;
mod comments;
mod documents;
#[allow(dead_code, reason = "the tests of histories use all of it")]
mod git_data;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::json;

use crate::harness::{HttpRequest, HttpResponse, HttpServer};
pub use actions::{Artifact, Job, WorkflowRun};
pub use checks::CheckRun;
pub use comments::{Author, Comment};
#[allow(unused_imports, reason = "the tests of histories use all of it")]
pub use git_data::{File, GitRepository, Race};

pub const REPOSITORY: &str = "octo-org/octo-repo";
pub const TOKEN: &str = "ghs_a_token_for_tests";

/// A response that is sent instead of the right one.
pub struct Fault {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub message: &'static str,
}

/// An open pull request.
pub struct PullRequest {
    pub number: u64,
    /// Its branch, `owner:branch`.
    pub head: &'static str,
    pub sha: &'static str,
}

#[derive(Default)]
pub struct State {
    pub comments: Vec<Comment>,
    pub labels: Vec<String>,
    pub check_runs: Vec<CheckRun>,
    pub workflow_runs: Vec<WorkflowRun>,
    pub artifacts: Vec<Artifact>,
    pub jobs: Vec<Job>,
    pub pull_requests: Vec<PullRequest>,
    /// Commits that are on every branch.
    pub on_branch: Vec<String>,
    /// The repository.
    pub git: GitRepository,
    /// Responses to the next requests.
    pub faults: VecDeque<Fault>,
    /// Bodies of `repository_dispatch`.
    pub dispatches: Vec<serde_json::Value>,
    /// Whether the token lacks write permissions.
    pub read_only: bool,
    /// Lists of comments are empty until this many were created, so that several jobs believe to be the first.
    pub blind_until_created: usize,
    created: usize,
    /// Method and path of every request.
    pub requests: Vec<String>,
    /// Requests to the blob store that carried a token.
    pub tokens_leaked: usize,
    /// How many of the next downloads fail with 503.
    pub failing_downloads: usize,
    blob_store: String,
    next_id: u64,
}

impl State {
    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// The running server.
pub struct Github {
    server: HttpServer,
    state: Arc<Mutex<State>>,
}

impl Github {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (for_api, for_blobs) = (Arc::clone(&state), Arc::clone(&state));
        let server = HttpServer::start(move |_, request| Some(respond(&mut for_api.lock().unwrap(), request)));
        let blobs = HttpServer::start(move |_, request| Some(actions::send_blob(&mut for_blobs.lock().unwrap(), request)));
        state.lock().unwrap().blob_store = blobs.url;
        Self { server, state }
    }

    /// The URL of the API, with a path as on a GitHub Enterprise Server.
    pub fn api_url(&self) -> String {
        format!("{}/api/v3", self.server.url)
    }

    /// The URL without the path, as on github.com.
    pub fn bare_url(&self) -> String {
        self.server.url.clone()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Takes an event as GitHub does: with a type of at most 100 characters and a payload of at most ten members.
fn dispatch(state: &mut State, body: serde_json::Value) -> HttpResponse {
    let is_type = body["event_type"]
        .as_str()
        .is_some_and(|name| !name.is_empty() && name.len() <= 100);
    let is_payload = body["client_payload"].as_object().is_some_and(|payload| payload.len() <= 10);
    if !is_type || !is_payload {
        return error(422, "Validation Failed");
    }
    state.dispatches.push(body);
    HttpResponse::new(204)
}

fn respond(state: &mut State, request: &HttpRequest) -> HttpResponse {
    let (method, path) = (request.method(), request.path());
    state.requests.push(format!("{method} {path}"));
    if let Some(fault) = state.faults.pop_front() {
        let response = HttpResponse::json(json!({ "message": fault.message })).status(fault.status);
        return fault
            .headers
            .iter()
            .fold(response, |response, (name, value)| response.header(name, *value));
    }
    let bearer = request.header("authorization");
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return error(401, "Bad credentials");
    }
    if request.header("user-agent").is_none() {
        return error(403, "Request forbidden by administrative rules");
    }
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    if path == "/user" {
        return error(403, "Resource not accessible by integration");
    }
    let Some(path) = path.strip_prefix(&format!("/repos/{REPOSITORY}/")) else {
        return not_found();
    };
    let parts: Vec<&str> = path.split('/').collect();
    if method != "GET" && state.read_only {
        return error(403, "Resource not accessible by integration");
    }
    match parts.split_first() {
        Some((&"dispatches", [])) if method == "POST" => dispatch(state, request.json()),
        Some((&"compare", [commits])) => {
            let is_on_branch = state.on_branch.iter().any(|commit| commits.ends_with(&format!("...{commit}")));
            let status = if is_on_branch { "behind" } else { "diverged" };
            HttpResponse::json(json!({ "status": status, "ahead_by": 0, "behind_by": 1 }))
        }
        Some((&"pulls", [])) => {
            let head = request.query("head");
            let found = state
                .pull_requests
                .iter()
                .filter(|pull| head.as_deref().is_none_or(|head| head == pull.head));
            let listed = found.map(|pull| json!({ "number": pull.number, "head": { "label": pull.head, "sha": pull.sha } }));
            HttpResponse::json(json!(page(request, listed)))
        }
        Some((&"issues", rest)) => comments::respond(state, method, rest, request),
        Some((&"actions", rest)) => actions::respond(state, method, rest, request),
        Some((&"git", rest)) => git_data::respond(state, method, rest, request),
        Some((&"commits", [])) => git_data::list_commits(state, request),
        Some((&"check-runs" | &"commits", _)) => checks::respond(state, method, &parts, request),
        Some((&"collaborators", [login, "permission"])) => {
            let permission = if *login == "octocat" { "write" } else { "read" };
            let document = documents::of("permission", json!({ "permission": permission }));
            HttpResponse::json(document)
        }
        _ => not_found(),
    }
}

fn error(status: u16, message: &str) -> HttpResponse {
    HttpResponse::json(json!({ "message": message, "documentation_url": "https://docs.github.com/rest" })).status(status)
}

fn not_found() -> HttpResponse {
    error(404, "Not Found")
}

/// The requested page of a list.
fn page<T>(request: &HttpRequest, items: impl Iterator<Item = T>) -> Vec<T> {
    let number = |name, otherwise| request.query(name).map_or(otherwise, |value| value.parse::<usize>().unwrap());
    let (size, page) = (number("per_page", 30), number("page", 1));
    items.skip(size * (page - 1)).take(size).collect()
}
