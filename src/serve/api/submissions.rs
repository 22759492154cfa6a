//! `/submissions`: runs of the community. They wait until a reviewer takes them, and then have a mark that no route takes away: kind, provider
//! and branch are `community`, so that they are no baseline of the project's own points, and never one of its runs.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::corrections::checked;
use super::incoming::{IncomingRuns, IngestParams, faults, incoming};
use super::ingest::{add_rows, given_answer, key, request_digest, rows_of, written};
use crate::analysis::{DEFAULT_PROJECT, HistoryRun, read_history};
use crate::model::Digest;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::authorization::{Holder, authorized};
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing, number};
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::write::{WriteRequest, Written};
use crate::store::database::{
    Access, Address, Database, Decision, KeptAnswer, NewSubmission, Scope, Source, Submission, SubmissionFilter, SubmissionState,
};

/// Submissions that wait, of all and of one token.
const MOST_WAITING: i64 = 1000;
const MOST_WAITING_OF_ONE: i64 = 50;

/// Submit runs, which wait for a reviewer
///
/// Body and parameters are those of `/ingest`, without `partial` and `dry_run`.
#[utoipa::path(post, path = "/api/v1/submissions", tag = "writes", security(("token" = [])),
    params(("Idempotency-Key" = String, Header, max_length = 200, description = "Names the request; a request that is sent again has the same"),
        IngestParams),
    request_body(content((Object = "application/json"), (String = "application/zip"))),
    responses((status = 202, description = "The number of the submission", body = Object),
        (status = 409, description = "Too many submissions wait")))]
pub(in crate::serve) async fn submit(address: Address, request: WriteRequest<IngestParams>) -> Result<Written, ApiError> {
    let key = key(&request.headers)?;
    let IngestParams {
        partial, dry_run, note, ..
    } = &request.parameters;
    if partial.is_some() || dry_run.is_some() {
        return Err(ApiError::Invalid(
            "`partial` and `dry_run` are for /ingest; a submission is reviewed as a whole".to_owned(),
        ));
    }
    let note = note.clone().map(|note| checked("note", note)).transpose()?;
    let IncomingRuns { runs, quarantined } = incoming(&request).await?;
    if !quarantined.is_empty() {
        return Err(ApiError::Unprocessable(faults(&quarantined)));
    }
    let project = project_of(&runs)?;
    request.check_project(&project)?;
    let points = runs.iter().map(|run| run.run.points.len()).sum();
    // What no reviewer could take is refused at once.
    rows_of(runs.clone())?;
    let document = serde_json::to_string(&runs).map_err(ApiError::internal)?;
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    let mut ingest = database.ingest("submit", Some(request.token.name.clone())).await?;
    // A key that was used for an ingest is another request's.
    let digest = Digest::of_json(json!({ "submission": request_digest(&request)?.to_string() }));
    if let Some(answer) = given_answer(&mut ingest, request.token.id, &key, &digest).await? {
        ingest.roll_back().await?;
        return Ok(written(StatusCode::ACCEPTED, answer, format!("{key}: given again")));
    }
    let (waiting, of_one) = ingest.waiting(request.token.id).await?;
    if waiting >= MOST_WAITING || of_one >= MOST_WAITING_OF_ONE {
        return Err(ApiError::Conflict(format!(
            "{of_one} submissions of this token and {waiting} in all wait for a reviewer; limits {MOST_WAITING_OF_ONE} and {MOST_WAITING}"
        )));
    }
    let id = ingest
        .submit(NewSubmission {
            token: request.token.id,
            project,
            digest: Digest::of(document.as_bytes()),
            document,
            runs: runs.len(),
            points,
            note,
        })
        .await?;
    let answer = json!({ "id": id, "state": SubmissionState::Waiting });
    let kept = KeptAnswer {
        token: request.token.id,
        key: &key,
        digest: &digest,
        body: &answer.to_string(),
    };
    ingest.keep_answer(kept).await?;
    ingest.commit().await?;
    database.close().await?;
    Ok(written(StatusCode::ACCEPTED, answer, format!("{key}: submission {id}")))
}

/// The one project of runs.
fn project_of(runs: &[HistoryRun]) -> Result<String, ApiError> {
    let mut projects = runs.iter().map(|run| run.context.project.as_deref().unwrap_or(DEFAULT_PROJECT));
    let first = projects
        .next()
        .ok_or_else(|| ApiError::Unprocessable("the submission has no run".to_owned()))?;
    if projects.any(|project| project != first) {
        return Err(ApiError::Unprocessable("the runs of a submission are of one project".to_owned()));
    }
    Ok(first.to_owned())
}

/// Which page of which submissions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct SubmissionParams {
    /// waiting, accepted or refused [default: all].
    pub state: Option<String>,
    /// Only those of this project.
    pub project: Option<String>,
    /// Submissions of a page [default: 100].
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// Submissions of the community, the newest first
#[utoipa::path(get, path = "/api/v1/submissions", tag = "results", params(SubmissionParams),
    responses((status = 200, description = "Submissions without their runs", body = inline(ObjectList))))]
pub(in crate::serve) async fn submissions(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<SubmissionParams>,
) -> Result<Response, ApiError> {
    let SubmissionParams {
        state,
        project,
        limit,
        cursor,
    } = params;
    let most = number("limit", limit.as_deref(), 100, 1000)?;
    let filter = SubmissionFilter {
        id: None,
        state: state.as_deref().map(state_of).transpose()?,
        project,
        behind: cursor.as_deref().map(place).transpose()?,
        most: most + 1,
    };
    let mut reader = app.reader().await?;
    let mut found = reader.submissions(&filter).await?;
    reader.give_back();
    let has_more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| has_more).map(|last| last.id.to_string());
    answer::list(format, &answer::values(&found)?, next.as_deref())
}

fn state_of(text: &str) -> Result<SubmissionState, ApiError> {
    let known = SubmissionState::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| ApiError::parameter("state", text, SubmissionState::ALL.map(SubmissionState::as_str).join(", ")))
}

fn place(cursor: &str) -> Result<i64, ApiError> {
    let place = cursor.parse::<i64>().ok().filter(|place| *place > 0);
    place.ok_or_else(|| ApiError::parameter("cursor", cursor, "the `next` of an answer"))
}

/// A submission with its runs
///
/// For tokens with the scope review. The runs are not reviewed.
#[utoipa::path(get, path = "/api/v1/submissions/{id}", tag = "writes", security(("token" = [])),
    params(("id" = i64, Path, minimum = 1, description = "The number of the submission")),
    responses((status = 200, description = "The submission, and its runs as they were sent", body = Object),
        (status = 403, description = "The token lacks the scope review"), (status = 404, description = "There is no such submission")))]
pub(in crate::serve) async fn submission(
    app: Arc<App>,
    format: Format,
    (Path(path), headers, Form(Nothing {}, _)): (Path<HashMap<String, String>>, HeaderMap, Form<Nothing>),
) -> Result<Response, ApiError> {
    let text = path.get("id").map_or("", String::as_str);
    let id = text.parse::<i64>().ok().filter(|id| *id > 0);
    let id = id.ok_or_else(|| ApiError::parameter("id", text, "a number from 1"))?;
    let Holder { token, .. } = authorized(&app, &headers, Some(Scope::Review)).await?;
    let mut reader = app.reader().await?;
    let found = one(&mut reader, id).await;
    let document = reader.submitted_document(id).await?;
    reader.give_back();
    let submission = found?;
    if token.project.as_ref().is_some_and(|own| *own != submission.project) {
        return Err(ApiError::Forbidden(format!(
            "the token is of the project {:?}",
            token.project.unwrap_or_default()
        )));
    }
    let runs: Value = serde_json::from_str(&document.unwrap_or_default()).map_err(ApiError::internal)?;
    answer::document(format, &json!({ "submission": submission, "runs": runs }), "runs")
}

async fn one(database: &mut Database, id: i64) -> Result<Submission, ApiError> {
    let filter = SubmissionFilter {
        id: Some(id),
        most: 1,
        ..SubmissionFilter::default()
    };
    let found = database.submissions(&filter).await?.into_iter().next();
    found.ok_or_else(|| ApiError::NotFound(format!("there is no submission {id}")))
}

/// Why a submission is taken.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct AcceptBody {
    #[schema(min_length = 1, max_length = 4000)]
    #[serde(default)]
    reason: Option<String>,
}

/// Why a submission is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct RefuseBody {
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// Take a submission: its runs are stored, marked as the community's
#[utoipa::path(post, path = "/api/v1/submissions/{id}/accept", tag = "writes", security(("token" = [])), request_body = AcceptBody,
    params(("id" = i64, Path, minimum = 1, description = "The number of the submission")),
    responses((status = 200, description = "What is new", body = Object), (status = 404, description = "There is no such submission"),
        (status = 409, description = "It was decided already")))]
pub(in crate::serve) async fn accept(address: Address, request: WriteRequest) -> Result<Written, ApiError> {
    let id = request.number("id")?;
    let AcceptBody { reason } = if request.body.is_empty() {
        AcceptBody::default()
    } else {
        request.document()?
    };
    let reason = reason.map(|reason| checked("reason", reason)).transpose()?;
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    let submission = decidable(&mut database, id, &request).await?;
    let document = database.submitted_document(id).await?.unwrap_or_default();
    let read = read_history(&document).map_err(ApiError::internal)?;
    if !read.quarantined.is_empty() {
        return Err(ApiError::Unprocessable(faults(&read.quarantined)));
    }
    let source = Source {
        name: format!("submission {id}"),
        bytes: document.len() as u64,
        digest: Digest::of(document.as_bytes()),
    };
    let marked = read.value.into_iter().enumerate();
    let marked = marked.map(|(index, run)| run.of_community(format!("submission-{id}-{index}"), submission.by.clone()));
    let mut ingest = database.ingest("accept", Some(request.token.name.clone())).await?;
    add_rows(&mut ingest, rows_of(marked.collect())?, &source).await?;
    let counts = ingest.counts();
    if counts.runs.revised > 0 {
        return Err(ApiError::Conflict(
            "a run with this repository, run id and attempt was accepted before; submissions do not correct each other".to_owned(),
        ));
    }
    let decision = Decision {
        id,
        state: SubmissionState::Accepted,
        by: &request.token.name,
        reason: reason.as_deref(),
    };
    // In the transaction that stores the runs: of two reviewers, and of a server that is killed, one stores them or none.
    if !ingest.decide(decision).await? {
        return Err(decided(id));
    }
    ingest.commit().await?;
    database.close().await?;
    let answer =
        json!({ "id": id, "state": SubmissionState::Accepted, "runs": counts.runs, "points": counts.points, "evals": counts.evals });
    Ok(written(
        StatusCode::OK,
        answer,
        format!("submission {id}: {} runs new", counts.runs.new),
    ))
}

/// Refuse a submission
#[utoipa::path(post, path = "/api/v1/submissions/{id}/refuse", tag = "writes", security(("token" = [])), request_body = RefuseBody,
    params(("id" = i64, Path, minimum = 1, description = "The number of the submission")),
    responses((status = 200, description = "It is refused", body = Object), (status = 404, description = "There is no such submission"),
        (status = 409, description = "It was decided already")))]
pub(in crate::serve) async fn refuse(address: Address, request: WriteRequest) -> Result<Written, ApiError> {
    let id = request.number("id")?;
    let RefuseBody { reason } = request.document()?;
    let reason = checked("reason", reason)?;
    let _turn = request.turn().await;
    let mut database = Database::open(&address, Access::Write).await?;
    decidable(&mut database, id, &request).await?;
    let mut ingest = database.ingest("refuse", Some(request.token.name.clone())).await?;
    let decision = Decision {
        id,
        state: SubmissionState::Refused,
        by: &request.token.name,
        reason: Some(&reason),
    };
    if !ingest.decide(decision).await? {
        return Err(decided(id));
    }
    ingest.commit().await?;
    database.close().await?;
    let answer = json!({ "id": id, "state": SubmissionState::Refused, "reason": reason });
    Ok(written(StatusCode::OK, answer, format!("submission {id}")))
}

/// A submission that the reviewer may decide on.
async fn decidable(database: &mut Database, id: i64, request: &WriteRequest) -> Result<Submission, ApiError> {
    let submission = one(database, id).await?;
    request.check_project(&submission.project)?;
    if submission.token == request.token.id {
        return Err(ApiError::Forbidden(
            "a submission is decided with another token than the one that sent it".to_owned(),
        ));
    }
    if submission.state != SubmissionState::Waiting.as_str() {
        return Err(decided(id));
    }
    Ok(submission)
}

fn decided(id: i64) -> ApiError {
    ApiError::Conflict(format!("submission {id} was decided already"))
}
