//! Who asks: `Authorization: Bearer`, with a token of this history or one that GitHub signed for a workflow. A token of the history is found by
//! the SHA-256 of its text, so that the history holds nothing that lets anybody in, and comparing takes no time that tells of another token.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;

use super::app::App;
use super::error::ApiError;
use super::oidc::{Oidc, Workflow};
use crate::model::{Digest, Secret};
use crate::store::database::{Database, Scope, Token};
use crate::system::files::FileError;

/// What the text of a token begins with, so that scanners for secrets find it.
const TOKEN_PREFIX: &str = "imax_";
/// No token is longer.
const LONGEST_TOKEN: usize = 100;

/// Who asks, and what they may do.
#[derive(Debug)]
pub(super) struct Holder {
    pub token: Token,
    /// What identifies a workflow, whose token is not one of the history. Its number is 0 before its first write.
    pub workflow: Option<Workflow>,
}

/// The holder of a request's token, if it counts and allows what is wanted. A revoked or expired token gets the answer of an unknown one.
///
/// # Errors
/// [`ApiError::Unauthorized`], [`ApiError::Forbidden`], [`ApiError::Issuer`].
pub(super) async fn authorized(app: &App, headers: &HeaderMap, wanted: Option<Scope>) -> Result<Holder, ApiError> {
    let text = token_text(headers)?;
    // Before a connection is taken: the issuer may be slow, and anybody can send what looks like its token.
    let workflow = match &app.oidc {
        Some(oidc) if Oidc::is_meant_by(text) => Some(oidc.workflow(text).await?),
        Some(_) | None => None,
    };
    let mut reader = app.reader().await?;
    let holder = match workflow {
        Some(workflow) => holder_of(workflow, &mut reader).await,
        None => own_token(&mut reader, text).await.map(|token| Holder { token, workflow: None }),
    };
    reader.give_back();
    let holder = holder?;
    match wanted {
        Some(scope) if !holder.token.allows(scope) => Err(lacks(scope)),
        Some(_) | None => Ok(holder),
    }
}

/// The refusal of a token without a scope.
pub(super) fn lacks(scope: Scope) -> ApiError {
    ApiError::Forbidden(format!("the token lacks the scope {}", scope.as_str()))
}

async fn own_token(database: &mut Database, text: &str) -> Result<Token, ApiError> {
    if !text.starts_with(TOKEN_PREFIX) || text.len() > LONGEST_TOKEN {
        return Err(NEEDED);
    }
    let found = database.token(&Digest::of(text.as_bytes())).await?;
    let token = found.filter(|token| token.is_valid_at(Utc::now()));
    token.ok_or_else(|| ApiError::unauthorized("the token is unknown, revoked or expired; imax token create makes another"))
}

async fn holder_of(workflow: Workflow, database: &mut Database) -> Result<Holder, ApiError> {
    let known = database.token(&workflow.identity.hash).await?;
    if known.as_ref().is_some_and(|known| known.revoked.is_some()) {
        return Err(ApiError::unauthorized("the repository was revoked by imax token revoke"));
    }
    let id = known.map_or(0, |known| known.id);
    Ok(Holder {
        token: Token::of_identity(id, &workflow.identity),
        workflow: Some(workflow),
    })
}

const NEEDED: ApiError = ApiError::Unauthorized(Cow::Borrowed(
    "a token is needed: Authorization: Bearer imax_…; imax token create makes one",
));

fn token_text(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(NEEDED);
    };
    let text = value.to_str().map_err(|_| NEEDED)?;
    match text.split_once(' ') {
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("bearer") => Ok(text),
        Some(_) | None => Err(NEEDED),
    }
}

/// Keeps readers without a token out where reads are closed, and counts the requests of those with one.
pub(super) async fn closed(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response, ApiError> {
    if !app.rules.is_closed {
        return Ok(next.run(request).await);
    }
    let (headers, time) = (request.headers().clone(), app.limits.query_time);
    let checking = Arc::clone(&app);
    let check = move || async move { authorized(&checking, &headers, None).await };
    let holder = app.reads.run(time, check).await?;
    let counted = app.rates.count_token(holder.token.id);
    let mut response = match &counted {
        Some(counted) if counted.is_above() => counted.refusal().into_response(),
        Some(_) | None => next.run(request).await,
    };
    if let Some(counted) = counted {
        counted.mark(response.headers_mut());
    }
    Ok(response)
}

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// A new token and its hash.
///
/// # Errors
/// If the system gives no random bytes.
pub(crate) fn new_token() -> Result<(Secret, Digest), FileError> {
    let mut bytes = [0; TOKEN_BYTES];
    let path = Path::new("/dev/urandom");
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = Digest::of(text.as_bytes());
    Ok((Secret::new(text), hash))
}
