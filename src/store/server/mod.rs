//! A results API (`imax serve --writes`) as the place that runs are published to.

mod client;
mod credential;

use std::fmt;
use std::str::FromStr;

use url::Url;

pub(crate) use client::{PostedRuns, post};
pub(crate) use credential::{CredentialError, credential};

use super::database::Counts;
use crate::system::public_address::is_this_machine;

/// The address of a results API, without the path of its routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress(Url);

/// Invalid address of a results API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServerAddressError {
    #[error("{0:?} is not the address of a results API; expected one such as https://results.example.org")]
    Url(String),
    #[error("an address has no user or password; the token is read from IMAX_TOKEN")]
    Password,
    #[error("{0} would send the token unencrypted; expected https://, or http:// to this machine alone")]
    Plain(String),
}

/// Why a results API did not store runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("cannot set up HTTP: {0}")]
    Setup(String),
    #[error("cannot encode the runs as JSON: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("{server} cannot be reached: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("{server} answered {status}: {detail}")]
    Refused { server: String, status: u16, detail: String },
    #[error("{server} is not a results API of imax: {reason}")]
    Answer { server: String, reason: String },
}

impl ServerError {
    /// Whether there is neither a token nor a way to get one.
    pub(crate) fn is_without_token(&self) -> bool {
        matches!(self, Self::Credential(CredentialError::None))
    }
}

/// What a server counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct ServerCounts {
    pub runs: Counts,
    pub points: Counts,
    pub evals: Counts,
}

impl ServerAddress {
    /// Whether a text is meant as such an address.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        text.starts_with("https://") || text.starts_with("http://")
    }

    /// The address of a route below `/api/v1/`.
    fn route(&self, name: &str) -> String {
        format!("{self}/api/v1/{name}")
    }
}

impl FromStr for ServerAddress {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| ServerAddressError::Url(text.chars().take(200).collect()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ServerAddressError::Password);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ServerAddressError::Url(text.chars().take(200).collect()));
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_this_machine(&url) => Ok(Self(url)),
            _ => Err(ServerAddressError::Plain(url.to_string())),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn token_is_never_sent_unencrypted_to_another_machine() {
        for (text, shown) in [
            ("https://results.example.org", "https://results.example.org"),
            ("https://results.example.org/bench/", "https://results.example.org/bench"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost:8080", "http://localhost:8080"),
        ] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), shown);
        }
        for (text, words) in [
            ("http://results.example.org", "unencrypted"),
            ("http://localhost.example.org", "unencrypted"),
            ("https://jane:hunter2@results.example.org", "IMAX_TOKEN"),
            ("https://results.example.org/?x=1", "expected one such as"),
            ("https://", "expected one such as"),
        ] {
            let error = text.parse::<ServerAddress>().unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
