//! A GitHub that keeps state: comments on pull requests in memory, behind a real HTTP server, so that the real client talks
//! to it. Faults are told to it in advance and come in their order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub const REPOSITORY: &str = "octo-org/octo-repo";
pub const TOKEN: &str = "ghs_a_token_for_tests";

/// A comment as the server keeps it.
#[derive(Debug, Clone)]
pub struct Comment {
    pub id: u64,
    pub pull_request: u64,
    pub author: Author,
    pub body: String,
}

/// Who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The account of a workflow's own token.
    Workflow,
    /// A person.
    Person,
}

/// An answer that comes instead of the right one.
pub struct Fault {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub message: &'static str,
}

#[derive(Default)]
pub struct State {
    pub comments: Vec<Comment>,
    /// Answers to the next requests.
    pub faults: VecDeque<Fault>,
    /// Whether the token may write.
    pub read_only: bool,
    /// Lists of comments show none before so many were created, so that several jobs believe to be the first.
    pub blind_until_created: usize,
    created: usize,
    /// Method and path of every request.
    pub requests: Vec<String>,
    next_id: u64,
}

impl State {
    pub fn add(&mut self, pull_request: u64, author: Author, body: &str) -> u64 {
        self.next_id += 1;
        self.comments.push(Comment {
            id: self.next_id,
            pull_request,
            author,
            body: body.to_owned(),
        });
        self.next_id
    }
}

/// The running server.
pub struct Github {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

impl Github {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Routes(Arc::clone(&state))).mount(&server).await;
        Self { server, state }
    }

    /// The address of the API, with a path in it as on a GitHub Enterprise Server.
    pub fn api_url(&self) -> String {
        format!("{}/api/v3", self.server.uri())
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
        let Some(path) = path.strip_prefix("/api/v3/") else {
            return not_found();
        };
        if path == "user" {
            return refusal(403, "Resource not accessible by integration");
        }
        let Some(path) = path.strip_prefix(&format!("repos/{REPOSITORY}/issues/")) else {
            return not_found();
        };
        let parts: Vec<&str> = path.split('/').collect();
        let writes = request.method.as_str() != "GET";
        if writes && state.read_only {
            return refusal(403, "Resource not accessible by integration");
        }
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", [number, "comments"]) => list(&mut state, number, request),
            ("POST", [number, "comments"]) => create(&mut state, number, request),
            ("PATCH", ["comments", id]) => update(&mut state, id, request),
            ("DELETE", ["comments", id]) => delete(&mut state, id),
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

fn query(request: &Request, name: &str, otherwise: usize) -> usize {
    let found = request.url.query_pairs().find(|(key, _)| key == name);
    found.map_or(otherwise, |(_, value)| value.parse().unwrap())
}

fn list(state: &mut State, number: &str, request: &Request) -> ResponseTemplate {
    if state.created < state.blind_until_created {
        return ResponseTemplate::new(200).set_body_json(json!([]));
    }
    let (size, page) = (query(request, "per_page", 30), query(request, "page", 1));
    let number: u64 = number.parse().unwrap();
    let all = state.comments.iter().filter(|comment| comment.pull_request == number);
    let shown: Vec<Value> = all.skip(size * (page - 1)).take(size).map(document).collect();
    ResponseTemplate::new(200).set_body_json(shown)
}

fn create(state: &mut State, number: &str, request: &Request) -> ResponseTemplate {
    let body = body_of(request);
    if is_too_long(&body) {
        return too_long();
    }
    state.created += 1;
    state.add(number.parse().unwrap(), Author::Workflow, &body);
    ResponseTemplate::new(201).set_body_json(document(state.comments.last().unwrap()))
}

fn update(state: &mut State, id: &str, request: &Request) -> ResponseTemplate {
    let body = body_of(request);
    if is_too_long(&body) {
        return too_long();
    }
    let id: u64 = id.parse().unwrap();
    match state.comments.iter_mut().find(|comment| comment.id == id) {
        None => not_found(),
        Some(comment) => {
            comment.body = body;
            ResponseTemplate::new(200).set_body_json(document(comment))
        }
    }
}

fn delete(state: &mut State, id: &str) -> ResponseTemplate {
    let id: u64 = id.parse().unwrap();
    let before = state.comments.len();
    state.comments.retain(|comment| comment.id != id);
    if state.comments.len() < before {
        ResponseTemplate::new(204)
    } else {
        not_found()
    }
}

fn body_of(request: &Request) -> String {
    let body: Value = request.body_json().unwrap();
    body["body"].as_str().unwrap().to_owned()
}

fn is_too_long(body: &str) -> bool {
    body.chars().count() > 65_536
}

fn too_long() -> ResponseTemplate {
    refusal(422, "body is too long (maximum is 65536 characters)")
}

fn document(comment: &Comment) -> Value {
    let user = match comment.author {
        Author::Workflow => json!({ "login": "github-actions[bot]", "type": "Bot" }),
        Author::Person => json!({ "login": "octocat", "type": "User" }),
    };
    let url = format!(
        "https://github.example/{REPOSITORY}/pull/{}#issuecomment-{}",
        comment.pull_request, comment.id
    );
    json!({ "id": comment.id, "html_url": url, "body": comment.body, "user": user })
}
