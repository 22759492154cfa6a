//! Writes: who asks, whether it is allowed, one after another, and the log of them.

use std::collections::HashMap;
use std::sync::Arc;
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

use super::app::{App, PeerAddress, Shared};
use super::authorization::authorize;
use super::blocking::on_blocking_thread;
use super::error::ApiError;
use super::form::{Form, Nothing};
use crate::store::database::{Access, Address, Database, NewAuditEntry, RunFilter, Scope, Token};

/// How long a write may take, the turn of others included.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// A write that is allowed.
pub(super) struct WriteRequest {
    pub token: Token,
    pub headers: HeaderMap,
    /// Parameters of the path.
    pub path: HashMap<String, String>,
    pub body: Bytes,
}

/// What a write has done: the answer, and a sentence for the log.
pub(super) struct Written {
    pub status: StatusCode,
    pub answer: Value,
    pub detail: String,
}

impl WriteRequest {
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
        if let Some(own) = self.token.project.as_deref().filter(|own| *own != project) {
            return Err(ApiError::Forbidden(format!(
                "the token is of the project {own:?}, not of {project:?}"
            )));
        }
        match self.token.branch.as_deref() {
            Some(own) if branch != Some(own) => Err(ApiError::Forbidden(format!("the token is of the branch {own:?} alone"))),
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
        let run = run.ok_or_else(|| ApiError::NotFound(format!("there is no run {id}")))?;
        self.check_bounds(&run.project, run.branch.as_deref())
    }

    /// Whether the token may write to all projects and branches.
    pub(super) fn is_unbound(&self) -> bool {
        self.token.project.is_none() && self.token.branch.is_none()
    }
}

/// A route that writes. `action` is its name in the log.
pub(super) fn write<F>(
    action: &'static str,
    scope: Scope,
    handler: impl Fn(Address, WriteRequest) -> F + Clone + Send + Sync + 'static,
) -> MethodRouter<Arc<App>>
where
    F: Future<Output = Result<Written, ApiError>>,
{
    post(
        move |State(app): Shared, Path(path): Path<HashMap<String, String>>, Form(Nothing {}, _): Form<Nothing>, request: Request| async move {
            let (parts, body) = request.into_parts();
            let client = parts
                .extensions
                .get::<PeerAddress>()
                .map_or_else(String::new, |peer| peer.0.ip().to_string());
            let asked = Asked {
                action,
                scope,
                client,
                headers: parts.headers,
                path,
                body: read_body(body, app.limits.body).await?,
            };
            on_blocking_thread(WRITE_TIME, move || carry_out(app, asked, handler)).await
        },
    )
}

/// A write that nobody has looked at.
struct Asked {
    action: &'static str,
    scope: Scope,
    client: String,
    headers: HeaderMap,
    path: HashMap<String, String>,
    body: Bytes,
}

async fn read_body(body: Body, most: usize) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, most)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        // The body is broken off or too large; which one, the error does not tell by its type.
        Ok(Err(_)) => Err(ApiError::TooLarge(most)),
        Err(_) => Err(ApiError::TooSlow(BODY_TIME.as_secs())),
    }
}

/// Checks the token, lets the write have its turn, and logs it. Requests without a valid token are not logged: anybody could fill the history.
async fn carry_out<F>(app: Arc<App>, asked: Asked, handler: impl Fn(Address, WriteRequest) -> F) -> Result<Response, ApiError>
where
    F: Future<Output = Result<Written, ApiError>>,
{
    let served = app.served();
    let (true, Some(address)) = (app.rules.is_writable, served.writes_to.clone()) else {
        return Err(ApiError::ReadOnly("this server does not write; imax serve --writes does"));
    };
    let Asked {
        action,
        scope,
        client,
        headers,
        path,
        body,
    } = asked;
    let mut reader = served.readers.take().await?;
    let token = authorize(&mut reader, &headers, None).await;
    reader.give_back();
    let token = token?;
    let request_id = headers
        .get("x-request-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let (id, is_allowed) = (token.id, token.allows(scope));
    let done = if is_allowed {
        // One after another: the history takes one writer at a time, and those who wait should not hold connections.
        let _turn = app.turn.lock().await;
        let request = WriteRequest {
            token,
            headers,
            path,
            body,
        };
        handler(address.clone(), request).await
    } else {
        Err(ApiError::Forbidden(format!("the token has not the scope {}", scope.as_str())))
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
    let mut database = Database::open(&address, Access::Write).await?;
    database.log_write(entry).await?;
    database.close().await?;
    let written = done?;
    Ok((written.status, Json(written.answer)).into_response())
}
