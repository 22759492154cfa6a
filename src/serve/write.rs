//! Writes: who asks, whether it is allowed, one after another, and the log of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::MutexGuard;
use utoipa::IntoParams;

use super::app::{App, PeerAddress, Shared};
use super::authorization::{Holder, authorized, lacks};
use super::blocking::on_blocking_thread;
use super::error::ApiError;
use super::form::{Form, Nothing};
use super::rate_limit::Counted;
use crate::store::database::{Access, Address, Database, NewAuditEntry, RunFilter, Scope, Token};

/// How long a write may take, the turn of others included.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// A write that is allowed.
pub(super) struct WriteRequest<P = Nothing> {
    pub token: Token,
    /// The repository of a workflow that writes without a token of the history.
    pub repository: Option<String>,
    pub headers: HeaderMap,
    /// Parameters of the query.
    pub parameters: P,
    /// Parameters of the path.
    pub path: HashMap<String, String>,
    pub body: Bytes,
    app: Arc<App>,
}

/// What a write has done: the answer, and a sentence for the log.
pub(super) struct Written {
    pub status: StatusCode,
    pub answer: Value,
    pub detail: String,
}

impl<P> WriteRequest<P> {
    /// The turn to write. One after another: the history takes one writer at a time, and those who wait should not hold connections.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.app.turn.lock().await
    }

    /// The turn to unpack an archive.
    pub(super) async fn unpacking(&self) -> MutexGuard<'_, ()> {
        self.app.unpacking.lock().await
    }

    /// The body as a document.
    ///
    /// # Errors
    /// [`ApiError::Unprocessable`].
    pub(super) fn document<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| ApiError::Unprocessable(format!("the body is invalid: {error}")))
    }

    /// A number in the path.
    ///
    /// # Errors
    /// [`ApiError::Parameter`].
    pub(super) fn number(&self, name: &str) -> Result<i64, ApiError> {
        let text = self.path.get(name).map_or("", String::as_str);
        let number = text.parse::<i64>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| ApiError::parameter(name, text, "a number from 1"))
    }

    /// Checks that the token may write to a project and branch.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`].
    pub(super) fn check_bounds(&self, project: &str, branch: Option<&str>) -> Result<(), ApiError> {
        self.check_project(project)?;
        match self.token.branch.as_deref() {
            Some(own) if branch != Some(own) => Err(ApiError::Forbidden(format!("the token is of the branch {own:?} alone"))),
            Some(_) | None => Ok(()),
        }
    }

    /// Checks that the token may write to a project.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`].
    pub(super) fn check_project(&self, project: &str) -> Result<(), ApiError> {
        match self.token.project.as_deref() {
            Some(own) if own != project => Err(ApiError::Forbidden(format!(
                "the token is of the project {own:?}, not of {project:?}"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Checks that the token may write to a run.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Forbidden`].
    pub(super) async fn check_run(&self, database: &mut Database, id: i64) -> Result<(), ApiError> {
        let filter = RunFilter {
            id: Some(id),
            with_retracted: true,
            ..RunFilter::default()
        };
        let run = database.runs(&filter).await?.into_iter().next();
        let run = run.ok_or_else(|| ApiError::no_run(id))?;
        self.check_bounds(&run.project, run.branch.as_deref())
    }

    /// Whether the token may write to all projects and branches.
    pub(super) fn is_unbound(&self) -> bool {
        self.token.project.is_none() && self.token.branch.is_none()
    }
}

/// A route that writes. `action` is its name in the log.
pub(super) fn write<P, F>(
    action: &'static str,
    scope: Scope,
    handler: impl Fn(Address, WriteRequest<P>) -> F + Clone + Send + Sync + 'static,
) -> MethodRouter<Arc<App>>
where
    P: DeserializeOwned + IntoParams + Send + 'static,
    F: Future<Output = Result<Written, ApiError>>,
{
    post(
        move |State(app): Shared, Path(path): Path<HashMap<String, String>>, Form(parameters, Nothing {}): Form<P>, request: Request| async move {
            let (parts, body) = request.into_parts();
            let client = parts
                .extensions
                .get::<PeerAddress>()
                .map_or_else(String::new, |peer| peer.0.ip().to_string());
            let (admitting, headers) = (Arc::clone(&app), parts.headers.clone());
            let admitted = on_blocking_thread(WRITE_TIME, move || admit(admitting, headers)).await?;
            if let Some(counted) = admitted.counted.as_ref().filter(|counted| counted.is_above()) {
                // Not logged: what is above the limit costs nothing.
                let mut response = counted.refusal().into_response();
                counted.mark(response.headers_mut());
                return Ok(response);
            }
            let asked = Asked {
                action,
                scope,
                client,
                headers: parts.headers,
                path,
                parameters,
                body: read_body(body, app.limits.body).await?,
            };
            on_blocking_thread(WRITE_TIME, move || carry_out(app, admitted, asked, handler)).await
        },
    )
}

/// A write that awaits a review.
struct Asked<P> {
    action: &'static str,
    scope: Scope,
    client: String,
    headers: HeaderMap,
    path: HashMap<String, String>,
    parameters: P,
    body: Bytes,
}

/// The whole body of a request.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::TooSlow`].
pub(super) async fn read_body(body: Body, most: usize) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, most)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        // The body is broken off or too large; which one, the error does not tell by its type.
        Ok(Err(_)) => Err(ApiError::TooLarge(most)),
        Err(_) => Err(ApiError::TooSlow(BODY_TIME.as_secs())),
    }
}

/// Who writes where.
struct Admitted {
    address: Address,
    token: Token,
    repository: Option<String>,
    counted: Option<Counted>,
}

/// Checks the token, before the body is read. Requests without a valid token are not logged: anybody could fill the history.
async fn admit(app: Arc<App>, headers: HeaderMap) -> Result<Admitted, ApiError> {
    let (true, Some(address)) = (app.rules.is_writable, app.served().writes_to.clone()) else {
        return Err(ApiError::ReadOnly("this server does not write; imax serve --writes does"));
    };
    let Holder { mut token, workflow } = authorized(&app, &headers, None).await?;
    if let Some(workflow) = workflow.as_ref().filter(|_| token.id == 0) {
        let mut database = Database::open(&address, Access::Write).await?;
        token.id = database.identity(&workflow.identity).await?;
        database.close().await?;
    }
    Ok(Admitted {
        address,
        counted: app.rates.count_token(token.id),
        token,
        repository: workflow.map(|workflow| workflow.repository),
    })
}

/// Carries an admitted write out, and logs it.
async fn carry_out<P, F>(
    app: Arc<App>,
    admitted: Admitted,
    asked: Asked<P>,
    handler: impl Fn(Address, WriteRequest<P>) -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Written, ApiError>>,
{
    let Admitted {
        address,
        token,
        repository,
        counted,
    } = admitted;
    let is_ingest = asked.action == "ingest";
    let done = logged(&app, &address, Known { token, repository }, asked, handler).await?;
    if is_ingest {
        let ingests = &app.metrics.ingests;
        let counter = if done.is_ok() { &ingests.stored } else { &ingests.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    let mut response = match done {
        Ok(written) => (written.status, Json(written.answer)).into_response(),
        Err(error) => error.into_response(),
    };
    if let Some(counted) = counted {
        counted.mark(response.headers_mut());
    }
    Ok(response)
}

/// Who writes.
struct Known {
    token: Token,
    repository: Option<String>,
}

/// Carries a write out, or refuses it, and logs it.
///
/// # Errors
/// If it cannot be logged.
async fn logged<P, F>(
    app: &Arc<App>,
    address: &Address,
    known: Known,
    asked: Asked<P>,
    handler: impl Fn(Address, WriteRequest<P>) -> F,
) -> Result<Result<Written, ApiError>, ApiError>
where
    F: Future<Output = Result<Written, ApiError>>,
{
    let Known { token, repository } = known;
    let Asked {
        action,
        scope,
        client,
        headers,
        path,
        parameters,
        body,
    } = asked;
    let request_id = headers
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let id = token.id;
    let done = if token.allows(scope) {
        let request = WriteRequest {
            token,
            repository,
            headers,
            parameters,
            path,
            body,
            app: Arc::clone(app),
        };
        handler(address.clone(), request).await
    } else {
        Err(lacks(scope))
    };
    let (status, detail) = match &done {
        Ok(written) => (written.status.as_u16(), written.detail.clone()),
        Err(error) => (error.status().as_u16(), error.to_string()),
    };
    let entry = NewAuditEntry {
        token: Some(id),
        action: action.to_owned(),
        status,
        detail: detail.chars().take(1000).collect(),
        address: client,
        request_id: request_id.chars().take(100).collect(),
    };
    let mut database = Database::open(address, Access::Write).await?;
    database.log_write(entry).await?;
    database.close().await?;
    if done.is_ok() {
        app.written.notify_one();
    }
    Ok(done)
}
