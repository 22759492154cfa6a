//! `POST /api/v1/ingest`. The request is named by its content, so that sending it again stores nothing twice.

use std::time::Duration;

use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::Deserialize;

use super::{ServerAddress, ServerCounts, ServerError, credential};
use crate::analysis::HistoryRun;
use crate::model::{Digest, Secret};
use crate::system::http_client::{bounded_body, http_client};
use crate::system::retry::{Attempt, GaveUp, RetryPolicy};

/// How long one attempt may take: a server lets a write wait for those before it for a minute.
const REQUEST_TIME: Duration = Duration::from_secs(150);
/// The longest answer that is read, bytes.
const LONGEST_ANSWER: usize = 1 << 20;
/// The most of an answer that an error shows, characters.
const LONGEST_DETAIL: usize = 2000;

/// Runs that are posted together: all of them are stored, or none.
#[derive(Debug)]
pub(crate) struct PostedRuns<'a> {
    pub runs: &'a [HistoryRun],
    /// Count what would change, and change nothing.
    pub dry_run: bool,
}

/// Problem details (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// An answer with its body.
struct Answered {
    status: u16,
    body: Vec<u8>,
}

/// Posts runs.
///
/// # Errors
/// [`ServerError`]; nothing is stored then, unless the server stored the runs and its answer was lost.
pub(crate) async fn post(server: &ServerAddress, posted: &PostedRuns<'_>) -> Result<ServerCounts, ServerError> {
    let token = credential(server).await?;
    let body = serde_json::to_vec(posted.runs)?;
    let client = http_client().map_err(|error| ServerError::Setup(error.to_string()))?;
    // Of this call alone: content that was published before a correction is published again after it.
    let key = format!("imax-{}-{}", Digest::of(&body), Utc::now().timestamp_micros());
    let mut url = server.route("ingest");
    if posted.dry_run {
        url.push_str("?dry_run=true");
    }
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(body);
    let policy = RetryPolicy {
        attempts: 4,
        ..RetryPolicy::default()
    };
    let answered = policy.run(|| attempt(&request, &token)).await;
    let server = server.to_string();
    match answered {
        Ok(Ok(answered)) => read(server, &answered),
        Ok(Err(reason)) | Err(GaveUp::Exhausted { attempts: _, reason }) => Err(ServerError::Unreachable { server, reason }),
        Err(GaveUp::TooLong { wait }) => Err(ServerError::Unreachable {
            server,
            reason: format!("it asks to wait {} s", wait.as_secs()),
        }),
    }
}

async fn attempt(request: &reqwest::RequestBuilder, token: &Secret) -> Attempt<Result<Answered, String>> {
    let Some(request) = request.try_clone() else {
        return Attempt::Done(Err("the request cannot be repeated".to_owned()));
    };
    let sent = tokio::time::timeout(REQUEST_TIME, send(request.bearer_auth(token.expose()))).await;
    match sent {
        Ok(Ok((answered, wait))) if matches!(answered.status, 429 | 502..=504) => Attempt::Again {
            wait,
            reason: format!("it answered {}", answered.status),
        },
        Ok(Ok((answered, _))) => Attempt::Done(Ok(answered)),
        Ok(Err(error)) => Attempt::Again {
            wait: None,
            reason: crate::model::with_causes(&error.without_url()),
        },
        Err(_) => Attempt::Again {
            wait: None,
            reason: format!("no answer within {} s", REQUEST_TIME.as_secs()),
        },
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<(Answered, Option<Duration>), reqwest::Error> {
    let mut response = request.send().await?;
    let status = response.status().as_u16();
    let wait = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let body = bounded_body(&mut response, LONGEST_ANSWER).await?.bytes;
    Ok((Answered { status, body }, wait.map(Duration::from_secs)))
}

fn read(server: String, answered: &Answered) -> Result<ServerCounts, ServerError> {
    if answered.status == 200 {
        return serde_json::from_slice(&answered.body).map_err(|error| ServerError::Answer {
            server,
            reason: format!("its answer has no counts: {error}"),
        });
    }
    let detail = match serde_json::from_slice::<Problem>(&answered.body) {
        Ok(problem) => problem.detail,
        Err(_) => String::from_utf8_lossy(&answered.body).into_owned(),
    };
    // The answer is shown in a terminal and in logs of workflows.
    let detail = detail.chars().map(|character| if character.is_control() { ' ' } else { character });
    Err(ServerError::Refused {
        server,
        status: answered.status,
        detail: detail.take(LONGEST_DETAIL).collect(),
    })
}
