//! `POST /ingest`.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::incoming::{IncomingRuns, IngestParams, faults, incoming, is_archive};
use crate::analysis::{HistoryRun, RunRows};
use crate::model::{Digest, with_causes};
use crate::serve::error::ApiError;
use crate::serve::form::flag;
use crate::serve::write::{WriteRequest, Written};
use crate::store::database::{Access, Address, Database, Incoming, Ingest, KeptAnswer, Source};

/// The longest key of a request.
const LONGEST_KEY: usize = 200;

/// Add runs
///
/// The body is a run of a history (`imax-history/1`) or a list of them, as `imax export --format json` and `imax collect --history` write them, or
/// with `Content-Type: application/zip` the artifacts of a run, whose commit and so on are parameters. All of it is stored or nothing, unless
/// `partial` is true. The same content again changes nothing; the same key with the same content gives the same answer.
#[utoipa::path(post, path = "/api/v1/ingest", tag = "writes", security(("token" = [])),
    params(("Idempotency-Key" = String, Header, max_length = 200, description = "Names the request; a request that is sent again has the same"),
        IngestParams),
    request_body(content((Object = "application/json"), (String = "application/zip"))),
    responses((status = 200, description = "What is new, unchanged and revised", body = Object)))]
pub(in crate::serve) async fn ingest(address: Address, request: WriteRequest<IngestParams>) -> Result<Written, ApiError> {
    let key = key(&request.headers)?;
    let (partial, dry_run) = flags(&request.parameters)?;
    if request.parameters.note.is_some() {
        return Err(ApiError::Invalid("`note` is for submissions".to_owned()));
    }
    let IncomingRuns { runs, quarantined } = incoming(&request).await?;
    if !partial && !quarantined.is_empty() {
        return Err(ApiError::Unprocessable(faults(&quarantined)));
    }
    for run in &runs {
        let project = run.context.project.as_deref().unwrap_or_default();
        request.check_bounds(project, run.branch.as_deref())?;
    }
    let rows = rows_of(runs)?;
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    let mut ingest = database.ingest("ingest", Some(request.token.name.clone())).await?;
    for run in &rows {
        // A run that is there may be of another branch than the one that the document names.
        for branch in ingest.branches_of_attempts(&run.project, &run.identity).await? {
            request.check_bounds(&run.project, branch.as_deref())?;
        }
    }
    let digest = request_digest(&request)?;
    let known = if dry_run {
        None
    } else {
        given_answer(&mut ingest, request.token.id, &key, &digest).await?
    };
    if let Some(answer) = known {
        ingest.roll_back().await?;
        return Ok(written(StatusCode::OK, answer, format!("{key}: given again")));
    }
    let source = Source {
        name: format!("ingest {key}"),
        bytes: request.body.len() as u64,
        digest: Digest::of(&request.body),
    };
    add_rows(&mut ingest, rows, &source).await?;
    ingest.quarantine(&source, &quarantined).await?;
    let counts = ingest.counts();
    let answer = json!({
        "runs": counts.runs, "points": counts.points, "evals": counts.evals, "quarantined": counts.quarantined, "dry_run": dry_run
    });
    let detail = format!("{key}: {} runs new, {} revised", counts.runs.new, counts.runs.revised);
    if dry_run {
        ingest.roll_back().await?;
    } else {
        let body = answer.to_string();
        let kept = KeptAnswer {
            token: request.token.id,
            key: &key,
            digest: &digest,
            body: &body,
        };
        ingest.keep_answer(kept).await?;
        ingest.commit().await?;
    }
    database.close().await?;
    Ok(written(StatusCode::OK, answer, detail))
}

/// `partial` and `dry_run`.
fn flags(params: &IngestParams) -> Result<(bool, bool), ApiError> {
    Ok((
        flag("partial", params.partial.as_deref())?,
        flag("dry_run", params.dry_run.as_deref())?,
    ))
}

/// The rows of runs.
///
/// # Errors
/// [`ApiError::Unprocessable`] for a run that cannot be stored.
pub(in crate::serve) fn rows_of(runs: Vec<HistoryRun>) -> Result<Vec<RunRows>, ApiError> {
    let rows = runs.into_iter().map(|run| {
        let name = format!("run of {} {}", run.commit, run.date);
        RunRows::of(run).map_err(|error| ApiError::Unprocessable(format!("{name}: {}", with_causes(&error))))
    });
    rows.collect()
}

/// Adds rows of runs to an ingest.
///
/// # Errors
/// [`ApiError::internal`].
pub(in crate::serve) async fn add_rows(ingest: &mut Ingest<'_>, runs: Vec<RunRows>, source: &Source) -> Result<(), ApiError> {
    for rows in runs {
        let incoming = Incoming {
            rows,
            source: source.clone(),
        };
        ingest.add(&incoming).await?;
    }
    Ok(())
}

pub(in crate::serve) fn written(status: StatusCode, answer: Value, detail: String) -> Written {
    Written { status, answer, detail }
}

/// The key of a request.
///
/// # Errors
/// [`ApiError::Invalid`] without one.
pub(in crate::serve) fn key(headers: &HeaderMap) -> Result<String, ApiError> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST_KEY {
        let words = "Idempotency-Key is missing or longer than 200 characters; a request that is sent again has the same";
        return Err(ApiError::Invalid(words.to_owned()));
    }
    Ok(key.to_owned())
}

/// The answer that a request with this key was given before.
///
/// # Errors
/// [`ApiError::Unprocessable`] if that was another request.
pub(in crate::serve) async fn given_answer(
    ingest: &mut Ingest<'_>,
    token: i64,
    key: &str,
    digest: &Digest,
) -> Result<Option<Value>, ApiError> {
    let Some((known, answer)) = ingest.answer_of_key(token, key).await? else {
        return Ok(None);
    };
    if known != digest.as_slice() {
        let words = "the Idempotency-Key was used for another request; each request has a key of its own";
        return Err(ApiError::Unprocessable(words.to_owned()));
    }
    serde_json::from_str(&answer).map(Some).map_err(ApiError::internal)
}

/// What tells a request from others: its body, and for artifacts what is said about them.
///
/// # Errors
/// If the parameters have no JSON form.
pub(in crate::serve) fn request_digest(request: &WriteRequest<IngestParams>) -> Result<Digest, ApiError> {
    let body = Digest::of(&request.body);
    if !is_archive(request) && request.parameters == IngestParams::default() {
        return Ok(body);
    }
    let parameters = serde_json::to_value(&request.parameters).map_err(ApiError::internal)?;
    Ok(Digest::of_json(json!({ "body": body.to_string(), "parameters": parameters })))
}
