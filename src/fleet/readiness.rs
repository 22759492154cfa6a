//! The readiness probe: the engine's health check answers and it generates one token. The health check alone is not
//! enough: engines answer it before their first, slow forward pass, and some before the model is loaded.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::system::http_client::{Answer, HttpError, Question, send};
use crate::system::tls::TlsClient;

/// Probe interval.
const PAUSE: Duration = Duration::from_millis(100);
/// Timeout of a health check or a list of models.
const ANSWER: Duration = Duration::from_secs(5);
/// Maximum length of a quoted error response, characters.
const QUOTED: usize = 200;

#[derive(Debug, Clone)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    pub port: u16,
    /// Whether to use TLS.
    pub tls: Option<TlsClient>,
    /// Path of the health check.
    pub health_path: String,
    /// The model named in the row; the engine may serve it under another name.
    pub model: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The name under which the engine serves the model.
    pub served_model: String,
}

/// The deadline passed before the engine was ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine was not ready within {} s: {last}", .waited.as_secs_f64().round())]
pub struct ReadinessTimeout {
    pub waited: Duration,
    /// The last problem.
    pub last: String,
}

/// Probes the engine until it is ready, at most until `limit` is over; the first probe may take a few seconds longer. The
/// caller cancels by dropping the future.
///
/// # Errors
/// [`ReadinessTimeout`].
pub async fn probe_until_ready(target: &Target, limit: Duration) -> Result<Ready, ReadinessTimeout> {
    let start = Instant::now();
    let mut last = None;
    loop {
        let mut left = limit.saturating_sub(start.elapsed());
        match last {
            // Probe at least once, even if this process was suspended past its deadline.
            None => left = left.max(ANSWER),
            Some(last) if left.is_zero() => return Err(ReadinessTimeout { waited: limit, last }),
            Some(_) => {}
        }
        match attempt(target, left).await {
            Ok(ready) => {
                tracing::info!(model = ready.served_model, waited = ?start.elapsed(), "engine is ready");
                return Ok(ready);
            }
            // The answer before the deadline says more than the one that it cut short.
            Err(_) if last.is_some() && start.elapsed() >= limit => {}
            Err(problem) => last = Some(problem),
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// One probe: health, name of the model, one token. The token may take all of the remaining time.
async fn attempt(target: &Target, left: Duration) -> Result<Ready, String> {
    let health = exchange(target, &target.health_path, None, left.min(ANSWER)).await?;
    if !(200..300).contains(&health.status) {
        return Err(refusal(&target.health_path, &health));
    }
    let served_model = served_model(target, left.min(ANSWER)).await?;
    one_token(target, &served_model, left).await?;
    Ok(Ready { served_model })
}

async fn exchange(target: &Target, path: &str, json: Option<&str>, limit: Duration) -> Result<Answer, String> {
    let question = Question {
        host: &target.host,
        port: target.port,
        path,
        json,
        headers: &[],
        tls: target.tls.as_ref(),
    };
    let answer = send(&question, limit).await;
    answer.map_err(|error: HttpError| format!("{path} on port {}: {error}", target.port))
}

fn refusal(path: &str, answer: &Answer) -> String {
    let mut text = format!("{path} answered with status {}", answer.status);
    let body: String = String::from_utf8_lossy(&answer.body)
        .chars()
        .filter(|c| !c.is_control())
        .take(QUOTED)
        .collect();
    if !body.is_empty() {
        let _ = write!(text, ": {body}");
    }
    text
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<ModelEntry>,
}

#[derive(Deserialize)]
struct ModelEntry {
    id: String,
}

async fn served_model(target: &Target, limit: Duration) -> Result<String, String> {
    let answer = exchange(target, "/v1/models", None, limit).await?;
    // For an engine without the list (status 404) the row's name is used; the token below shows whether it is right.
    let list = serde_json::from_slice::<ModelList>(&answer.body)
        .map(|list| list.data)
        .unwrap_or_default();
    if list.iter().any(|entry| entry.id == target.model) {
        return Ok(target.model.clone());
    }
    Ok(list.into_iter().next().map_or_else(|| target.model.clone(), |entry| entry.id))
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    completion_tokens: Option<u64>,
}

async fn one_token(target: &Target, model: &str, limit: Duration) -> Result<(), String> {
    const PATH: &str = "/v1/completions";
    let request = serde_json::json!({ "model": model, "prompt": "One, two, three,", "max_tokens": 1, "temperature": 0 }).to_string();
    let answer = exchange(target, PATH, Some(&request), limit).await?;
    if answer.status != 200 {
        return Err(refusal(PATH, &answer));
    }
    let completion: Completion =
        serde_json::from_slice(&answer.body).map_err(|error| format!("{PATH} did not answer with a completion: {error}"))?;
    let counted = completion
        .usage
        .and_then(|usage| usage.completion_tokens)
        .is_some_and(|tokens| tokens > 0);
    let seen = completion
        .choices
        .iter()
        .any(|choice| choice.text.as_deref().is_some_and(|text| !text.is_empty()));
    if counted || seen {
        Ok(())
    } else {
        Err(format!("{PATH} answered without a token"))
    }
}
