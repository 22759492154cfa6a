//! Whether an engine is ready: its health check answers and it gives one token. The health check alone is not
//! enough: engines answer it before their first, slow forward pass, and some before the model is loaded.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::system::plain_http::{Answer, HttpError, Question, ask};
use crate::system::tls::TlsClient;

/// Pause between two health checks.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time for one answer to a health check or a list of models.
const ANSWER: Duration = Duration::from_secs(5);
/// Part of a refusing answer that is quoted, characters.
const QUOTED: usize = 200;

/// The engine to wait for.
#[derive(Debug, Clone)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Makes the connection an encrypted one.
    pub tls: Option<TlsClient>,
    /// Path of the health check.
    pub health_path: String,
    /// The model that the row names; the engine may serve it under another name.
    pub model: String,
}

/// An engine that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The name under which the engine serves the model.
    pub served_model: String,
}

/// Why it is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady<B> {
    /// The caller ended the wait, and why.
    #[error("the wait was ended")]
    Ended(B),
    /// The deadline came.
    #[error("the engine was not ready within {} s: {last}", .waited.as_secs_f64().round())]
    Late {
        /// How long it had.
        waited: Duration,
        /// What was wrong at last.
        last: String,
    },
}

/// Waits until the engine is ready, at most until `limit` is over; the first answer may take some seconds all the same. `check` is asked about every 50 ms whether to go on.
///
/// # Errors
/// See [`NotReady`].
pub fn wait_until_ready<B>(target: &Target, limit: Duration, check: &mut dyn FnMut() -> ControlFlow<B>) -> Result<Ready, NotReady<B>> {
    let start = Instant::now();
    let mut ended = None;
    let mut go_on = || match &ended {
        Some(_) => false,
        None => match check() {
            ControlFlow::Continue(()) => true,
            ControlFlow::Break(why) => {
                ended = Some(why);
                false
            }
        },
    };
    let mut last = None;
    while go_on() {
        let mut left = limit.saturating_sub(start.elapsed());
        match last {
            // Also where this process was held up until its deadline was over, it asks once.
            None => left = left.max(ANSWER),
            Some(last) if left.is_zero() => return Err(NotReady::Late { waited: limit, last }),
            Some(_) => {}
        }
        match attempt(target, left, &mut go_on) {
            Ok(ready) => return Ok(ready),
            // What the deadline cut short says less than the answer before it.
            Err(_) if last.is_some() && start.elapsed() >= limit => {}
            Err(problem) => last = Some(problem),
        }
        let resume = Instant::now() + PAUSE.min(left);
        while Instant::now() < resume && go_on() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    match ended {
        Some(why) => Err(NotReady::Ended(why)),
        None => Err(NotReady::Late {
            waited: limit,
            last: last.unwrap_or_default(),
        }),
    }
}

/// One round: health, name of the model, one token. The token may take as long as there is time.
fn attempt(target: &Target, left: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<Ready, String> {
    let health = exchange(target, &target.health_path, None, left.min(ANSWER), go_on)?;
    if !(200..300).contains(&health.status) {
        return Err(refusal(&target.health_path, &health));
    }
    let served_model = served_model(target, left.min(ANSWER), go_on)?;
    one_token(target, &served_model, left, go_on)?;
    Ok(Ready { served_model })
}

fn exchange(target: &Target, path: &str, json: Option<&str>, limit: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<Answer, String> {
    let question = Question {
        host: &target.host,
        port: target.port,
        path,
        json,
        headers: &[],
        tls: target.tls.as_ref(),
    };
    ask(question, limit, go_on).map_err(|error: HttpError| format!("{path} on port {}: {error}", target.port))
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

fn served_model(target: &Target, limit: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<String, String> {
    let answer = exchange(target, "/v1/models", None, limit, go_on)?;
    // An engine without the list (status 404) is taken at the row's word; the token below shows whether that is right.
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

fn one_token(target: &Target, model: &str, limit: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<(), String> {
    const PATH: &str = "/v1/completions";
    let request = serde_json::json!({ "model": model, "prompt": "One, two, three,", "max_tokens": 1, "temperature": 0 }).to_string();
    let answer = exchange(target, PATH, Some(&request), limit, go_on)?;
    if answer.status != 200 {
        return Err(refusal(PATH, &answer));
    }
    let completion: Completion =
        serde_json::from_slice(&answer.body).map_err(|error| format!("{PATH} answered with something else than a completion: {error}"))?;
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
