//! Errors of requests as problem details (RFC 9457).

use std::borrow::Cow;

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::oidc::OidcRefusal;
use crate::model::{suggestion, with_causes};
use crate::store::database::DatabaseError;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("`{name}` is {found:?}, expected {expected}")]
    Parameter { name: String, found: String, expected: String },
    #[error("`{name}` is {found:?}, which is unknown; {help}")]
    Unknown { name: String, found: String, help: String },
    #[error("unknown parameter `{name}`; {help}")]
    UnknownParameter { name: String, help: String },
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotFound(String),
    #[error("no format of Accept is offered; offered: application/json, text/csv, application/x-ndjson, application/vnd.apache.parquet")]
    NotAcceptable,
    #[error("method {method} is not allowed; allowed: {allowed}")]
    Method { method: String, allowed: &'static str },
    /// More rows than one answer may be made of.
    #[error("the query selects more than {most} {what}; narrow it by filter, branch, since or until")]
    TooMany { most: usize, what: &'static str },
    #[error("the query took longer than {0} s; narrow it by filter, branch, since or until")]
    TooSlow(u64),
    #[error("the server is busy; try again later")]
    Busy,
    #[error("too many requests; try again in {retry_s} s")]
    RateLimited { retry_s: u64 },
    #[error("{0}")]
    Unauthorized(Cow<'static, str>),
    /// The issuer of OpenID Connect tokens does not answer.
    #[error("{0}")]
    Issuer(OidcRefusal),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Conflict(String),
    #[error("the Content-Type is {found:?}, expected {expected}")]
    MediaType { found: String, expected: &'static str },
    #[error("the body is larger than {0} bytes, or was broken off")]
    TooLarge(usize),
    #[error("{0}")]
    Unprocessable(String),
    #[error("{0}")]
    ReadOnly(&'static str),
    /// Details go to the log, because they may name files and addresses of the server.
    #[error("cannot read the history; see the server's log")]
    Database(#[source] DatabaseError),
    #[error("internal error; see the server's log")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Problem details of an error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says which kind of problem it is.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
}

/// The media type of problem details.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::NoRun { id, .. } => Self::no_run(id),
            DatabaseError::State { id, state } => Self::Conflict(format!("run {id} is already {state}")),
            DatabaseError::Locked(_) => Self::Busy,
            error @ (DatabaseError::Missing(_)
            | DatabaseError::NotSqlite(_)
            | DatabaseError::Foreign(_)
            | DatabaseError::Newer { .. }
            | DatabaseError::Older { .. }
            | DatabaseError::Full(_)
            | DatabaseError::Damaged(_)
            | DatabaseError::Unopened(_)
            | DatabaseError::ReadOnly(_)
            | DatabaseError::Disk { .. }
            | DatabaseError::Server { .. }
            | DatabaseError::Migrate { .. }
            | DatabaseError::Sql { .. }
            | DatabaseError::Row { .. }) => Self::Database(error),
        }
    }
}

impl From<OidcRefusal> for ApiError {
    fn from(refusal: OidcRefusal) -> Self {
        match refusal {
            OidcRefusal::Token(_) => Self::Unauthorized(refusal.to_string().into()),
            OidcRefusal::Rule(words) => Self::Forbidden(words),
            OidcRefusal::Keys => Self::Issuer(refusal),
        }
    }
}

impl ApiError {
    pub(super) fn unauthorized(words: &'static str) -> Self {
        Self::Unauthorized(Cow::Borrowed(words))
    }

    pub(super) fn parameter(name: &str, found: &str, expected: impl Into<String>) -> Self {
        Self::Parameter {
            name: name.to_owned(),
            found: found.chars().take(200).collect(),
            expected: expected.into(),
        }
    }

    /// A word that is none of those that are known.
    pub(super) fn unknown(name: &str, found: &str, known: &[&str]) -> Self {
        Self::Unknown {
            name: name.to_owned(),
            found: found.chars().take(200).collect(),
            help: suggestion(found, known),
        }
    }

    pub(super) fn no_run(id: i64) -> Self {
        Self::NotFound(format!("there is no run {id}; /api/v1/runs lists them"))
    }

    pub(super) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(error))
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Parameter { .. } | Self::Unknown { .. } | Self::UnknownParameter { .. } | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooMany { .. } | Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooSlow(_) | Self::Busy | Self::Issuer(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::ReadOnly(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Database(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = with_causes(&self), "request failed");
        }
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.to_string(),
        };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_TYPE)], body).into_response();
        let headers = response.headers_mut();
        match &self {
            Self::RateLimited { retry_s } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_s));
            }
            Self::Busy | Self::TooSlow(_) | Self::Issuer(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            Self::Unauthorized(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"imax\""));
            }
            Self::Method { allowed, .. } => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Parameter { .. }
            | Self::Unknown { .. }
            | Self::UnknownParameter { .. }
            | Self::Invalid(_)
            | Self::NotFound(_)
            | Self::NotAcceptable
            | Self::TooMany { .. }
            | Self::Forbidden(_)
            | Self::Conflict(_)
            | Self::MediaType { .. }
            | Self::TooLarge(_)
            | Self::Unprocessable(_)
            | Self::ReadOnly(_)
            | Self::Database(_)
            | Self::Internal(_) => {}
        }
        response
    }
}
