//! Questions to an engine, as many at once as the caller says and no fewer. One thread carries them all: it waits for the
//! engine, it does not compute.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::eval::request::{Answer, AnswerError, Api, parse_answer};
use crate::model::Secret;
use crate::system::cancellation::Cancellation;
use crate::system::runtime;

/// How often a request is sent again where its connection failed.
const RETRIES: u32 = 3;
/// Pause before the first retry; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// So many failures in a row, and the rest is not asked: the engine is gone.
const HOPELESS: usize = 10;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest part of a refusing answer that is quoted, characters.
const QUOTED: usize = 300;

/// Where and how.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The whole address: `http://host:port/v1/chat/completions`.
    pub url: String,
    /// The form.
    pub api: Api,
    /// The key, where the engine wants one.
    pub key: Option<Secret>,
    /// Requests under way at once.
    pub concurrency: usize,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
    /// The connection failed, after the retries.
    #[error("the connection failed {} times: {reason}", RETRIES + 1)]
    Transport {
        /// What was said at last.
        reason: String,
    },
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    /// The engine refused.
    #[error("the engine answered with status {status}: {said}")]
    Refused {
        /// The status.
        status: u16,
        /// The beginning of what it said.
        said: String,
    },
    /// The body is no answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Too many failed before.
    #[error("not asked: {HOPELESS} requests in a row had failed")]
    Hopeless,
    /// The evaluation was stopped.
    #[error("not answered before the evaluation was stopped")]
    Stopped,
}

/// What came of all questions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SendSummary {
    /// Requests that were sent again.
    pub retries: u64,
}

/// An HTTP client that trusts what the system trusts. Engines in the own network are asked directly, never through a proxy.
///
/// # Errors
/// [`RequestError::Client`].
pub fn client(settings: &ClientSettings) -> Result<reqwest::Client, RequestError> {
    let wrong = |error: &dyn std::fmt::Display| RequestError::Client(error.to_string());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        .timeout(settings.timeout)
        .redirect(reqwest::redirect::Policy::none());
    if settings.url.starts_with("http:") {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| wrong(&error))
}

/// Asks all, and hands each answer to `answered` as it comes, with its place in `bodies`.
///
/// # Errors
/// [`RequestError::Client`]; what concerns one question goes to `answered`.
pub fn send_all(
    settings: &ClientSettings,
    bodies: &[Value],
    stop: &Cancellation,
    answered: &mut dyn FnMut(usize, Result<Answer, RequestError>),
) -> Result<SendSummary, RequestError> {
    let client = client(settings)?;
    let state = State {
        client: &client,
        settings,
        retries: AtomicU64::new(0),
        failures: AtomicUsize::new(0),
        refusing: AtomicUsize::new(0),
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
                _ = stop.cancelled() => break,
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
    /// Whether the rest is given up.
    refusing: AtomicUsize,
}

impl State<'_> {
    async fn ask(&self, body: &Value) -> Result<Answer, RequestError> {
        if self.refusing.load(Ordering::Relaxed) > 0 {
            return Err(RequestError::Hopeless);
        }
        let answer = self.insist(body).await;
        if answer.is_ok() {
            self.failures.store(0, Ordering::Relaxed);
        } else if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= HOPELESS {
            self.refusing.store(1, Ordering::Relaxed);
        }
        answer
    }

    /// Only where the connection failed the request is sent again: an engine that refuses would refuse again, and a question that
    /// is asked twice until it is answered better is another measurement.
    async fn insist(&self, body: &Value) -> Result<Answer, RequestError> {
        let bytes = body.to_string();
        let mut pause = PAUSE;
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

    async fn send(&self, body: String) -> Result<Answer, RequestError> {
        let failed = |error: reqwest::Error| {
            if error.is_timeout() && !error.is_connect() {
                return RequestError::Late(self.settings.timeout);
            }
            let mut reason = error.to_string();
            let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
            while let Some(inner) = cause {
                reason = format!("{reason}: {inner}");
                cause = inner.source();
            }
            RequestError::Transport { reason }
        };
        let mut request = self
            .client
            .post(&self.settings.url)
            .header("content-type", "application/json")
            .body(body);
        if let Some(key) = &self.settings.key {
            request = request.bearer_auth(key.expose());
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body = response.bytes().await.map_err(failed)?;
        if !status.is_success() {
            let said: String = String::from_utf8_lossy(&body).chars().take(QUOTED).collect();
            return Err(RequestError::Refused {
                status: status.as_u16(),
                said,
            });
        }
        Ok(parse_answer(self.settings.api, &body)?)
    }
}
