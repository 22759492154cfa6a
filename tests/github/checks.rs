//! Check runs.

use serde_json::{Value, json};

use super::{State, documents, error, not_found, page};
use crate::harness::{HttpRequest, HttpResponse};

/// A check run as the server keeps it.
#[derive(Debug, Clone)]
pub struct CheckRun {
    pub id: u64,
    pub name: String,
    pub head_sha: String,
    pub external_id: String,
    pub status: String,
    pub conclusion: Option<String>,
    pub title: String,
    pub summary: String,
    pub annotations: Vec<Value>,
}

pub fn respond(state: &mut State, method: &str, parts: &[&str], request: &HttpRequest) -> HttpResponse {
    match (method, parts) {
        ("GET", ["commits", sha, "check-runs"]) => {
            let name = request.query("check_name").unwrap();
            let found = state.check_runs.iter().filter(|check| check.name == name && check.head_sha == *sha);
            let shown: Vec<Value> = page(request, found.map(document));
            HttpResponse::json(json!({ "total_count": shown.len(), "check_runs": shown }))
        }
        ("POST", ["check-runs"]) => {
            let body: Value = request.json();
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let id = state.id();
            state.check_runs.push(CheckRun {
                id,
                name: text("name"),
                head_sha: text("head_sha"),
                external_id: text("external_id"),
                status: String::new(),
                conclusion: None,
                title: String::new(),
                summary: String::new(),
                annotations: Vec::new(),
            });
            change(state, id, &body, 201)
        }
        ("PATCH", ["check-runs", id]) => change(state, id.parse().unwrap(), &request.json(), 200),
        _ => not_found(),
    }
}

fn change(state: &mut State, id: u64, body: &Value, status: u16) -> HttpResponse {
    let output = &body["output"];
    let annotations = output["annotations"].as_array().cloned().unwrap_or_default();
    let summary = output["summary"].as_str().unwrap();
    if annotations.len() > 50 || summary.chars().count() > 65_535 {
        return error(422, "Invalid request");
    }
    let Some(check) = state.check_runs.iter_mut().find(|check| check.id == id) else {
        return not_found();
    };
    check.status = body["status"].as_str().unwrap().to_owned();
    check.conclusion = body["conclusion"].as_str().map(str::to_owned);
    check.title = output["title"].as_str().unwrap().to_owned();
    check.summary = summary.to_owned();
    check.annotations.extend(annotations);
    HttpResponse::json(document(check)).status(status)
}

fn document(check: &CheckRun) -> Value {
    let completed_at = (check.status == "completed").then_some("2026-11-22T05:00:00Z");
    documents::of(
        "check-run",
        json!({
            "id": check.id, "name": check.name, "head_sha": check.head_sha, "external_id": check.external_id, "status": check.status,
            "conclusion": check.conclusion, "completed_at": completed_at,
            "html_url": format!("https://github.example/octo-org/octo-repo/runs/{}", check.id),
        }),
    )
}
