//! The client: sends requests, retries them by the policy, and turns error responses into errors with a remedy.

use std::fmt;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Limited};
use octocrab::Octocrab;
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time;

use super::error::GithubError;
use super::limit::{Advice, LimitHeaders, advise};
use crate::model::Secret;
use crate::system::retry::{Attempt, GaveUp, RetryPolicy};

/// The time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for one request. GitHub itself times out after 10 s.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// The largest response that is read, bytes: a page of a hundred runs has about 1.5 MiB.
const MAX_RESPONSE: usize = 32 << 20;

/// `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// Checks that a text is `owner/name`, of the characters that GitHub allows in both.
    ///
    /// # Errors
    /// [`GithubError::Repository`] for anything else.
    pub fn parse(text: &str) -> Result<Self, GithubError> {
        match text.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(GithubError::Repository(text.to_owned())),
        }
    }
}

fn is_name(part: &str) -> bool {
    let is_allowed = part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_allowed && !part.is_empty() && part != "." && part != ".."
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The URL of the API, and the credentials.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `https://api.github.com`, or the URL of a GitHub Enterprise Server's API.
    pub api_url: String,
    /// The token.
    pub token: Secret,
    /// How requests are retried.
    pub retry: RetryPolicy,
}

impl ClientSettings {
    /// From `GITHUB_API_URL` and `GITHUB_TOKEN` or `GH_TOKEN`, which `lookup` gives.
    ///
    /// # Errors
    /// [`GithubError::NoToken`].
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, GithubError> {
        let variable = |name| lookup(name).filter(|value| !value.is_empty());
        let token = variable("GITHUB_TOKEN")
            .or_else(|| variable("GH_TOKEN"))
            .ok_or(GithubError::NoToken)?;
        Ok(Self {
            api_url: variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned()),
            token: Secret::new(token),
            retry: RetryPolicy::default(),
        })
    }
}

/// A client for the API that the environment names, and the repository. Must be called within a tokio runtime.
///
/// # Errors
/// [`GithubError`] if the repository is not `owner/name`, there is no token, or the client cannot be set up.
pub(crate) fn connect(repository: Option<&str>) -> Result<(Client, RepositoryName), GithubError> {
    let repository = RepositoryName::parse(repository.unwrap_or_default())?;
    let settings = ClientSettings::from_environment(|name| std::env::var(name).ok())?;
    Ok((Client::new(&settings)?, repository))
}

/// The same with the token in another variable, for a repository that the workflow's own token cannot write to.
///
/// # Errors
/// As [`connect`].
pub(crate) fn connect_with_token_in(variable: &'static str, repository: &str) -> Result<(Client, RepositoryName), GithubError> {
    let repository = RepositoryName::parse(repository)?;
    let is_token = |name: &str| matches!(name, "GITHUB_TOKEN" | "GH_TOKEN");
    let lookup = |name: &str| std::env::var(if is_token(name) { variable } else { name }).ok();
    // The token is all that an environment can lack.
    let settings = ClientSettings::from_environment(lookup).map_err(|_| GithubError::NoTokenIn(variable))?;
    Ok((Client::new(&settings)?, repository))
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request. The path begins with `/`; the body is JSON.
pub(super) struct Request<'a, B: Serialize + ?Sized> {
    method: Method,
    path: &'a str,
    body: Option<&'a B>,
    /// The permission that the request needs, as YAML, for the error.
    permission: &'static str,
    /// The entity tag of the known version: the body is sent only if it changed.
    if_none_match: Option<&'a str>,
}

impl<'a> Request<'a, ()> {
    pub(super) fn get(path: &'a str, permission: &'static str) -> Self {
        Self::without_body(Method::Get, path, permission)
    }

    pub(super) fn delete(path: &'a str, permission: &'static str) -> Self {
        Self::without_body(Method::Delete, path, permission)
    }

    fn without_body(method: Method, path: &'a str, permission: &'static str) -> Self {
        Self {
            method,
            path,
            body: None,
            permission,
            if_none_match: None,
        }
    }

    /// Makes the request conditional.
    pub(super) fn if_none_match(mut self, etag: Option<&'a str>) -> Self {
        self.if_none_match = etag;
        self
    }
}

impl<'a, B: Serialize + ?Sized> Request<'a, B> {
    /// `POST` or `PATCH`.
    pub(super) fn write(method: Method, path: &'a str, body: &'a B, permission: &'static str) -> Self {
        Self {
            method,
            path,
            body: Some(body),
            permission,
            if_none_match: None,
        }
    }
}

impl<B: Serialize + ?Sized> fmt::Display for Request<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.name(), self.path)
    }
}

/// A response of any status.
struct ApiResponse {
    status: u16,
    limits: LimitHeaders,
    etag: Option<String>,
    body: String,
}

/// The response to a conditional request.
pub(super) enum Conditional<T> {
    /// The value has changed.
    Modified {
        value: T,
        /// For the next conditional request.
        etag: Option<String>,
    },
    NotModified,
}

/// A client of GitHub's API.
#[derive(Debug, Clone)]
pub struct Client {
    octocrab: Octocrab,
    settings: ClientSettings,
}

impl Client {
    /// Creates a client; nothing is sent yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`GithubError::Setup`] for an invalid URL, or if there are no root certificates.
    pub fn new(settings: &ClientSettings) -> Result<Self, GithubError> {
        let failed = |error: octocrab::Error| GithubError::Setup {
            url: settings.api_url.clone(),
            reason: error_text(&error),
        };
        let builder = Octocrab::builder()
            .base_uri(settings.api_url.trim_end_matches('/'))
            .map_err(failed)?;
        let builder = builder.personal_token(settings.token.expose());
        let builder = builder
            .set_connect_timeout(Some(CONNECT_TIMEOUT))
            .set_read_timeout(Some(REQUEST_DEADLINE));
        Ok(Self {
            octocrab: builder.build().map_err(failed)?,
            settings: settings.clone(),
        })
    }

    pub(super) fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Sends a request and parses the response.
    pub(super) async fn read<T: DeserializeOwned, B: Serialize + ?Sized>(&self, request: Request<'_, B>) -> Result<T, GithubError> {
        let name = request.to_string();
        let response = self.respond(&request).await?;
        parsed(&name, &response.body)
    }

    /// Sends a conditional request.
    pub(super) async fn read_changed<T: DeserializeOwned>(&self, request: Request<'_, ()>) -> Result<Conditional<T>, GithubError> {
        let name = request.to_string();
        let response = self.respond(&request).await?;
        if response.status == NOT_MODIFIED {
            return Ok(Conditional::NotModified);
        }
        Ok(Conditional::Modified {
            value: parsed(&name, &response.body)?,
            etag: response.etag,
        })
    }

    /// Sends a request and gives the body of the response.
    pub(super) async fn send<B: Serialize + ?Sized>(&self, request: Request<'_, B>) -> Result<String, GithubError> {
        Ok(self.respond(&request).await?.body)
    }

    /// Sends a request, with retries.
    async fn respond<B: Serialize + ?Sized>(&self, request: &Request<'_, B>) -> Result<ApiResponse, GithubError> {
        let attempts = self.settings.retry.run(async || {
            let response = match self.once(request).await {
                Ok(response) => response,
                Err(reason) => return Attempt::Again { wait: None, reason },
            };
            let message = message_of(&response.body);
            let wait = match advise(response.status, &response.limits, &message, SystemTime::now()) {
                Advice::Accept => return Attempt::Done(accept(request, response, message)),
                Advice::Retry => None,
                Advice::RetryAfter(asked) => Some(asked),
            };
            let reason = format!("status {}: {message}", response.status);
            Attempt::Again { wait, reason }
        });
        attempts.await.unwrap_or_else(|gave_up| Err(given_up(request.to_string(), gave_up)))
    }

    /// One attempt. The error is text, because it is only shown.
    async fn once<B: Serialize + ?Sized>(&self, request: &Request<'_, B>) -> Result<ApiResponse, String> {
        let attempt = async {
            let response = match request.method {
                Method::Get => {
                    self.octocrab
                        ._get_with_headers(request.path, condition(request.if_none_match))
                        .await
                }
                Method::Post => self.octocrab._post(request.path, request.body).await,
                Method::Patch => self.octocrab._patch(request.path, request.body).await,
                Method::Delete => self.octocrab._delete(request.path, request.body).await,
            };
            let response = response.map_err(|error| error_text(&error))?;
            let status = response.status().as_u16();
            let header = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse().ok();
            let limits = LimitHeaders {
                retry_after: header("retry-after"),
                remaining: header("x-ratelimit-remaining"),
                reset: header("x-ratelimit-reset"),
                date: response.headers().get("date").and_then(date_of),
            };
            let etag = response
                .headers()
                .get(ETAG)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
            let body = body.map_err(|error| format!("body of at most {MAX_RESPONSE} bytes expected: {error}"))?;
            let body = String::from_utf8(body.to_bytes().into()).map_err(|error| error.to_string())?;
            tracing::debug!(%request, status, remaining = limits.remaining, bytes = body.len(), "GitHub response");
            Ok(ApiResponse {
                status,
                limits,
                etag,
                body,
            })
        };
        match time::timeout(REQUEST_DEADLINE, attempt).await {
            Ok(response) => response,
            Err(_) => Err(format!("no response within {} s", REQUEST_DEADLINE.as_secs())),
        }
    }
}

const NOT_MODIFIED: u16 = 304;

/// The header that makes a request conditional. An invalid tag is not sent: the response is then complete.
fn condition(etag: Option<&str>) -> Option<HeaderMap> {
    let value = HeaderValue::from_str(etag?).ok()?;
    Some(HeaderMap::from_iter([(IF_NONE_MATCH, value)]))
}

/// Seconds since 1970 of a `date` header.
fn date_of(value: &HeaderValue) -> Option<u64> {
    let date = chrono::DateTime::parse_from_rfc2822(value.to_str().ok()?).ok()?;
    u64::try_from(date.timestamp()).ok()
}

fn parsed<T: DeserializeOwned>(request: &str, body: &str) -> Result<T, GithubError> {
    serde_json::from_str(body).map_err(|error| GithubError::Response {
        request: request.to_owned(),
        reason: error.to_string(),
    })
}

/// The error after the last attempt.
pub(super) fn given_up(request: String, gave_up: GaveUp) -> GithubError {
    match gave_up {
        GaveUp::TooLong { wait } => GithubError::RateLimited { request, wait },
        GaveUp::Exhausted { attempts, reason } => GithubError::Unreachable { request, attempts, reason },
    }
}

fn accept<B: Serialize + ?Sized>(request: &Request<'_, B>, response: ApiResponse, message: String) -> Result<ApiResponse, GithubError> {
    match response.status {
        200..300 | NOT_MODIFIED => Ok(response),
        status => Err(refused(request.to_string(), status, message, request.permission)),
    }
}

/// The error of an error response.
pub(super) fn refused(request: String, status: u16, message: String, permission: &'static str) -> GithubError {
    match status {
        403 => GithubError::Forbidden {
            request,
            message,
            permission,
        },
        404 => GithubError::NotFound { request },
        status => GithubError::Refused { request, status, message },
    }
}

/// The message in the body of an error response; the beginning of the body where it is not GitHub's JSON.
pub(super) fn message_of(body: &str) -> String {
    const LONGEST: usize = 200;
    let parsed: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let message = parsed.as_ref().and_then(|value| value.get("message")?.as_str());
    message.unwrap_or(body).chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// An error with its causes, the first line of each: octocrab's own message is often no more than "Service Error".
pub(super) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = error.to_string();
        let own = own.lines().next().unwrap_or_default();
        if !own.is_empty() && !text.contains(own) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(own);
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_name_has_owner_and_name() {
        assert!(RepositoryName::parse("octo-org/some.repo_1").is_ok());
        for text in ["", "octo", "octo/", "a/b/c", "a/..", "a/b?x=1", "a/b c"] {
            assert!(RepositoryName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn token_is_not_in_debug_output() {
        let settings = ClientSettings::from_environment(|name| (name == "GH_TOKEN").then(|| "ghs_secret".to_owned())).unwrap();
        assert!(!format!("{settings:?}").contains("ghs_secret"));
        assert_eq!(settings.api_url, "https://api.github.com");
    }
}
