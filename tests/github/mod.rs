//! A GitHub that keeps state: comments, labels, check runs, workflow runs and their artifacts in memory, behind a real HTTP
//! server, so that the real client talks to it. Its documents are those of GitHub's published description with our values in
//! them. Artifacts lie in a second server, as they do on GitHub. Faults are told to it in advance and come in their order.

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

/// An answer that comes instead of the right one.
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
    /// Answers to the next requests.
    pub faults: VecDeque<Fault>,
    /// Whether the token may write.
    pub read_only: bool,
    /// Lists of comments show none before so many were created, so that several jobs believe to be the first.
    pub blind_until_created: usize,
    created: usize,
    /// Method and path of every request.
    pub requests: Vec<String>,
    /// Requests to the blob store that carried a token.
    pub tokens_leaked: usize,
    /// How many more downloads the blob store cuts off in the middle.
    pub blobs_cut: usize,
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

    /// The address of the API, with a path in it as on a GitHub Enterprise Server.
    pub fn api_url(&self) -> String {
        format!("{}/api/v3", self.server.uri())
    }

    /// The address without that path, as github.com has it.
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
            let answer = ResponseTemplate::new(fault.status).set_body_json(json!({ "message": fault.message }));
            return fault
                .headers
                .iter()
                .fold(answer, |answer, (name, value)| answer.insert_header(*name, *value));
        }
        let bearer = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        if bearer != Some(&format!("Bearer {TOKEN}")) {
            return refusal(401, "Bad credentials");
        }
        if !request.headers.contains_key("user-agent") {
            return refusal(403, "Request forbidden by administrative rules");
        }
        let path = path.strip_prefix("/api/v3").unwrap_or(&path);
        if path == "/user" {
            return refusal(403, "Resource not accessible by integration");
        }
        let Some(path) = path.strip_prefix(&format!("/repos/{REPOSITORY}/")) else {
            return not_found();
        };
        let parts: Vec<&str> = path.split('/').collect();
        let method = request.method.as_str();
        if method != "GET" && state.read_only {
            return refusal(403, "Resource not accessible by integration");
        }
        match parts.split_first() {
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

fn refusal(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }))
}

fn not_found() -> ResponseTemplate {
    refusal(404, "Not Found")
}

fn query(request: &Request, name: &str) -> Option<String> {
    let found = request.url.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

/// The page of a list that the request asks for.
fn page<T>(request: &Request, items: impl Iterator<Item = T>) -> Vec<T> {
    let number = |name, otherwise| query(request, name).map_or(otherwise, |value| value.parse::<usize>().unwrap());
    let (size, page) = (number("per_page", 30), number("page", 1));
    items.skip(size * (page - 1)).take(size).collect()
}
