//! `POST /ingest`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::analysis::{DEFAULT_PROJECT, HistoryRun, Quarantined, RunRows, read_history};
use crate::model::{Digest, with_causes};
use crate::serve::error::ApiError;
use crate::serve::write::{WriteRequest, Written};
use crate::store::database::{Access, Address, Database, Incoming, Source};

/// The longest key of a request.
const LONGEST_KEY: usize = 200;
/// How many faults an answer names.
const MOST_FAULTS: usize = 20;

/// Add runs
///
/// The body is a run of a history (`imax-history/1`) or a list of them, as `imax export --format json` and `imax collect --history` write them. All
/// of it is stored or nothing. The same content again changes nothing; the same key with the same content gives the same answer.
#[utoipa::path(post, path = "/api/v1/ingest", tag = "writes", security(("token" = [])),
    params(("Idempotency-Key" = String, Header, max_length = 200, description = "Names the request; a request that is sent again has the same")),
    request_body(content = Object, content_type = "application/json"),
    responses((status = 200, description = "What is new, unchanged and revised", body = Object)))]
pub(in crate::serve) async fn ingest(address: Address, request: WriteRequest) -> Result<Written, ApiError> {
    let key = key(&request)?;
    let digest = Digest::of(&request.body);
    let mut database = Database::open(&address, Access::Write).await?;
    if let Some((known, answer)) = database.answer_of_key(request.token.id, &key).await? {
        if known != digest.as_slice() {
            let words = "the Idempotency-Key was used for another request; each request has a key of its own";
            return Err(ApiError::Unprocessable(words.to_owned()));
        }
        let answer: Value = serde_json::from_str(&answer).map_err(ApiError::internal)?;
        return Ok(written(answer, format!("{key}: given again")));
    }
    let runs = runs(&request)?;
    let source = Source {
        name: format!("ingest {key}"),
        bytes: request.body.len() as u64,
        digest,
    };
    let mut ingest = database.ingest("ingest", Some(request.token.name.clone())).await?;
    for run in runs {
        let name = format!("run of {} {}", run.commit, run.date);
        let rows = RunRows::of(run).map_err(|error| ApiError::Unprocessable(format!("{name}: {}", with_causes(&error))))?;
        let incoming = Incoming {
            rows,
            source: source.clone(),
        };
        ingest.add(&incoming).await?;
    }
    let counts = ingest.counts();
    ingest.commit().await?;
    let answer = json!({ "runs": counts.runs, "points": counts.points, "evals": counts.evals });
    database.keep_answer(request.token.id, &key, &digest, &answer.to_string()).await?;
    database.close().await?;
    let detail = format!("{key}: {} runs new, {} revised", counts.runs.new, counts.runs.revised);
    Ok(written(answer, detail))
}

fn written(answer: Value, detail: String) -> Written {
    Written {
        status: StatusCode::OK,
        answer,
        detail,
    }
}

fn key(request: &WriteRequest) -> Result<String, ApiError> {
    let key = request
        .headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST_KEY {
        let words = "Idempotency-Key is missing or longer than 200 characters; a request that is sent again has the same";
        return Err(ApiError::Invalid(words.to_owned()));
    }
    Ok(key.to_owned())
}

/// The runs of the body, in the token's project and branch.
fn runs(request: &WriteRequest) -> Result<Vec<HistoryRun>, ApiError> {
    let text = std::str::from_utf8(&request.body).map_err(|error| ApiError::Unprocessable(format!("the body is not UTF-8: {error}")))?;
    let read = read_history(text).map_err(|error| ApiError::Unprocessable(with_causes(&error)))?;
    if !read.quarantined.is_empty() {
        let faults: Vec<String> = read.quarantined.iter().take(MOST_FAULTS).map(fault).collect();
        return Err(ApiError::Unprocessable(faults.join("; ")));
    }
    let mut runs = read.value;
    for run in &mut runs {
        let bound = &request.token.project;
        let project = run
            .context
            .project
            .get_or_insert_with(|| bound.clone().unwrap_or_else(|| DEFAULT_PROJECT.to_owned()));
        request.check_bounds(project, run.branch.as_deref())?;
    }
    Ok(runs)
}

fn fault(row: &Quarantined) -> String {
    if row.place.is_empty() {
        row.reason.clone()
    } else {
        format!("{}: {}", row.place, row.reason)
    }
}
