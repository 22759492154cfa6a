//! Comments and labels of pull requests.

use serde_json::{Value, json};

use super::{REPOSITORY, State, documents, error, not_found, page};
use crate::harness::{HttpRequest, HttpResponse};

/// A comment as the server keeps it.
#[derive(Debug, Clone)]
pub struct Comment {
    pub id: u64,
    pub pull_request: u64,
    pub author: Author,
    pub body: String,
}

/// The author of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The account of a workflow's own token.
    Workflow,
    /// A person.
    Person,
}

impl State {
    pub fn add(&mut self, pull_request: u64, author: Author, body: &str) -> u64 {
        let id = self.id();
        self.comments.push(Comment {
            id,
            pull_request,
            author,
            body: body.to_owned(),
        });
        id
    }
}

pub fn respond(state: &mut State, method: &str, parts: &[&str], request: &HttpRequest) -> HttpResponse {
    match (method, parts) {
        ("GET", [number, "comments"]) => list(state, number, request),
        ("POST", [number, "comments"]) => create(state, number, request),
        ("PATCH", ["comments", id]) => update(state, id, request),
        ("DELETE", ["comments", id]) => delete(state, id),
        ("GET", [_, "labels"]) => labels(state),
        ("POST", [_, "labels"]) => {
            let body: Value = request.json();
            for label in body["labels"].as_array().unwrap() {
                let label = label.as_str().unwrap().to_owned();
                if !state.labels.contains(&label) {
                    state.labels.push(label);
                }
            }
            labels(state)
        }
        ("DELETE", [_, "labels", name]) => {
            let before = state.labels.len();
            let name = name.replace("%20", " ");
            state.labels.retain(|label| *label != name);
            if state.labels.len() < before { labels(state) } else { not_found() }
        }
        _ => not_found(),
    }
}

fn labels(state: &State) -> HttpResponse {
    let all: Vec<Value> = state
        .labels
        .iter()
        .map(|name| documents::of("label", json!({ "name": name })))
        .collect();
    HttpResponse::json(Value::from(all))
}

fn list(state: &mut State, number: &str, request: &HttpRequest) -> HttpResponse {
    if state.created < state.blind_until_created {
        return HttpResponse::json(json!([]));
    }
    let number: u64 = number.parse().unwrap();
    let all = state.comments.iter().filter(|comment| comment.pull_request == number);
    let shown: Vec<Value> = page(request, all.map(document));
    HttpResponse::json(Value::from(shown))
}

fn create(state: &mut State, number: &str, request: &HttpRequest) -> HttpResponse {
    let body = body_of(request);
    if is_too_long(&body) {
        return too_long();
    }
    state.created += 1;
    state.add(number.parse().unwrap(), Author::Workflow, &body);
    HttpResponse::json(document(state.comments.last().unwrap())).status(201)
}

fn update(state: &mut State, id: &str, request: &HttpRequest) -> HttpResponse {
    let body = body_of(request);
    if is_too_long(&body) {
        return too_long();
    }
    let id: u64 = id.parse().unwrap();
    match state.comments.iter_mut().find(|comment| comment.id == id) {
        None => not_found(),
        Some(comment) => {
            comment.body = body;
            HttpResponse::json(document(comment))
        }
    }
}

fn delete(state: &mut State, id: &str) -> HttpResponse {
    let id: u64 = id.parse().unwrap();
    let before = state.comments.len();
    state.comments.retain(|comment| comment.id != id);
    if state.comments.len() < before {
        HttpResponse::new(204)
    } else {
        not_found()
    }
}

fn body_of(request: &HttpRequest) -> String {
    let body: Value = request.json();
    body["body"].as_str().unwrap().to_owned()
}

fn is_too_long(body: &str) -> bool {
    body.chars().count() > 65_536
}

fn too_long() -> HttpResponse {
    error(422, "body is too long (maximum is 65536 characters)")
}

fn document(comment: &Comment) -> Value {
    let (login, kind) = match comment.author {
        Author::Workflow => ("github-actions[bot]", "Bot"),
        Author::Person => ("octocat", "User"),
    };
    let mut user = documents::of("comment", json!({}))["user"].take();
    user["login"] = login.into();
    user["type"] = kind.into();
    let url = format!(
        "https://github.example/{REPOSITORY}/pull/{}#issuecomment-{}",
        comment.pull_request, comment.id
    );
    documents::of(
        "comment",
        json!({ "id": comment.id, "html_url": url, "body": comment.body, "user": user }),
    )
}
