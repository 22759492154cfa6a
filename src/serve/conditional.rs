//! Conditional requests and kept answers: an answer is the same as long as the history has no change (RFC 9110, sections 8.8 and 13).

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::app::App;
use super::body_cache::{BodyCache, HistoryState, KeptBody, MakingTurn};
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
    let name = format!("{} {format} {}", state.name, parts.uri);
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
    let is_any_known = is_any_known(&parts.headers);
    if is_known(&parts.headers, &validator) {
        return Ok(not_modified(&validator, cache_control));
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
    if is_any_known && kept.is_some() {
        return Ok(not_modified(&validator, cache_control));
    }
    if let Some(KeptBody { content_type, body }) = kept {
        let mut response = ([(CONTENT_TYPE, content_type)], body).into_response();
        mark(response.headers_mut(), &validator, cache_control);
        return Ok(response);
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status() != StatusCode::OK {
        return Ok(response);
    }
    // The history may have changed while the answer was made. Then the answer is right, and its validator another state's.
    if self::state(&app).await? != state {
        let mut response = response;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return Ok(response);
    }
    let mut response = keep(&app, &state, &validator, response).await?;
    drop(making);
    if is_any_known {
        return Ok(not_modified(&validator, cache_control));
    }
    mark(response.headers_mut(), &validator, cache_control);
    Ok(response)
}

/// The state of the history: the content of files, or the number of a database's newest change.
async fn state(app: &App) -> Result<HistoryState, ApiError> {
    let served = app.served();
    Ok(match &served.generation {
        Some(generation) => {
            let number = generation.now().await?;
            let name = format!("{} {number}", env!("CARGO_PKG_VERSION"));
            HistoryState { number, name }
        }
        None => HistoryState {
            number: served.changes,
            name: served.tag.clone(),
        },
    })
}

fn not_modified(validator: &str, cache_control: &'static str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    mark(response.headers_mut(), validator, cache_control);
    response
}

/// The validators of answers that the client has.
fn known(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_known(headers: &HeaderMap, validator: &str) -> bool {
    let opaque = validator.trim_start_matches("W/");
    known(headers).any(|known| known.trim_start_matches("W/") == opaque)
}

/// Whether any answer will do. Whether there is one is known when it is made: a path with nothing at it must not pass for unchanged.
fn is_any_known(headers: &HeaderMap) -> bool {
    known(headers).any(|known| known == "*")
}

fn mark(headers: &mut HeaderMap, validator: &str, cache_control: &'static str) {
    if let Ok(value) = HeaderValue::from_str(validator) {
        headers.insert(ETAG, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.append(VARY, HeaderValue::from_static("accept"));
}

/// Keeps an answer whose size is known and small; others are streamed.
async fn keep(app: &App, state: &HistoryState, validator: &str, response: Response) -> Result<Response, ApiError> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use axum::middleware;
    use serde_json::Value;
    use tower_service::Service as _;

    use super::*;
    use crate::serve::routes;
    use crate::serve::snapshot::Asker;
    use crate::serve::source::Source;
    use crate::settings::Regressions;
    use crate::store::history::HistoryHome;

    const NIGHTS: [&str; 2] = ["20261101T050000Z-01c0ffeec0ff.json", "20261102T050000Z-02c0ffeec0ff.json"];

    /// A history in files, and the server that reads it.
    #[derive(Clone)]
    struct Fixture {
        app: Arc<App>,
        folder: PathBuf,
    }

    impl Fixture {
        fn add(&self, night: &str) {
            let nights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report/history/history");
            std::fs::copy(nights.join(night), self.folder.join(night)).unwrap();
        }

        /// The second night is measured while the first request is answered.
        async fn change_first(State(fixture): State<Self>, request: Request, next: Next) -> Response {
            if fixture.app.served().changes == 0 {
                fixture.add(NIGHTS[1]);
                fixture.app.source.look().await;
            }
            next.run(request).await
        }
    }

    /// How many runs an answer has, and whether it has a validator.
    async fn runs(router: &mut axum::Router) -> (usize, bool) {
        let request = Request::builder().uri("/api/v1/runs").body(Body::empty()).unwrap();
        let response = router.call(request).await.unwrap();
        let has_validator = response.headers().contains_key(ETAG);
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        (document["data"].as_array().unwrap().len(), has_validator)
    }

    #[tokio::test]
    async fn answer_made_during_a_change_is_not_kept_for_the_state_before() {
        let folder = tempfile::tempdir().unwrap();
        let nights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report/history/history");
        std::fs::copy(nights.join(NIGHTS[0]), folder.path().join(NIGHTS[0])).unwrap();
        let home = HistoryHome::Folder(folder.path().to_owned());
        let source = Source::open(home, 2, Duration::from_secs(60)).await.unwrap();
        let fixture = Fixture {
            app: Asker::new(source, Regressions::default()).app,
            folder: folder.path().to_owned(),
        };
        let app = Arc::clone(&fixture.app);
        let mut router = routes::reads()
            .layer(middleware::from_fn_with_state(fixture.clone(), Fixture::change_first))
            .layer(middleware::from_fn_with_state(Arc::clone(&app), conditional))
            .with_state(app);
        assert_eq!(runs(&mut router).await, (2, false));
        assert_eq!(runs(&mut router).await, (2, true));
        // Back in the first state, whose validator the first request had.
        std::fs::remove_file(folder.path().join(NIGHTS[1])).unwrap();
        fixture.app.source.look().await;
        assert_eq!(runs(&mut router).await, (1, true));
    }
}
