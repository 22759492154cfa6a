//! What lets a publisher write: the token of `IMAX_TOKEN`, or in GitHub Actions a token that GitHub signs for the job (OpenID Connect),
//! which needs no secret. See GitHub's documentation, "About security hardening with OpenID Connect".

use std::env;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::ServerAddress;
use crate::model::Secret;
use crate::system::http_client::{BoundedBody, bounded_body, http_client};

/// The environment variable with a token of `imax token create`.
const TOKEN: &str = "IMAX_TOKEN";
/// Where the runner gives out tokens, and what it wants for one. They are there with the permission `id-token: write` alone.
const REQUEST_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const REQUEST_TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// How long the runner may take.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// No token is longer, bytes.
const LONGEST: usize = 64 << 10;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("no token; set IMAX_TOKEN to one of imax token create, or give the job of a workflow the permission `id-token: write`")]
    None,
    #[error("the runner gives no OpenID Connect token: {0}")]
    Runner(String),
}

#[derive(Deserialize)]
struct Given {
    value: String,
}

/// A variable that is set and not blank.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The token for a server.
///
/// # Errors
/// [`CredentialError`].
pub(crate) async fn credential(server: &ServerAddress) -> Result<Secret, CredentialError> {
    if let Some(token) = variable(TOKEN) {
        return Ok(Secret::new(token.trim().to_owned()));
    }
    let (Some(url), Some(token)) = (variable(REQUEST_URL), variable(REQUEST_TOKEN)) else {
        return Err(CredentialError::None);
    };
    let asked = tokio::time::timeout(REQUEST_TIME, ask(&url, &Secret::new(token), &server.to_string())).await;
    asked.unwrap_or_else(|_| Err(CredentialError::Runner(format!("no answer within {} s", REQUEST_TIME.as_secs()))))
}

/// Asks the runner for a token that counts for the server alone.
async fn ask(url: &str, token: &Secret, audience: &str) -> Result<Secret, CredentialError> {
    let failed = |reason: String| CredentialError::Runner(token.redact(&reason));
    let mut url = Url::parse(url).map_err(|error| failed(format!("{REQUEST_URL} is invalid: {error}")))?;
    url.query_pairs_mut().append_pair("audience", audience);
    let client = http_client().map_err(|error| failed(error.to_string()))?;
    let request = client.get(url).bearer_auth(token.expose());
    let mut response = request.send().await.map_err(|error| failed(error.without_url().to_string()))?;
    let status = response.status().as_u16();
    let body = bounded_body(&mut response, LONGEST).await;
    let BoundedBody { bytes: body, is_whole } = body.map_err(|error| failed(error.without_url().to_string()))?;
    if !is_whole {
        return Err(failed(format!("its answer is longer than {LONGEST} bytes")));
    }
    if status != 200 {
        return Err(failed(format!("it answered {status}")));
    }
    let given: Given = serde_json::from_slice(&body).map_err(|_| failed("its answer has no token".to_owned()))?;
    Ok(Secret::new(given.value))
}
