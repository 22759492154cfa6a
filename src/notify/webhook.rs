//! Webhooks: POST a JSON body to a URL, signed if there is a key. The URL of a chat's webhook is a secret (whoever has it can post), so
//! no message contains it.

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
/// The header with the signature: `sha256=` and the hex digits of the body's HMAC-SHA256, as in GitHub's own webhooks.
const SIGNATURE_HEADER: &str = "x-imax-signature-256";

/// The target of a message.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub name: &'static str,
    pub url: Secret,
    /// The key of the signature.
    pub key: Option<Secret>,
}

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    /// The URL is invalid, or TLS cannot be set up.
    #[error("cannot send to {name}: {reason}")]
    Setup { name: &'static str, reason: String },
    #[error("{name} rejected the message with status {status}; check that the webhook's URL is complete and still valid")]
    Refused { name: &'static str, status: u16 },
    /// No attempt succeeded.
    #[error("cannot reach {name} after {attempts} attempts: {reason}")]
    Unreachable { name: &'static str, attempts: u32, reason: String },
    /// The receiver is rate limited for longer than imax waits.
    #[error("{name} accepts the next message only in {} s; run the step again then", wait.as_secs())]
    Busy { name: &'static str, wait: Duration },
}

/// Sends a body. Redirects are not followed, so that a message reaches no host that was not configured.
///
/// # Errors
/// [`WebhookError`] if the message is rejected or there is no response.
pub(crate) async fn send(webhook: &Webhook, body: &Value, policy: &RetryPolicy) -> Result<(), WebhookError> {
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
        let response = match time::timeout(DEADLINE, request.body(body.clone()).send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_builder() => return Attempt::Done(Err(setup(name, "invalid URL"))),
            Ok(Err(error)) => return retry(None, error.without_url().to_string()),
            Err(_) => return retry(None, format!("no response within {} s", DEADLINE.as_secs())),
        };
        let status = response.status().as_u16();
        match status {
            200..300 => Attempt::Done(Ok(())),
            429 | 500.. => {
                let wait = response
                    .headers()
                    .get("retry-after")
                    .and_then(|value| value.to_str().ok()?.trim().parse().ok());
                // Discord sends fractions of seconds.
                let wait = wait
                    .filter(|seconds: &f64| (0.0..1e6).contains(seconds))
                    .map(Duration::from_secs_f64);
                retry(wait, format!("status {status}"))
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

fn retry(wait: Option<Duration>, reason: String) -> Attempt<Result<(), WebhookError>> {
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
    fn signature_matches_rfc_4231() {
        let key = Secret::new("Jefe".to_owned());
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(&key, b"what do ya want for nothing?"), expected);
    }
}
