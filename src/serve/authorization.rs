//! Tokens of requests: `Authorization: Bearer imax_…`. A token is found by the SHA-256 of its text, so that the history holds nothing that lets
//! anybody in, and comparing takes no time that tells of another token.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;

use super::app::App;
use super::error::ApiError;
use crate::model::{Digest, Secret};
use crate::store::database::{Database, Scope, Token};
use crate::system::files::FileError;

/// What the text of a token begins with, so that scanners for secrets find it.
const TOKEN_PREFIX: &str = "imax_";
/// No token is longer.
const LONGEST_TOKEN: usize = 100;

/// The token of a request, if it counts and allows what is wanted. One that does not count is not told from one that there never was.
///
/// # Errors
/// [`ApiError::Unauthorized`], [`ApiError::Forbidden`].
pub(super) async fn authorize(database: &mut Database, headers: &HeaderMap, wanted: Option<Scope>) -> Result<Token, ApiError> {
    let text = token_text(headers)?;
    let found = database.token(&Digest::of(text.as_bytes())).await?;
    let token = found.filter(|token| token.is_valid_at(Utc::now()));
    let token = token.ok_or(ApiError::Unauthorized("the token is unknown, revoked or expired"))?;
    match wanted {
        Some(scope) if !token.allows(scope) => Err(ApiError::Forbidden(format!("the token has not the scope {}", scope.as_str()))),
        Some(_) | None => Ok(token),
    }
}

fn token_text(headers: &HeaderMap) -> Result<&str, ApiError> {
    const NEEDED: ApiError = ApiError::Unauthorized("a token is needed: Authorization: Bearer imax_…; imax token create makes one");
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(NEEDED);
    };
    let text = value.to_str().map_err(|_| NEEDED)?;
    let (scheme, text) = text.split_once(' ').ok_or(NEEDED)?;
    let is_token = scheme.eq_ignore_ascii_case("bearer") && text.starts_with(TOKEN_PREFIX) && text.len() <= LONGEST_TOKEN;
    if is_token { Ok(text) } else { Err(NEEDED) }
}

/// Keeps readers without a token out where reads are closed.
pub(super) async fn closed(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response, ApiError> {
    if app.rules.is_closed {
        let (headers, served, time) = (request.headers().clone(), app.served(), app.limits.query_time);
        let check = move || async move {
            let mut reader = served.readers.take().await?;
            let token = authorize(&mut reader, &headers, None).await;
            reader.give_back();
            token
        };
        app.reads.run(time, check).await?;
    }
    Ok(next.run(request).await)
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
