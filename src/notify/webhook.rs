//! Webhooks: a JSON body to an address that somebody gave, signed where there is a key. The address of a chat's webhook is itself
//! a secret, so it is in no message.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::time;

use crate::model::Secret;
use crate::system::http_client::http_client;
use crate::system::retry::{Attempt, GaveUp, RetryPolicy};

/// How long one attempt may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// The header with the signature: `sha256=` and the hex digits of the body's HMAC-SHA256, as GitHub's own webhooks have it.
pub const SIGNATURE_HEADER: &str = "x-imax-signature-256";

/// Where a message goes.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// What it is called in messages, such as `slack`.
    pub name: &'static str,
    /// The address.
    pub url: Secret,
    /// The key of the signature.
    pub key: Option<Secret>,
}

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// TLS cannot be set up.
    #[error("cannot send to {name}: {reason}")]
    Setup {
        /// The webhook.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The receiver refuses.
    #[error("{name} refused the message with status {status}; is the webhook's address right and still valid?")]
    Refused {
        /// The webhook.
        name: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// No answer, however often it was tried.
    #[error("{name} did not take the message after {attempts} attempts: {reason}")]
    Unreachable {
        /// The webhook.
        name: &'static str,
        /// How often.
        attempts: u32,
        /// What happened the last time.
        reason: String,
    },
    /// The receiver asks to wait for too long.
    #[error("{name} asks to wait {} s before the next message", wait.as_secs())]
    Busy {
        /// The webhook.
        name: &'static str,
        /// How long.
        wait: Duration,
    },
}

/// Sends a body. Redirects are not followed: what was meant for one address goes to no other.
///
/// # Errors
/// [`WebhookError`] where it is refused or not answered.
pub async fn send(webhook: &Webhook, body: &Value, policy: &RetryPolicy) -> Result<(), WebhookError> {
    let name = webhook.name;
    let client = http_client().map_err(|error| WebhookError::Setup {
        name,
        reason: error.without_url().to_string(),
    })?;
    let body = body.to_string();
    let attempts = policy.run(async || {
        let mut request = client.post(webhook.url.expose()).header("content-type", "application/json");
        if let Some(key) = &webhook.key {
            request = request.header(SIGNATURE_HEADER, signature(key, body.as_bytes()));
        }
        let answer = match time::timeout(DEADLINE, request.body(body.clone()).send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_builder() => return Attempt::Done(Err(setup(name, "its address is none"))),
            Ok(Err(error)) => return again(None, error.without_url().to_string()),
            Err(_) => return again(None, format!("no answer within {} s", DEADLINE.as_secs())),
        };
        let status = answer.status().as_u16();
        match status {
            200..300 => Attempt::Done(Ok(())),
            429 | 500.. => {
                let wait = answer
                    .headers()
                    .get("retry-after")
                    .and_then(|value| value.to_str().ok()?.trim().parse().ok());
                // Discord gives fractions of seconds.
                let wait = wait
                    .filter(|seconds: &f64| (0.0..1e6).contains(seconds))
                    .map(Duration::from_secs_f64);
                again(wait, format!("status {status}"))
            }
            status => Attempt::Done(Err(WebhookError::Refused { name, status })),
        }
    });
    attempts.await.unwrap_or_else(|gave_up| {
        Err(match gave_up {
            GaveUp::TooLong { wait } => WebhookError::Busy { name, wait },
            GaveUp::Exhausted { attempts, reason } => WebhookError::Unreachable { name, attempts, reason },
        })
    })
}

fn setup(name: &'static str, reason: &str) -> WebhookError {
    let reason = reason.to_owned();
    WebhookError::Setup { name, reason }
}

fn again(wait: Option<Duration>, reason: String) -> Attempt<Result<(), WebhookError>> {
    Attempt::Again { wait, reason }
}

/// The value of the signature's header.
fn signature(key: &Secret, body: &[u8]) -> String {
    // HMAC takes keys of every length, RFC 2104.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_signature_is_hmac_sha256() {
        let key = Secret::new("Jefe".to_owned());
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(&key, b"what do ya want for nothing?"), expected);
    }
}
