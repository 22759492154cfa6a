//! The plan as step outputs, within GitHub's limits: a matrix has at most 256 jobs, and the outputs of
//! a job are together at most 1 MB, counted in UTF-16
//! (<https://docs.github.com/en/actions/reference/limits>). If it does not fit, it goes to a file, and the matrix contains
//! only names; nothing is dropped.

use serde::Serialize;
use serde_json::{Value, json};

use super::SearchSpace;
use super::jobs::Job;
use crate::model::MeasuredChange;

/// Maximum number of jobs in one matrix.
pub const MATRIX_LIMIT: usize = 256;

/// Budget for outputs, bytes of UTF-16. A tenth of GitHub's limit is left to the workflow's other outputs.
pub const OUTPUT_LIMIT: usize = 1024 * 1024 / 10 * 9;

/// The outputs of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// `{"include":[...]}` of all jobs; `None` if they exceed the limit of one matrix.
    pub matrix: Option<String>,
    /// Matrices of at most 256 jobs, as a list of `{"index":1,"jobs":{"include":[...]}}`: all jobs except the canary.
    pub batches: String,
    /// A matrix with only the canary job, if requested.
    pub canary: Option<String>,
    /// The search-space document; `None` if it does not fit.
    pub search_space: Option<String>,
    /// Whether rows and document are only in the plan file.
    pub needs_plan_file: bool,
}

/// Why a plan cannot become step outputs.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Even the names alone do not fit.
    #[error(
        "{jobs} jobs exceed GitHub's limit for outputs, even without their rows ({bytes} bytes of {OUTPUT_LIMIT}); plan fewer configs at a time"
    )]
    TooMuch { jobs: usize, bytes: usize },
    /// A row has no JSON form.
    #[error("cannot serialize the plan: {0}")]
    Json(#[from] serde_json::Error),
}

/// The plan file: everything, regardless of size.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanFile<'a> {
    /// The version of this form.
    pub version: u32,
    /// The planned commit, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_sha: Option<String>,
    /// The jobs with their rows.
    pub jobs: &'a [Job],
    pub search_space: &'a SearchSpace,
    /// The changelog's entries with the curves that they select.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub changes: &'a [MeasuredChange],
}

impl<'a> PlanFile<'a> {
    /// The file of a plan.
    #[must_use]
    pub fn new(jobs: &'a [Job], search_space: &'a SearchSpace, head_sha: Option<String>) -> Self {
        Self {
            version: 1,
            head_sha,
            jobs,
            search_space,
            changes: &search_space.changes,
        }
    }
}

/// The outputs: with rows if everything fits, otherwise with names only.
///
/// # Errors
/// If not even the names fit.
pub fn outputs(jobs: &[Job], canary: Option<&Job>, search_space: &str) -> Result<Outputs, OutputError> {
    let whole = Outputs {
        search_space: Some(search_space.to_owned()),
        ..made(jobs, canary, Rows::Inside)?
    };
    if whole.bytes() <= OUTPUT_LIMIT {
        return Ok(whole);
    }
    let named = Outputs {
        needs_plan_file: true,
        ..made(jobs, canary, Rows::InFile)?
    };
    match named.bytes() {
        bytes if bytes <= OUTPUT_LIMIT => Ok(named),
        bytes => Err(OutputError::TooMuch { jobs: jobs.len(), bytes }),
    }
}

#[derive(Clone, Copy)]
enum Rows {
    Inside,
    InFile,
}

fn made(jobs: &[Job], canary: Option<&Job>, rows: Rows) -> Result<Outputs, OutputError> {
    let items: Vec<(&str, Value)> = jobs
        .iter()
        .map(|job| Ok((job.id.as_str(), item(job, rows)?)))
        .collect::<Result<_, serde_json::Error>>()?;
    let all: Vec<&Value> = items.iter().map(|(_, item)| item).collect();
    let (first, others): (Vec<_>, Vec<_>) = items.iter().partition(|(id, _)| canary.is_some_and(|canary| canary.id == *id));
    let [first, others] = [first, others].map(|items| items.into_iter().map(|(_, item)| item.clone()).collect::<Vec<Value>>());
    let batches: Vec<Value> = others
        .chunks(MATRIX_LIMIT)
        .enumerate()
        .map(|(at, part): (usize, &[Value])| json!({ "index": at + 1, "jobs": { "include": part } }))
        .collect();
    Ok(Outputs {
        matrix: (all.len() <= MATRIX_LIMIT).then(|| json!({ "include": all }).to_string()),
        batches: Value::from(batches).to_string(),
        canary: canary.map(|_| json!({ "include": first }).to_string()),
        search_space: None,
        needs_plan_file: false,
    })
}

/// A job in a matrix. The row is JSON text, so that a workflow passes it on unchanged.
fn item(job: &Job, rows: Rows) -> Result<Value, serde_json::Error> {
    let labels: Vec<&str> = job.labels.iter().map(String::as_str).chain([job.runner.as_str()]).collect();
    let mut item = json!({ "id": job.id, "name": job.name, "runner": job.runner, "runs-on": labels });
    if let Some(priority) = &job.priority {
        item["queue"] = Value::from(format!("ci-job-{}-{}", priority.score, priority.token));
        if let Some(pull_request) = priority.skip_queue {
            item["skip-queue"] = Value::from(format!("ci-skip-queue-pr-{pull_request}"));
        }
    }
    match rows {
        Rows::Inside => item["row"] = Value::from(serde_json::to_string(&job.row)?),
        Rows::InFile => {}
    }
    Ok(item)
}

impl Outputs {
    /// Size of all outputs, bytes of UTF-16.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let optional = [&self.matrix, &self.canary, &self.search_space];
        let texts = optional.into_iter().flatten().chain([&self.batches]);
        texts.map(|text| text.encode_utf16().count() * 2).sum()
    }
}
