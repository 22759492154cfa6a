//! Sends requests to an engine with a fixed number in flight. One thread suffices, because it only waits for the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::eval::request::{Api, ModelAnswer, ModelAnswerError, parse_answer};
use crate::model::{Secret, with_causes};
use crate::system::cancellation::Cancellation;
use crate::system::http_client::{BoundedBody, bounded_body};
use crate::system::runtime;

/// Retries after a failed connection.
const RETRIES: u32 = 3;
/// Pause before the first retry; it doubles with each one.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// After this many consecutive failures the remaining requests are not sent: the engine is down.
const FAILURE_LIMIT: usize = 10;
/// Timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read, bytes: a hundred times the text of the longest context.
const LONGEST_ANSWER: usize = 64 << 20;
/// Characters of an error response that are quoted.
const QUOTED_CHARACTERS: usize = 300;

/// Settings of the client.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The whole URL: `http://host:port/v1/chat/completions`.
    pub url: String,
    /// The API of the endpoint.
    pub api: Api,
    /// The API key, if the engine needs one.
    pub key: Option<Secret>,
    /// Requests in flight.
    pub concurrency: usize,
    /// Timeout of one request.
    pub timeout: Duration,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
    /// The connection failed, after the retries.
    #[error("connection failed after {} attempts: {reason}", RETRIES + 1)]
    Transport {
        /// The last error.
        reason: String,
    },
    /// The response timed out.
    #[error("no response within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The engine responded with an error status.
    #[error("engine responded with status {status}: {body}")]
    Status {
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The response does not end.
    #[error("response longer than {LONGEST_ANSWER} bytes")]
    TooLong,
    /// The body is not an answer.
    #[error(transparent)]
    Answer(#[from] ModelAnswerError),
    /// Too many consecutive requests failed before this one.
    #[error("not sent after {FAILURE_LIMIT} consecutive failed requests")]
    NotSent,
    /// The evaluation was cancelled.
    #[error("evaluation cancelled before the response")]
    Stopped,
}

/// Statistics of all requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SendSummary {
    /// Retries in all.
    pub retries: u64,
}

/// An HTTP client that trusts the system's root certificates. Plain HTTP, used within one network, bypasses proxies.
///
/// # Errors
/// [`RequestError::Client`].
pub fn client(settings: &ClientSettings) -> Result<reqwest::Client, RequestError> {
    let build_error = |error: &dyn std::fmt::Display| RequestError::Client(error.to_string());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| build_error(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(settings.timeout)
        .redirect(reqwest::redirect::Policy::none());
    if settings.url.starts_with("http:") {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| build_error(&error))
}

/// Sends all requests, and calls `answered` with each result as it arrives, with its index in `bodies`.
///
/// # Errors
/// [`RequestError::Client`]; errors of single requests are passed to `answered`.
pub fn send_all(
    settings: &ClientSettings,
    bodies: &[Value],
    cancellation: &Cancellation,
    answered: &mut dyn FnMut(usize, Result<ModelAnswer, RequestError>),
) -> Result<SendSummary, RequestError> {
    let client = client(settings)?;
    let state = State {
        client: &client,
        settings,
        retries: AtomicU64::new(0),
        failures: AtomicUsize::new(0),
        has_given_up: AtomicBool::new(false),
    };
    let ask = async {
        let questions = bodies.iter().enumerate().map(|(index, body)| {
            let state = &state;
            async move { (index, state.ask(body).await) }
        });
        let mut answers = stream::iter(questions).buffer_unordered(settings.concurrency.max(1));
        let mut open: Vec<bool> = vec![true; bodies.len()];
        loop {
            tokio::select! {
                biased;
                _ = cancellation.cancelled() => break,
                next = answers.next() => match next {
                    Some((index, answer)) => {
                        if let Some(open) = open.get_mut(index) {
                            *open = false;
                        }
                        answered(index, answer);
                    }
                    None => break,
                },
            }
        }
        let left = open.iter().enumerate().filter(|(_, open)| **open);
        left.for_each(|(index, _)| answered(index, Err(RequestError::Stopped)));
    };
    runtime::block_on(ask).map_err(|error| RequestError::Client(error.to_string()))?;
    Ok(SendSummary {
        retries: state.retries.into_inner(),
    })
}

struct State<'a> {
    client: &'a reqwest::Client,
    settings: &'a ClientSettings,
    retries: AtomicU64,
    /// Failures since the last answer.
    failures: AtomicUsize,
    /// Whether the remaining requests are not sent.
    has_given_up: AtomicBool,
}

impl State<'_> {
    async fn ask(&self, body: &Value) -> Result<ModelAnswer, RequestError> {
        if self.has_given_up.load(Ordering::Relaxed) {
            return Err(RequestError::NotSent);
        }
        let answer = self.send_with_retries(body).await;
        if answer.is_ok() {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURE_LIMIT {
            self.has_given_up.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Retries failed connections only: the same request would get the same error status, and repeating a question until its answer
    /// improves would change the score.
    async fn send_with_retries(&self, body: &Value) -> Result<ModelAnswer, RequestError> {
        let bytes = body.to_string();
        let mut pause = FIRST_BACKOFF;
        let mut left = RETRIES;
        loop {
            match self.send(bytes.clone()).await {
                Err(RequestError::Transport { .. }) if left > 0 => {
                    left -= 1;
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
    }

    async fn send(&self, body: String) -> Result<ModelAnswer, RequestError> {
        let failed = |error: reqwest::Error| {
            if error.is_timeout() && !error.is_connect() {
                RequestError::Timeout(self.settings.timeout)
            } else {
                RequestError::Transport {
                    reason: with_causes(&error),
                }
            }
        };
        let mut request = self
            .client
            .post(&self.settings.url)
            .header("content-type", "application/json")
            .body(body);
        if let Some(key) = &self.settings.key {
            request = request.bearer_auth(key.expose());
        }
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let BoundedBody { bytes: body, is_whole } = bounded_body(&mut response, LONGEST_ANSWER).await.map_err(failed)?;
        if !is_whole {
            return Err(RequestError::TooLong);
        }
        if !status.is_success() {
            let body: String = String::from_utf8_lossy(&body).chars().take(QUOTED_CHARACTERS).collect();
            return Err(RequestError::Status {
                status: status.as_u16(),
                body,
            });
        }
        Ok(parse_answer(self.settings.api, &body)?)
    }
}
