//! Headers of all answers, and pages of other origins.

use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::ServeError;

/// Adds the headers that keep a browser from running or guessing anything. Answers are data; the dashboards' pages bring their own policy.
pub(super) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Which other origins may read. Writes are for programs alone: no cookie is ever looked at, so that there is nothing to forge.
///
/// # Errors
/// [`ServeError::Origin`] for an invalid origin.
pub(super) fn cors(origins: &[String]) -> Result<CorsLayer, ServeError> {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD])
        .expose_headers([axum::http::header::ETAG, axum::http::header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(layer.allow_origin(AllowOrigin::any()));
    }
    let values: Result<Vec<HeaderValue>, ServeError> = origins.iter().map(|origin| checked(origin)).collect();
    Ok(layer.allow_origin(AllowOrigin::list(values?)))
}

fn checked(origin: &str) -> Result<HeaderValue, ServeError> {
    let wrong = || ServeError::Origin(origin.to_owned());
    let url = url::Url::parse(origin).map_err(|_| wrong())?;
    if url.origin().ascii_serialization() != origin {
        return Err(wrong());
    }
    HeaderValue::from_str(origin).map_err(|_| wrong())
}
