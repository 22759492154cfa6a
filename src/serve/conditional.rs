//! Conditional requests and kept answers: an answer is the same as long as the history has no change (RFC 9110, sections 8.8 and 13).

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::app::App;
use super::body_cache::{BodyCache, KeptBody, MakingTurn};
use super::error::ApiError;
use super::format::Format;
use crate::model::Digest;

/// Answers with 304 where the client has the answer already, and from the kept answers.
pub(super) async fn conditional(State(app): State<Arc<App>>, request: Request, next: Next) -> Result<Response, ApiError> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(next.run(request).await);
    }
    let state = state(&app).await?;
    let (parts, body) = request.into_parts();
    // Paths without formats, such as badges, have one of their own.
    let format = Format::of_request(&parts).map_or("", Format::suffix);
    let name = format!("{state} {format} {}", parts.uri);
    let digest = Digest::of(name.as_bytes()).to_string();
    // Weak, because compression changes the bytes.
    let validator = format!("W/\"{}\"", digest.get(..32).unwrap_or_default());
    let cache_control = if app.rules.is_closed {
        "private, no-cache"
    } else if parts.uri.path().starts_with("/api/") {
        "public, no-cache"
    } else {
        // Pictures are in pages that many read, through caches that do not ask again for each reader.
        "public, max-age=300"
    };
    if is_known(&parts.headers, &validator) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        mark(response.headers_mut(), &validator, cache_control);
        return Ok(response);
    }
    // Many may ask for the same before it is made: one makes it, the others wait.
    let making: Option<MakingTurn<'_>>;
    let kept = match app.bodies.get(&validator) {
        Some(kept) => {
            making = None;
            Some(kept)
        }
        None => {
            making = app.bodies.turn(&validator).await;
            app.bodies.get(&validator)
        }
    };
    if let Some(KeptBody { content_type, body }) = kept {
        let mut response = ([(CONTENT_TYPE, content_type)], body).into_response();
        mark(response.headers_mut(), &validator, cache_control);
        return Ok(response);
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status() != StatusCode::OK {
        return Ok(response);
    }
    let mut response = keep(&app, &state, &validator, response).await?;
    drop(making);
    mark(response.headers_mut(), &validator, cache_control);
    Ok(response)
}

/// The state of the history: the content of files, or the number of a database's newest change.
async fn state(app: &App) -> Result<String, ApiError> {
    let served = app.served();
    match &served.generation {
        Some(generation) => Ok(format!("{} {}", env!("CARGO_PKG_VERSION"), generation.now().await?)),
        None => Ok(served.tag.clone()),
    }
}

fn is_known(headers: &HeaderMap, validator: &str) -> bool {
    let opaque = validator.trim_start_matches("W/");
    let known = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || known.trim().trim_start_matches("W/") == opaque)
}

fn mark(headers: &mut HeaderMap, validator: &str, cache_control: &'static str) {
    if let Ok(value) = HeaderValue::from_str(validator) {
        headers.insert(ETAG, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.append(VARY, HeaderValue::from_static("accept"));
}

/// Keeps an answer whose size is known and small; others are streamed.
async fn keep(app: &App, state: &str, validator: &str, response: Response) -> Result<Response, ApiError> {
    let size = response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let content_type = response.headers().get(CONTENT_TYPE).cloned();
    let (Some(size), Some(content_type)) = (size, content_type) else {
        return Ok(response);
    };
    if !BodyCache::is_small_enough(size) {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, BodyCache::largest()).await.map_err(ApiError::internal)?;
    let kept = KeptBody {
        content_type,
        body: body.clone(),
    };
    app.bodies.put(state, validator.to_owned(), kept);
    Ok(Response::from_parts(parts, Body::from(body)))
}
