//! Workflow runs, their jobs and artifacts, and the blob store.

use serde_json::{Value, json};

use super::{REPOSITORY, State, documents, error, not_found, page};
use crate::harness::{HttpRequest, HttpResponse};

/// A workflow run as the server keeps it.
#[derive(Debug, Clone)]
pub struct WorkflowRun {
    pub id: u64,
    pub branch: &'static str,
    pub event: &'static str,
    pub conclusion: &'static str,
    pub head_repository: &'static str,
}

/// An artifact with its bytes.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub id: u64,
    pub run: u64,
    pub name: String,
    pub bytes: Vec<u8>,
    pub expired: bool,
    pub digest: Option<String>,
}

/// A job of a run.
#[derive(Debug, Clone)]
pub struct Job {
    pub name: String,
    pub status: &'static str,
    pub conclusion: Option<&'static str>,
    /// Seconds since 1970.
    pub started: i64,
    pub ended: Option<i64>,
}

impl State {
    /// Adds an artifact with these files to a run.
    pub fn upload(&mut self, run: u64, name: &str, files: &[(&str, &[u8])]) -> u64 {
        let bytes = zipped(files);
        self.upload_bytes(run, name, bytes)
    }

    /// Adds an artifact whose archive has these bytes.
    pub fn upload_bytes(&mut self, run: u64, name: &str, bytes: Vec<u8>) -> u64 {
        let id = self.id();
        self.artifacts.push(Artifact {
            id,
            run,
            name: name.to_owned(),
            bytes,
            expired: false,
            digest: None,
        });
        id
    }
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;

    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn respond(state: &State, method: &str, parts: &[&str], request: &HttpRequest) -> HttpResponse {
    match (method, parts) {
        ("GET", ["workflows", _, "runs"] | ["runs"]) => runs(state, request),
        ("GET", ["runs", run, "artifacts"]) => artifacts(state, run, request),
        ("GET", ["runs", _, "jobs"]) => jobs(state, request),
        ("GET", ["artifacts", id, "zip"]) => {
            let id: u64 = id.parse().unwrap();
            match state.artifacts.iter().find(|artifact| artifact.id == id) {
                None => not_found(),
                Some(artifact) if artifact.expired => error(410, "Artifact has expired"),
                Some(_) => HttpResponse::new(302).header("location", format!("{}/blobs/{id}?sig=secret", state.blob_store)),
            }
        }
        _ => not_found(),
    }
}

fn runs(state: &State, request: &HttpRequest) -> HttpResponse {
    let branch = request.query("branch").unwrap();
    let status = request.query("status").unwrap();
    let found = state
        .workflow_runs
        .iter()
        .rev()
        .filter(|run| run.branch == branch && run.conclusion == status);
    let mut head_repository = documents::of("workflow-run", json!({}))["head_repository"].take();
    let shown = page(request, found).into_iter().map(|run| {
        head_repository["full_name"] = run.head_repository.into();
        documents::of(
            "workflow-run",
            json!({
                "id": run.id, "head_branch": run.branch, "event": run.event, "status": "completed", "conclusion": run.conclusion,
                "head_repository": head_repository,
            }),
        )
    });
    let shown: Vec<Value> = shown.collect();
    HttpResponse::json(json!({ "total_count": shown.len(), "workflow_runs": shown }))
}

fn artifacts(state: &State, run: &str, request: &HttpRequest) -> HttpResponse {
    let run: u64 = run.parse().unwrap();
    let all: Vec<&Artifact> = state.artifacts.iter().filter(|artifact| artifact.run == run).collect();
    let total = all.len();
    let shown: Vec<Value> = page(request, all.into_iter().map(artifact_document));
    let etag = format!("\"{total}-{}\"", request.query("page").unwrap_or_default());
    let known = request.header("if-none-match");
    if known == Some(&etag) {
        return HttpResponse::new(304).header("etag", etag);
    }
    HttpResponse::json(json!({ "total_count": total, "artifacts": shown })).header("etag", etag)
}

fn artifact_document(artifact: &Artifact) -> Value {
    let mut values =
        json!({ "id": artifact.id, "name": artifact.name, "size_in_bytes": artifact.bytes.len(), "expired": artifact.expired });
    values["digest"] = artifact.digest.clone().into();
    documents::of("artifact", values)
}

fn jobs(state: &State, request: &HttpRequest) -> HttpResponse {
    let time = |seconds: i64| chrono::DateTime::from_timestamp(seconds, 0).unwrap().to_rfc3339();
    let document = |(index, job): (usize, &Job)| {
        let url = format!("https://github.example/{REPOSITORY}/actions/runs/1/job/{index}");
        documents::of(
            "job",
            json!({
                "id": index, "name": job.name, "status": job.status, "conclusion": job.conclusion, "started_at": time(job.started),
                "completed_at": job.ended.map(time), "html_url": url,
            }),
        )
    };
    let shown: Vec<Value> = page(request, state.jobs.iter().enumerate().map(document));
    HttpResponse::json(json!({ "total_count": state.jobs.len(), "jobs": shown }))
}

/// The blob store: its signed URLs need no token, and none may be sent there.
pub fn send_blob(state: &mut State, request: &HttpRequest) -> HttpResponse {
    if request.header("authorization").is_some() {
        state.tokens_leaked += 1;
    }
    let id: u64 = request.path().rsplit('/').next().unwrap().parse().unwrap();
    let bytes = state.artifacts.iter().find(|artifact| artifact.id == id).unwrap().bytes.clone();
    if state.failing_downloads > 0 {
        state.failing_downloads -= 1;
        // Like an overloaded blob store.
        return HttpResponse::new(503);
    }
    HttpResponse::new(200).body("application/zip", bytes)
}
