//! A fake GitHub for the real client: an HTTP server with comments, labels, check runs, workflow runs and artifacts in memory. Its
//! documents are the examples of GitHub's published API description with values of the test. A second server stores the artifacts, as
//! GitHub's blob store does. Faults are queued and sent in their order instead of the right responses.

mod actions;
mod checks;
mod comments;
mod documents;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub use actions::{Artifact, Job, WorkflowRun};
pub use checks::CheckRun;
pub use comments::{Author, Comment};

pub const REPOSITORY: &str = "octo-org/octo-repo";
pub const TOKEN: &str = "ghs_a_token_for_tests";

/// A response that is sent instead of the right one.
pub struct Fault {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub message: &'static str,
}

#[derive(Default)]
pub struct State {
    pub comments: Vec<Comment>,
    pub labels: Vec<String>,
    pub check_runs: Vec<CheckRun>,
    pub workflow_runs: Vec<WorkflowRun>,
    pub artifacts: Vec<Artifact>,
    pub jobs: Vec<Job>,
    /// Commits that are on every branch.
    pub on_branch: Vec<String>,
    /// Responses to the next requests.
    pub faults: VecDeque<Fault>,
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
    server: MockServer,
    _blobs: MockServer,
    state: Arc<Mutex<State>>,
}

impl Github {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Routes(Arc::clone(&state))).mount(&server).await;
        let blobs = MockServer::start().await;
        Mock::given(any())
            .respond_with(actions::Blobs(Arc::clone(&state)))
            .mount(&blobs)
            .await;
        state.lock().unwrap().blob_store = blobs.uri();
        Self {
            server,
            _blobs: blobs,
            state,
        }
    }

    /// The URL of the API, with a path as on a GitHub Enterprise Server.
    pub fn api_url(&self) -> String {
        format!("{}/api/v3", self.server.uri())
    }

    /// The URL without the path, as on github.com.
    pub fn bare_url(&self) -> String {
        self.server.uri()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

struct Routes(Arc<Mutex<State>>);

impl Respond for Routes {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().unwrap();
        let path = request.url.path().to_owned();
        state.requests.push(format!("{} {path}", request.method));
        if let Some(fault) = state.faults.pop_front() {
            let response = ResponseTemplate::new(fault.status).set_body_json(json!({ "message": fault.message }));
            return fault
                .headers
                .iter()
                .fold(response, |response, (name, value)| response.insert_header(*name, *value));
        }
        let bearer = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        if bearer != Some(&format!("Bearer {TOKEN}")) {
            return error(401, "Bad credentials");
        }
        if !request.headers.contains_key("user-agent") {
            return error(403, "Request forbidden by administrative rules");
        }
        let path = path.strip_prefix("/api/v3").unwrap_or(&path);
        if path == "/user" {
            return error(403, "Resource not accessible by integration");
        }
        let Some(path) = path.strip_prefix(&format!("/repos/{REPOSITORY}/")) else {
            return not_found();
        };
        let parts: Vec<&str> = path.split('/').collect();
        let method = request.method.as_str();
        if method != "GET" && state.read_only {
            return error(403, "Resource not accessible by integration");
        }
        match parts.split_first() {
            Some((&"compare", [commits])) => {
                let is_on_branch = state.on_branch.iter().any(|commit| commits.ends_with(&format!("...{commit}")));
                let status = if is_on_branch { "behind" } else { "diverged" };
                ResponseTemplate::new(200).set_body_json(json!({ "status": status, "ahead_by": 0, "behind_by": 1 }))
            }
            Some((&"issues", rest)) => comments::respond(&mut state, method, rest, request),
            Some((&"actions", rest)) => actions::respond(&state, method, rest, request),
            Some((&"check-runs" | &"commits", _)) => checks::respond(&mut state, method, &parts, request),
            Some((&"collaborators", [login, "permission"])) => {
                let permission = if *login == "octocat" { "write" } else { "read" };
                let document = documents::of("permission", json!({ "permission": permission }));
                ResponseTemplate::new(200).set_body_json(document)
            }
            _ => not_found(),
        }
    }
}

fn error(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }))
}

fn not_found() -> ResponseTemplate {
    error(404, "Not Found")
}

fn query(request: &Request, name: &str) -> Option<String> {
    let found = request.url.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

/// The requested page of a list.
fn page<T>(request: &Request, items: impl Iterator<Item = T>) -> Vec<T> {
    let number = |name, otherwise| query(request, name).map_or(otherwise, |value| value.parse::<usize>().unwrap());
    let (size, page) = (number("per_page", 30), number("page", 1));
    items.skip(size * (page - 1)).take(size).collect()
}
