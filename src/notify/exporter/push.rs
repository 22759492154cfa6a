//! JSON to an HTTP API, with a deadline, a bound on retries and on the answer.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::Value as Json;
use tokio::time;
use url::Url;

use crate::model::{Secret, with_causes};
use crate::system::environment;
use crate::system::http_client::{BoundedBody, bounded_body, http_client};
use crate::system::retry::{Attempt, GaveUp, RetryPolicy};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// The largest answer that is read, bytes.
const LARGEST: usize = 16 << 20;
/// Characters of an answer that an error shows.
const LONGEST_WORDS: usize = 300;

/// Why results did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExporterError {
    #[error("no address of {what}; give --to URL or set {variable}")]
    NoAddress { what: &'static str, variable: &'static str },
    #[error("the address of {what} is not an http or https URL without a user and password; {secrets}")]
    Address { what: &'static str, secrets: &'static str },
    #[error("{variable} is invalid: {reason}")]
    Variable { variable: &'static str, reason: String },
    #[error("cannot send to {what}: {reason}")]
    Setup { what: &'static str, reason: String },
    #[error("{what} refused {path} with status {status}: {words}")]
    Refused {
        what: &'static str,
        path: String,
        status: u16,
        words: String,
    },
    #[error("cannot reach {what} after {attempts} attempts: {reason}")]
    Unreachable { what: &'static str, attempts: u32, reason: String },
    #[error("{what} takes requests only in {} s; try again then", wait.as_secs())]
    Busy { what: &'static str, wait: Duration },
    #[error("the answer of {what} to {path} is not what its API describes: {reason}")]
    Answer { what: &'static str, path: String, reason: String },
}

/// The identity of a run in a history: what makes an export that is repeated the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunName {
    pub project: String,
    /// Such as `github/org/repo/123/1`.
    pub id: String,
}

/// An API.
#[derive(Debug)]
pub(super) struct Api {
    pub what: &'static str,
    pub base: Url,
    pub headers: HeaderMap,
    pub policy: RetryPolicy,
}

impl Api {
    /// The API at an argument or, without one, at a variable.
    ///
    /// # Errors
    /// [`ExporterError::NoAddress`], [`ExporterError::Address`].
    pub(super) fn at(what: &'static str, to: Option<&str>, variable: &'static str, secrets: &'static str) -> Result<Self, ExporterError> {
        let text = to.map(str::to_owned).or_else(|| environment::text(variable));
        let text = text.ok_or(ExporterError::NoAddress { what, variable })?;
        let url = Url::parse(&text).ok().filter(|url| {
            let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
            is_web && url.username().is_empty() && url.password().is_none() && url.query().is_none()
        });
        Ok(Self {
            what,
            base: url.ok_or(ExporterError::Address { what, secrets })?,
            headers: HeaderMap::new(),
            policy: RetryPolicy::default(),
        })
    }

    /// Adds a header whose value is a secret.
    ///
    /// # Errors
    /// [`ExporterError::Variable`].
    pub(super) fn header(&mut self, variable: &'static str, name: &str, value: &Secret) -> Result<(), ExporterError> {
        let invalid = |reason: String| ExporterError::Variable { variable, reason };
        let name: HeaderName = name.parse().map_err(|_| invalid("no name of a header".to_owned()))?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| invalid("no value of a header".to_owned()))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    /// Sends a document and gives the answer's.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub(super) async fn post(&self, path: &str, body: &Json) -> Result<Json, ExporterError> {
        self.request(path, Some(body), &[]).await
    }

    /// Asks for a document.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Json, ExporterError> {
        self.request(path, None, query).await
    }

    async fn request(&self, path: &str, body: Option<&Json>, query: &[(&str, &str)]) -> Result<Json, ExporterError> {
        let what = self.what;
        let client = http_client().map_err(|error| ExporterError::Setup {
            what,
            reason: error.without_url().to_string(),
        })?;
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let sent = self.policy.run(async || {
            let request = match body {
                Some(body) => client.post(url.clone()).json(body),
                None => client.get(url.clone()),
            };
            match time::timeout(DEADLINE, request.headers(self.headers.clone()).send()).await {
                Ok(Ok(response)) => self.judge(path, response).await,
                Ok(Err(error)) => again(None, with_causes(&error.without_url())),
                Err(_) => again(None, format!("no response within {} s", DEADLINE.as_secs())),
            }
        });
        sent.await.unwrap_or_else(|gave_up| {
            Err(match gave_up {
                GaveUp::TooLong { wait } => ExporterError::Busy { what, wait },
                GaveUp::Exhausted { attempts, reason } => ExporterError::Unreachable { what, attempts, reason },
            })
        })
    }

    async fn judge(&self, path: &str, response: Response) -> Attempt<Result<Json, ExporterError>> {
        let status = response.status();
        let wait = response.headers().get("retry-after");
        let wait = wait
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let body = match time::timeout(DEADLINE, bounded(response)).await {
            Ok(Ok(body)) => body,
            Ok(Err(reason)) => return again(wait, reason),
            Err(_) => return again(wait, format!("no whole response within {} s", DEADLINE.as_secs())),
        };
        let is_passing = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        if is_passing {
            return again(wait, format!("status {}", status.as_u16()));
        }
        if !status.is_success() {
            return Attempt::Done(Err(ExporterError::Refused {
                what: self.what,
                path: path.to_owned(),
                status: status.as_u16(),
                words: words(&body),
            }));
        }
        // OTLP allows an empty answer.
        if body.is_empty() {
            return Attempt::Done(Ok(Json::Null));
        }
        let read = serde_json::from_slice(&body).map_err(|error| ExporterError::Answer {
            what: self.what,
            path: path.to_owned(),
            reason: error.to_string(),
        });
        Attempt::Done(read)
    }
}

fn again(wait: Option<Duration>, reason: String) -> Attempt<Result<Json, ExporterError>> {
    Attempt::Again { wait, reason }
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, String> {
    match bounded_body(&mut response, LARGEST).await {
        Ok(BoundedBody { bytes, is_whole: true }) => Ok(bytes),
        Ok(BoundedBody { is_whole: false, .. }) => Err(format!("the answer is larger than {LARGEST} bytes")),
        Err(error) => Err(error.without_url().to_string()),
    }
}

/// The words of an answer on one line: MLflow's `message`, or its beginning.
fn words(body: &[u8]) -> String {
    let message = serde_json::from_slice::<Json>(body)
        .ok()
        .and_then(|answer| Some(answer.get("message")?.as_str()?.to_owned()));
    let text = message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_WORDS)
        .collect();
    text.trim().to_owned()
}
