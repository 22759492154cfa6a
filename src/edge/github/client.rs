//! The client: sends a request, tries again as the policy says, and turns refusals into errors with a remedy.

use std::fmt;
use std::time::{Duration, SystemTime};

use octocrab::Octocrab;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time;

use super::error::GithubError;
use super::retry::{Advice, LimitHeaders, RetryPolicy, advise};
use crate::model::Secret;

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
    pub method: Method,
    pub path: &'a str,
    pub body: Option<&'a B>,
    /// The permission in YAML that the request needs, for the error.
    pub permission: &'static str,
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
    body: String,
}

/// Talks to one GitHub.
#[derive(Debug, Clone)]
pub struct Client {
    octocrab: Octocrab,
    retry: RetryPolicy,
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
            retry: settings.retry,
        })
    }

    /// Sends a request and reads its answer.
    pub(super) async fn read<T: DeserializeOwned, B: Serialize + ?Sized>(&self, request: Request<'_, B>) -> Result<T, GithubError> {
        let name = request.to_string();
        let body = self.send(request).await?;
        serde_json::from_str(&body).map_err(|error| GithubError::Answer {
            request: name,
            reason: error.to_string(),
        })
    }

    /// Sends a request until it is answered, and gives the body of a successful answer.
    pub(super) async fn send<B: Serialize + ?Sized>(&self, request: Request<'_, B>) -> Result<String, GithubError> {
        let mut failed = 0;
        loop {
            let reason;
            let wait;
            match self.once(&request).await {
                Ok(answer) => {
                    let message = message_of(&answer.body);
                    match advise(answer.status, &answer.limits, &message, SystemTime::now()) {
                        Advice::Accept => return accept(&request, answer, message),
                        Advice::Again => wait = self.retry.wait(failed + 1),
                        Advice::After(asked) => wait = asked,
                    }
                    reason = format!("status {}: {message}", answer.status);
                }
                Err(problem) => {
                    wait = self.retry.wait(failed + 1);
                    reason = problem;
                }
            }
            failed += 1;
            let request = request.to_string();
            if wait > self.retry.longest_wait {
                return Err(GithubError::RateLimited { request, wait });
            }
            if failed >= self.retry.attempts {
                return Err(GithubError::Unreachable {
                    request,
                    attempts: failed,
                    reason,
                });
            }
            time::sleep(wait).await;
        }
    }

    /// One attempt. The error is words, because all that is done with it is to show it.
    async fn once<B: Serialize + ?Sized>(&self, request: &Request<'_, B>) -> Result<Answer, String> {
        let attempt = async {
            let response = match request.method {
                Method::Get => self.octocrab._get(request.path).await,
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
            };
            let body = self.octocrab.body_to_string(response).await.map_err(|error| words(&error))?;
            Ok(Answer { status, limits, body })
        };
        match time::timeout(REQUEST_DEADLINE, attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", REQUEST_DEADLINE.as_secs())),
        }
    }
}

fn accept<B: Serialize + ?Sized>(request: &Request<'_, B>, answer: Answer, message: String) -> Result<String, GithubError> {
    let name = request.to_string();
    match answer.status {
        200..300 => Ok(answer.body),
        403 => Err(GithubError::Forbidden {
            request: name,
            message,
            permission: request.permission,
        }),
        404 => Err(GithubError::NotFound { request: name }),
        status => Err(GithubError::Refused {
            request: name,
            status,
            message,
        }),
    }
}

/// GitHub's own words in an error's body; the body's beginning where it is none of GitHub's.
fn message_of(body: &str) -> String {
    const LONGEST: usize = 200;
    let parsed: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let message = parsed.as_ref().and_then(|value| value.get("message")?.as_str());
    message.unwrap_or(body).chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// The chain of an error's causes: octocrab's own words are often only the outermost.
fn words(error: &dyn std::error::Error) -> String {
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
