//! The client: sends a request, tries again as the policy says, and turns refusals into errors with a remedy.

use std::fmt;
use std::time::{Duration, SystemTime};

use octocrab::Octocrab;
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time;

use super::error::GithubError;
use super::limit::{Advice, LimitHeaders, advise};
use crate::model::Secret;
use crate::system::retry::{Attempt, GaveUp, RetryPolicy};

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one request may take in all. GitHub itself gives up after 10 s.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository(String);

impl Repository {
    /// Checks that a text is `owner/name`, of the characters that GitHub allows in both.
    ///
    /// # Errors
    /// [`GithubError::Repository`] for anything else.
    pub fn parse(text: &str) -> Result<Self, GithubError> {
        let is_name = |part: &str| {
            let allowed = part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            allowed && !part.is_empty() && part != "." && part != ".."
        };
        match text.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(GithubError::Repository(text.to_owned())),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the API is, and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the API, `https://api.github.com` or that of a GitHub Enterprise Server.
    pub api_url: String,
    /// The token.
    pub token: Secret,
    /// What is tried again.
    pub retry: RetryPolicy,
}

impl Settings {
    /// From `GITHUB_API_URL` and `GITHUB_TOKEN` or `GH_TOKEN`, which `lookup` gives.
    ///
    /// # Errors
    /// [`GithubError::NoToken`].
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, GithubError> {
        let set = |name| lookup(name).filter(|value| !value.is_empty());
        let token = set("GITHUB_TOKEN").or_else(|| set("GH_TOKEN")).ok_or(GithubError::NoToken)?;
        Ok(Self {
            api_url: set("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned()),
            token: Secret::new(token),
            retry: RetryPolicy::default(),
        })
    }
}

/// A client for the API that the environment names, and the repository. Must be called within a tokio runtime.
///
/// # Errors
/// [`GithubError`] where the repository is not `owner/name`, there is no token, or the client cannot be set up.
pub(crate) fn connect(repository: Option<&str>) -> Result<(Client, Repository), GithubError> {
    let repository = Repository::parse(repository.unwrap_or_default())?;
    let settings = Settings::from_environment(|name| std::env::var(name).ok())?;
    Ok((Client::new(&settings)?, repository))
}

/// A method of HTTP that is used here.
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
    /// The permission in YAML that the request needs, for the error.
    permission: &'static str,
    /// Answer only where what is there is no longer this.
    unless: Option<&'a str>,
}

impl<'a> Request<'a, ()> {
    /// Reads something.
    pub(super) fn get(path: &'a str, permission: &'static str) -> Self {
        Self::without_body(Method::Get, path, permission)
    }

    /// Removes something.
    pub(super) fn delete(path: &'a str, permission: &'static str) -> Self {
        Self::without_body(Method::Delete, path, permission)
    }

    fn without_body(method: Method, path: &'a str, permission: &'static str) -> Self {
        Self {
            method,
            path,
            body: None,
            permission,
            unless: None,
        }
    }

    /// Reads only what has changed since the answer with this entity tag.
    pub(super) fn unless(mut self, etag: Option<&'a str>) -> Self {
        self.unless = etag;
        self
    }
}

impl<'a, B: Serialize + ?Sized> Request<'a, B> {
    /// Writes something: `POST` or `PATCH`.
    pub(super) fn write(method: Method, path: &'a str, body: &'a B, permission: &'static str) -> Self {
        Self {
            method,
            path,
            body: Some(body),
            permission,
            unless: None,
        }
    }
}

impl<B: Serialize + ?Sized> fmt::Display for Request<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.name(), self.path)
    }
}

/// An answer, whatever its status.
struct Answer {
    status: u16,
    limits: LimitHeaders,
    etag: Option<String>,
    body: String,
}

/// What a conditional request came to.
pub(super) enum Fresh<T> {
    /// There is something new.
    Changed {
        /// What.
        value: T,
        /// By which it can be asked for again.
        etag: Option<String>,
    },
    /// What was known is still so.
    Unchanged,
}

/// Talks to one GitHub.
#[derive(Debug, Clone)]
pub struct Client {
    octocrab: Octocrab,
    settings: Settings,
}

impl Client {
    /// Sets a client up; nothing is sent yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`GithubError::Setup`] for an address that is none, or where there are no root certificates.
    pub fn new(settings: &Settings) -> Result<Self, GithubError> {
        let failed = |error: octocrab::Error| GithubError::Setup {
            url: settings.api_url.clone(),
            reason: words(&error),
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

    /// Where it talks to, with what.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request and reads its answer.
    pub(super) async fn read<T: DeserializeOwned, B: Serialize + ?Sized>(&self, request: Request<'_, B>) -> Result<T, GithubError> {
        let name = request.to_string();
        let answer = self.answer(&request).await?;
        parsed(&name, &answer.body)
    }

    /// Sends a request that has an answer only where something changed.
    pub(super) async fn read_changed<T: DeserializeOwned>(&self, request: Request<'_, ()>) -> Result<Fresh<T>, GithubError> {
        let name = request.to_string();
        let answer = self.answer(&request).await?;
        if answer.status == NOT_MODIFIED {
            return Ok(Fresh::Unchanged);
        }
        Ok(Fresh::Changed {
            value: parsed(&name, &answer.body)?,
            etag: answer.etag,
        })
    }

    /// Sends a request, and gives the body of a successful answer.
    pub(super) async fn send<B: Serialize + ?Sized>(&self, request: Request<'_, B>) -> Result<String, GithubError> {
        Ok(self.answer(&request).await?.body)
    }

    /// Sends a request until it is answered.
    async fn answer<B: Serialize + ?Sized>(&self, request: &Request<'_, B>) -> Result<Answer, GithubError> {
        let attempts = self.settings.retry.run(async || {
            let answer = match self.once(request).await {
                Ok(answer) => answer,
                Err(reason) => return Attempt::Again { wait: None, reason },
            };
            let message = message_of(&answer.body);
            let wait = match advise(answer.status, &answer.limits, &message, SystemTime::now()) {
                Advice::Accept => return Attempt::Done(accept(request, answer, message)),
                Advice::Again => None,
                Advice::After(asked) => Some(asked),
            };
            let reason = format!("status {}: {message}", answer.status);
            Attempt::Again { wait, reason }
        });
        attempts.await.unwrap_or_else(|gave_up| Err(given_up(request.to_string(), gave_up)))
    }

    /// One attempt. The error is words, because all that is done with it is to show it.
    async fn once<B: Serialize + ?Sized>(&self, request: &Request<'_, B>) -> Result<Answer, String> {
        let attempt = async {
            let response = match request.method {
                Method::Get => self.octocrab._get_with_headers(request.path, condition(request.unless)).await,
                Method::Post => self.octocrab._post(request.path, request.body).await,
                Method::Patch => self.octocrab._patch(request.path, request.body).await,
                Method::Delete => self.octocrab._delete(request.path, request.body).await,
            };
            let response = response.map_err(|error| words(&error))?;
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
            let body = self.octocrab.body_to_string(response).await.map_err(|error| words(&error))?;
            Ok(Answer {
                status,
                limits,
                etag,
                body,
            })
        };
        match time::timeout(REQUEST_DEADLINE, attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", REQUEST_DEADLINE.as_secs())),
        }
    }
}

/// The status of an answer that says that nothing changed.
const NOT_MODIFIED: u16 = 304;

/// The header that makes a request conditional. A tag that is no header value is not sent: the answer is then whole.
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
    serde_json::from_str(body).map_err(|error| GithubError::Answer {
        request: request.to_owned(),
        reason: error.to_string(),
    })
}

/// The error where no further attempt is made.
pub(super) fn given_up(request: String, gave_up: GaveUp) -> GithubError {
    match gave_up {
        GaveUp::TooLong { wait } => GithubError::RateLimited { request, wait },
        GaveUp::Exhausted { attempts, reason } => GithubError::Unreachable { request, attempts, reason },
    }
}

fn accept<B: Serialize + ?Sized>(request: &Request<'_, B>, answer: Answer, message: String) -> Result<Answer, GithubError> {
    match answer.status {
        200..300 | NOT_MODIFIED => Ok(answer),
        status => Err(refused(request.to_string(), status, message, request.permission)),
    }
}

/// The error of a refusal.
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

/// GitHub's own words in an error's body; the body's beginning where it is none of GitHub's.
pub(super) fn message_of(body: &str) -> String {
    const LONGEST: usize = 200;
    let parsed: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let message = parsed.as_ref().and_then(|value| value.get("message")?.as_str());
    message.unwrap_or(body).chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// The chain of an error's causes: octocrab's own words are often only the outermost.
pub(super) fn words(error: &dyn std::error::Error) -> String {
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
    fn a_repository_is_an_owner_and_a_name() {
        assert!(Repository::parse("octo-org/some.repo_1").is_ok());
        for text in ["", "octo", "octo/", "a/b/c", "a/..", "a/b?x=1", "a/b c"] {
            assert!(Repository::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_token_shows_nowhere() {
        let settings = Settings::from_environment(|name| (name == "GH_TOKEN").then(|| "ghs_secret".to_owned())).unwrap();
        assert!(!format!("{settings:?}").contains("ghs_secret"));
        assert_eq!(settings.api_url, "https://api.github.com");
    }
}
