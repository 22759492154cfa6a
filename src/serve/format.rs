//! The format of an answer: by the suffix of the path, else by `Accept` (RFC 9110, section 12.5.1).

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Uri};

use super::error::ApiError;

/// The format of a list of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
    Ndjson,
    Parquet,
}

/// A format that a suffix of the path asked for.
#[derive(Debug, Clone, Copy)]
struct Suffix(Format);

impl Format {
    pub(super) const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Ndjson, Self::Parquet];

    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Json => ".json",
            Self::Csv => ".csv",
            Self::Ndjson => ".ndjson",
            Self::Parquet => ".parquet",
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json | Self::Ndjson | Self::Parquet => self.media_type(),
        }
    }

    /// The acceptable format with the largest weight; of equal ones the first of [`Format::ALL`]. `None` if none is acceptable.
    fn of_accept(headers: &HeaderMap) -> Option<Self> {
        let mut ranges: Vec<(String, f32)> = Vec::new();
        for value in headers.get_all(ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default().to_ascii_lowercase();
                let weight = parts
                    .find_map(|part| part.strip_prefix("q="))
                    .and_then(|weight| weight.parse().ok());
                if !name.is_empty() {
                    ranges.push((name, weight.unwrap_or(1.0)));
                }
            }
        }
        if ranges.is_empty() {
            return Some(Self::Json);
        }
        let weighed = Self::ALL.into_iter().map(|format| (format, format.weight(&ranges)));
        let acceptable = weighed.filter(|(_, weight)| *weight > 0.0);
        // `max_by` gives the last of equal ones.
        acceptable
            .rev()
            .max_by(|left, right| left.1.total_cmp(&right.1))
            .map(|(format, _)| format)
    }

    /// The most specific range decides.
    fn weight(self, ranges: &[(String, f32)]) -> f32 {
        let name = self.media_type();
        let group = name.split_once('/').map_or_else(String::new, |(group, _)| format!("{group}/*"));
        let found = [name, &group, "*/*"]
            .into_iter()
            .find_map(|wanted| ranges.iter().find(|(range, _)| range == wanted));
        found.map_or(0.0, |(_, weight)| *weight)
    }
}

/// Takes the suffix of a format from the path, before the router sees it.
pub(super) fn take_suffix<B>(mut request: Request<B>) -> Request<B> {
    let path = request.uri().path();
    if !path.starts_with("/api/v1/") {
        return request;
    }
    let found = Format::ALL
        .into_iter()
        .find_map(|format| Some((path.strip_suffix(format.suffix())?, format)));
    let Some((stem, format)) = found.filter(|(stem, _)| !stem.ends_with('/')) else {
        return request;
    };
    let target = match request.uri().query() {
        Some(query) => format!("{stem}?{query}"),
        None => stem.to_owned(),
    };
    if let Ok(uri) = target.parse::<Uri>() {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(Suffix(format));
    }
    request
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of_request(parts)
    }
}

impl Format {
    pub(super) fn of_request(parts: &Parts) -> Result<Self, ApiError> {
        match parts.extensions.get::<Suffix>() {
            Some(Suffix(format)) => Ok(*format),
            None => Self::of_accept(&parts.headers).ok_or(ApiError::NotAcceptable),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn accept_chooses_by_weight_and_specificity() {
        for (accept, expected) in [
            ("", Some(Format::Json)),
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Format::Json)),
            ("text/*;q=0.5, application/json;q=0.4", Some(Format::Csv)),
            ("application/json;q=0, */*", Some(Format::Csv)),
            ("application/vnd.apache.parquet;q=0.9,text/csv;q=0.1", Some(Format::Parquet)),
            ("image/png", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(Format::of_accept(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn suffix_is_taken_from_paths_of_the_api_alone() {
        for (from, to, is_taken) in [
            ("/api/v1/points.csv?limit=1", "/api/v1/points?limit=1", true),
            ("/api/v1/files/abc.json", "/api/v1/files/abc", true),
            ("/api/v1/.csv", "/api/v1/.csv", false),
            ("/badge/x.csv", "/badge/x.csv", false),
        ] {
            let request = take_suffix(Request::builder().uri(from).body(()).unwrap());
            assert_eq!(request.uri().to_string(), to);
            assert_eq!(request.extensions().get::<Suffix>().is_some(), is_taken, "{from}");
        }
    }
}
