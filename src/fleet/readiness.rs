//! Whether an engine is ready: its health check answers and it gives one token by the API that it will be loaded with. The health
//! check alone is not enough: engines answer it before their first, slow forward pass, and some before the model is loaded.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::load::{self, Failure, Reason, token_probe};
use crate::system::http_client::{Answer, HttpError, Question, send};
use crate::system::tls::TlsClient;

/// Probe interval.
const PAUSE: Duration = Duration::from_millis(100);
/// Timeout of a health check or a list of models.
const ANSWER: Duration = Duration::from_secs(5);
/// Maximum length of a quoted error response, characters.
const QUOTED: usize = 200;
/// How long a healthy engine may say that it does not know the API. Some open their routes a moment after the health check.
pub const WRONG_API_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens, and the API that it is asked by.
    pub server: load::Target,
    /// TLS client; required if the server uses TLS.
    pub tls: Option<TlsClient>,
    /// Path of the health check.
    pub health_path: String,
    /// The model named in the row; the engine may serve it under another name.
    pub model: String,
    /// How long a healthy engine may refuse the API, usually [`WRONG_API_LIMIT`].
    pub wrong_api_limit: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The name under which the engine serves the model.
    pub served_model: String,
}

/// Why an engine is not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The deadline came before the engine was ready.
    #[error("the engine was not ready within {} s: {last}", .waited.as_secs_f64().round())]
    Timeout {
        /// How long it had.
        waited: Duration,
        /// What was wrong at last.
        last: String,
    },
    /// The engine is healthy and does not serve the API.
    #[error(
        "the engine is healthy but does not serve the requested API or model, for {} s: {last}; set --backend (`load.backend` in the runner \
         profile) to the engine's API, such as vllm, openai-chat, sglang-native or tensorrt-llm, or the model to one that it serves",
        .waited.as_secs_f64().round()
    )]
    WrongApi {
        /// For how long it refused.
        waited: Duration,
        /// Its answer.
        last: String,
    },
}

/// Why one round did not find a ready engine.
enum Problem {
    /// It may become ready.
    NotYet(String),
    /// It is healthy, and refused the API.
    WrongApi(String),
}

/// Probes the engine until it is ready, at most until `limit` is over; the first probe may take a few seconds longer. The
/// caller cancels by dropping the future.
///
/// # Errors
/// [`NotReady`].
pub async fn probe_until_ready(target: &Target, limit: Duration) -> Result<Ready, NotReady> {
    let start = Instant::now();
    let mut last = None;
    let mut refused_since = None;
    loop {
        let mut left = limit.saturating_sub(start.elapsed());
        match last {
            // Probe at least once, even if this process was suspended past its deadline.
            None => left = left.max(ANSWER),
            Some(last) if left.is_zero() => return Err(NotReady::Timeout { waited: limit, last }),
            Some(_) => {}
        }
        let problem = match attempt(target, left).await {
            Ok(ready) => {
                tracing::info!(model = ready.served_model, waited = ?start.elapsed(), "engine is ready");
                return Ok(ready);
            }
            Err(problem) => problem,
        };
        match problem {
            // What the deadline cut short says less than the answer before it.
            Problem::NotYet(_) if last.is_some() && start.elapsed() >= limit => {}
            Problem::NotYet(problem) => {
                refused_since = None;
                last = Some(problem);
            }
            Problem::WrongApi(problem) => {
                let since = *refused_since.get_or_insert_with(Instant::now);
                let waited = since.elapsed();
                if waited >= target.wrong_api_limit {
                    return Err(NotReady::WrongApi { waited, last: problem });
                }
                last = Some(problem);
            }
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// One round: health, name of the model, one token. The token may take as long as there is time.
async fn attempt(target: &Target, left: Duration) -> Result<Ready, Problem> {
    let health = exchange(target, &target.health_path, None, left.min(ANSWER)).await;
    let health = health.map_err(Problem::NotYet)?;
    if !(200..300).contains(&health.status) {
        return Err(Problem::NotYet(refusal(&target.health_path, &health)));
    }
    let served = served_model(target, left.min(ANSWER)).await.map_err(Problem::NotYet)?;
    one_token(target, &served, left).await?;
    Ok(Ready { served_model: served.name })
}

async fn exchange(target: &Target, path: &str, json: Option<&str>, limit: Duration) -> Result<Answer, String> {
    let load::Target {
        host,
        port,
        unix_socket,
        proxy,
        ..
    } = &target.server;
    let question = Question {
        json,
        tls: target.tls.as_ref(),
        unix_socket: unix_socket.as_deref(),
        proxy: proxy.as_ref(),
        ..Question::get(host, *port, path)
    };
    let answer = send(&question, limit).await;
    answer.map_err(|error: HttpError| match unix_socket {
        Some(socket) => format!("{path} on {}: {error}", socket.display()),
        None => format!("{path} on port {port}: {error}"),
    })
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

/// The model to ask for a token.
struct ServedModel {
    name: String,
    /// The engine lists its models, and has none yet.
    is_none_listed: bool,
}

async fn served_model(target: &Target, limit: Duration) -> Result<ServedModel, String> {
    let path = format!("{}/v1/models", target.server.base_path);
    let answer = exchange(target, &path, None, limit).await?;
    // An engine without the list (status 404) is taken at the row's word; the token below shows whether that is right.
    let list = serde_json::from_slice::<ModelList>(&answer.body).map(|list| list.data);
    let is_none_listed = list.as_ref().is_ok_and(Vec::is_empty);
    let list = list.unwrap_or_default();
    let is_listed = list.iter().any(|entry| entry.id == target.model);
    let first = list.into_iter().next().map(|entry| entry.id);
    let name = first.filter(|_| !is_listed).unwrap_or_else(|| target.model.clone());
    Ok(ServedModel { name, is_none_listed })
}

async fn one_token(target: &Target, served: &ServedModel, limit: Duration) -> Result<(), Problem> {
    let path = &target.server.path;
    let request = token_probe::body(&target.server, &served.name);
    let answer = exchange(target, path, Some(&request), limit).await.map_err(Problem::NotYet)?;
    let Err(failure) = token_probe::judge(answer.status, &answer.body) else {
        return Ok(());
    };
    let problem = if matches!(failure.reason, Reason::Status(_)) {
        refusal(path, &answer)
    } else {
        format!("{path} answered without a token: {failure}")
    };
    let is_refused = matches!(failure.reason, Reason::Status(404 | 405 | 501));
    Err(if is_refused && !(served.is_none_listed && misses_model(&failure)) {
        Problem::WrongApi(problem)
    } else {
        Problem::NotYet(problem)
    })
}

/// A front end that has no worker yet (Dynamo's) is healthy, lists no model, and says of each that it is not found.
fn misses_model(failure: &Failure) -> bool {
    let words = failure.detail.to_ascii_lowercase();
    words.contains("model") && (words.contains("not found") || words.contains("not exist"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::Protocol;
    use crate::test_server::{HttpResponse, HttpServer};

    /// An engine that is healthy, lists these models, and answers requests for tokens so.
    fn engine(models: &'static str, status: u16, answer: &'static str) -> HttpServer {
        HttpServer::start(move |_, request| {
            Some(match (request.method(), request.path()) {
                ("GET", "/health") => HttpResponse::new(200),
                ("GET", "/v1/models") => HttpResponse::new(200).body("text/plain", models),
                ("POST", "/v1/completions") => HttpResponse::new(status).body("text/plain", answer),
                _ => HttpResponse::new(404),
            })
        })
    }

    fn target(server: &HttpServer) -> Target {
        let protocol = Protocol::Completions;
        Target {
            server: load::Target::from_base_url(&server.url, protocol.default_endpoint(true), protocol).unwrap(),
            tls: None,
            health_path: "/health".to_owned(),
            model: "org/model".to_owned(),
            wrong_api_limit: Duration::from_millis(300),
        }
    }

    const TOKEN: &str = "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n";
    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_model_that_the_engine_lists_is_asked_for() {
        for (models, expected) in [
            ("{\"data\":[{\"id\":\"x\"},{\"id\":\"org/model\"}]}", "org/model"),
            ("{\"data\":[{\"id\":\"x\"}]}", "x"),
            ("", "org/model"),
        ] {
            let server = engine(models, 200, TOKEN);
            let ready = probe_until_ready(&target(&server), LIMIT).await.unwrap();
            assert_eq!(ready.served_model, expected);
        }
    }

    #[tokio::test]
    async fn a_healthy_engine_that_refuses_the_api_is_not_waited_for() {
        for (status, answer) in [
            (404, "{\"error\":\"Not Found\"}"),
            (404, "{\"error\":\"the model `org/model` does not exist\"}"),
            (405, ""),
            (501, ""),
        ] {
            let server = engine("{\"data\":[{\"id\":\"x\"}]}", status, answer);
            let error = probe_until_ready(&target(&server), LIMIT).await.unwrap_err();
            assert!(matches!(error, NotReady::WrongApi { .. }), "{status} {answer}: {error}");
            let words = error.to_string();
            assert!(words.contains(&format!("/v1/completions answered with status {status}")), "{words}");
            assert!(words.contains("--backend"), "{words}");
        }
    }

    #[tokio::test]
    async fn engines_that_may_become_ready_are_waited_for() {
        for (models, status, answer, words) in [
            ("", 503, "loading", "status 503: loading"),
            // No worker has registered its model with the front end.
            ("{\"data\":[]}", 404, "{\"message\":\"Model not found\"}", "Model not found"),
            ("", 200, "{\"error\":\"warming up\"}", "warming up"),
        ] {
            let server = engine(models, status, answer);
            let error = probe_until_ready(&target(&server), Duration::from_millis(900)).await.unwrap_err();
            assert!(matches!(error, NotReady::Timeout { .. }), "{status} {answer}: {error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
