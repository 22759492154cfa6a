//! Messages signed as Standard Webhooks (<https://www.standardwebhooks.com>, version 1): libraries of most languages check them. The signature
//! covers the name of the message and the time besides the body, so that an old message cannot be sent again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::StatusCode;
use sha2::Sha256;
use tokio::time;

use crate::model::Secret;
use crate::system::http_client::{http_client, public_http_client};

/// What the text of a key begins with.
const KEY_PREFIX: &str = "whsec_";
/// Bytes of a key by the standard.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key of signatures.
#[derive(Debug, Clone)]
pub(crate) struct SigningKey(Secret);

impl SigningKey {
    /// A key from its text, `whsec_` and base64 of 24 to 64 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(KEY_PREFIX)?).ok()?;
        KEY_BYTES.contains(&bytes.len()).then(|| Self(Secret::new(text.to_owned())))
    }

    /// The value of the header `webhook-signature`: `v1,` and base64 of the HMAC-SHA256 over `ID.SECONDS.BODY`.
    fn signature(&self, id: &str, unix_s: i64, body: &str) -> String {
        let text = self.0.expose().strip_prefix(KEY_PREFIX).unwrap_or_default();
        let bytes = STANDARD.decode(text).unwrap_or_default();
        // HMAC takes keys of every length, RFC 2104.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&bytes) else {
            return String::new();
        };
        mac.update(format!("{id}.{unix_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Where messages go.
#[derive(Debug, Clone)]
pub(crate) struct SignedWebhook {
    /// Whoever has the URL of a chat can post, so no message contains it.
    pub url: Secret,
    pub key: Option<SigningKey>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Whether it may be in a private network, or behind a proxy of the environment.
    pub is_internal: bool,
}

/// What became of one attempt.
#[derive(Debug)]
pub(crate) enum Sent {
    Taken {
        status: u16,
    },
    /// Another attempt would end in the same way.
    Refused {
        status: Option<u16>,
        reason: String,
    },
    Again {
        status: Option<u16>,
        /// The wait that the receiver asks for.
        wait: Option<Duration>,
        reason: String,
    },
}

/// Makes one attempt to send a message. Redirects are not followed, so that a message reaches no host that was not configured; of the answer
/// nothing but the head is read.
pub(crate) async fn post(webhook: &SignedWebhook, id: &str, unix_s: i64, body: &str) -> Sent {
    let client = if webhook.is_internal { http_client() } else { public_http_client() };
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            return Sent::Refused {
                status: None,
                reason: error.without_url().to_string(),
            };
        }
    };
    let mut request = client
        .post(webhook.url.expose())
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", unix_s);
    if let Some(key) = &webhook.key {
        request = request.header("webhook-signature", key.signature(id, unix_s, body));
    }
    let again = |status, wait, reason| Sent::Again { status, wait, reason };
    let response = match time::timeout(webhook.timeout, request.body(body.to_owned()).send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return again(None, None, with_reason(error)),
        Err(_) => return again(None, None, format!("no response within {} s", webhook.timeout.as_secs())),
    };
    let status = response.status();
    let code = status.as_u16();
    if status.is_success() {
        return Sent::Taken { status: code };
    }
    if status.is_redirection() {
        let reason = format!("status {code}: redirects are not followed; configure the address they lead to");
        return Sent::Refused {
            status: Some(code),
            reason,
        };
    }
    let reason = format!("status {code}");
    let is_passing = status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if is_passing {
        again(Some(code), retry_after(&response), reason)
    } else {
        Sent::Refused {
            status: Some(code),
            reason,
        }
    }
}

/// The reason of a failure without the URL.
fn with_reason(error: reqwest::Error) -> String {
    crate::model::with_causes(&error.without_url())
}

/// Seconds of `Retry-After`; Discord sends fractions.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?.trim().parse::<f64>().ok()?;
    (0.0..1e6).contains(&value).then(|| Duration::from_secs_f64(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    /// The example of the reference implementations of Standard Webhooks.
    #[test]
    fn signature_matches_the_standard() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn key_has_its_prefix_and_length() {
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_???"] {
            assert!(SigningKey::parse(text).is_none(), "{text}");
        }
    }
}
