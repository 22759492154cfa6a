//! The script and the style of the dashboards as files.

use std::io::Read as _;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::read::GzDecoder;

use super::ServeError;
use crate::model::Digest;
use crate::report::{SCRIPT_GZ, STYLE_GZ};

/// The address has the digest of the content, so a browser may keep it for ever.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A file of the pages.
#[derive(Debug, Clone)]
pub(super) struct PageFile {
    address: String,
    content_type: &'static str,
    compressed: &'static [u8],
    plain: Bytes,
}

impl PageFile {
    /// # Errors
    /// [`ServeError::Page`].
    pub(super) fn script() -> Result<Self, ServeError> {
        Self::of("js", "text/javascript; charset=utf-8", SCRIPT_GZ)
    }

    /// # Errors
    /// [`ServeError::Page`].
    pub(super) fn style() -> Result<Self, ServeError> {
        Self::of("css", "text/css; charset=utf-8", STYLE_GZ)
    }

    fn of(ending: &str, content_type: &'static str, compressed: &'static [u8]) -> Result<Self, ServeError> {
        let mut plain = Vec::new();
        GzDecoder::new(compressed).read_to_end(&mut plain).map_err(ServeError::Page)?;
        let digest = Digest::of(&plain).to_string();
        Ok(Self {
            address: format!("/assets/app-{}.{ending}", digest.get(..16).unwrap_or_default()),
            content_type,
            compressed,
            plain: Bytes::from(plain),
        })
    }

    /// Its path on the server.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.plain
    }

    pub(super) fn route<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let address = self.address.clone();
        let file = move |headers: HeaderMap| {
            let file = self.clone();
            async move { file.answer(&headers) }
        };
        Router::new().route(&address, get(file))
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let common = [
            (CONTENT_TYPE, self.content_type),
            (CACHE_CONTROL, FOREVER),
            (VARY, "accept-encoding"),
        ];
        if takes_gzip(headers) {
            return (common, [(CONTENT_ENCODING, "gzip")], self.compressed).into_response();
        }
        (common, self.plain.clone()).into_response()
    }
}

/// Whether `gzip` is acceptable: named, and not with the weight 0 (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_gzip && weight != Some(0.0)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (accepted, expected) in [
            ("", false),
            ("gzip, br", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(takes_gzip(&headers), expected, "{accepted}");
        }
    }
}
