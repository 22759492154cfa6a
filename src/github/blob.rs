//! The bytes of an artifact. GitHub redirects to a blob store with a signed URL, so the token is not sent there.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Response, Url};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::time;

use super::artifact::DownloadError;
use super::client::{ClientSettings, error_text, given_up, message_of, refused};
use super::error::GithubError;
use super::limit::{Advice, LimitHeaders, advise};
use super::run::PERMISSION;
use crate::system::http_client::bounded_body;
use crate::system::retry::Attempt;

/// The most redirects of GitHub and the blob store together.
const MAX_REDIRECTS: usize = 5;
/// The longest error message that is read, bytes.
const MAX_MESSAGE: usize = 64 << 10;
/// The time for one attempt to download an artifact.
const DEADLINE: Duration = Duration::from_secs(900);

pub(super) struct Blob {
    /// Deleted when it is dropped.
    pub file: NamedTempFile,
    /// `sha256:<hex>` of the bytes.
    pub digest: String,
}

/// Why an attempt failed, and whether to try again.
enum AttemptError {
    Retry { wait: Option<Duration>, reason: String },
    Fatal(DownloadError),
}

impl From<reqwest::Error> for AttemptError {
    fn from(error: reqwest::Error) -> Self {
        Self::Retry {
            wait: None,
            // Without the URL: whoever has the signed URL of a blob store can read the blob.
            reason: error_text(&error.without_url()),
        }
    }
}

/// Downloads from a path of the API into a temporary file in `folder`.
pub(super) async fn fetch(
    http: &reqwest::Client,
    settings: &ClientSettings,
    path: &str,
    folder: &Path,
    most_bytes: u64,
) -> Result<Blob, DownloadError> {
    let name = format!("GET {path}");
    let attempts = settings.retry.run(async || {
        let attempt = fetch_once(http, settings, path, folder, most_bytes);
        match time::timeout(DEADLINE, attempt).await {
            Ok(Ok(blob)) => Attempt::Done(Ok(blob)),
            Ok(Err(AttemptError::Fatal(error))) => Attempt::Done(Err(error)),
            Ok(Err(AttemptError::Retry { wait, reason })) => Attempt::Again { wait, reason },
            Err(_) => Attempt::Again {
                wait: None,
                reason: format!("download not complete after {} s", DEADLINE.as_secs()),
            },
        }
    });
    attempts
        .await
        .unwrap_or_else(|gave_up| Err(DownloadError::Github(given_up(name, gave_up))))
}

async fn fetch_once(
    http: &reqwest::Client,
    settings: &ClientSettings,
    path: &str,
    folder: &Path,
    most_bytes: u64,
) -> Result<Blob, AttemptError> {
    let name = format!("GET {path}");
    let api = format!("{}{path}", settings.api_url.trim_end_matches('/'));
    let mut url = Url::parse(&api).map_err(|error| {
        fatal(GithubError::Setup {
            url: api.clone(),
            reason: error.to_string(),
        })
    })?;
    let start = url.clone();
    for _ in 0..MAX_REDIRECTS {
        let mut request = http.get(url.clone());
        // The token is sent to the API only, never to the target of a redirect.
        if url.origin() == start.origin() {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", settings.token.expose()));
            let mut bearer = bearer.map_err(|error| {
                fatal(GithubError::Setup {
                    url: settings.api_url.clone(),
                    reason: format!("the token is not a valid header value: {error}"),
                })
            })?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer).header(ACCEPT, "application/vnd.github+json");
        }
        let response = request.send().await?;
        match response.status() {
            StatusCode::OK => return receive(response, folder, most_bytes).await,
            status if status.is_redirection() => url = redirect_target(&name, &url, &response)?,
            _ => return Err(response_error(&name, response).await),
        }
    }
    Err(fatal(GithubError::Response {
        request: name,
        reason: format!("more than {MAX_REDIRECTS} redirects"),
    }))
}

fn fatal(error: GithubError) -> AttemptError {
    AttemptError::Fatal(DownloadError::Github(error))
}

/// The target of a redirect. A redirect from HTTPS must lead to HTTPS.
fn redirect_target(request: &str, from: &Url, response: &Response) -> Result<Url, AttemptError> {
    let invalid = |reason: &str| {
        fatal(GithubError::Response {
            request: request.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| invalid("redirect without Location"))?;
    let next = from.join(location).map_err(|_| invalid("redirect Location is not a valid URL"))?;
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        (_, _) => Err(invalid("redirect from HTTPS to plain HTTP")),
    }
}

/// The error for a response that is neither the blob nor a redirect.
async fn response_error(request: &str, mut response: Response) -> AttemptError {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse().ok();
    let limits = LimitHeaders {
        retry_after: header("retry-after"),
        remaining: header("x-ratelimit-remaining"),
        reset: header("x-ratelimit-reset"),
        date: None,
    };
    let body = bounded_body(&mut response, MAX_MESSAGE).await.unwrap_or_default().bytes;
    let message = message_of(&String::from_utf8_lossy(&body));
    let reason = format!("status {status}: {message}");
    match advise(status, &limits, &message, SystemTime::now()) {
        Advice::Retry => AttemptError::Retry { wait: None, reason },
        Advice::RetryAfter(wait) => AttemptError::Retry { wait: Some(wait), reason },
        Advice::Accept => fatal(refused(request.to_owned(), status, message, PERMISSION)),
    }
}

async fn receive(mut response: Response, folder: &Path, most_bytes: u64) -> Result<Blob, AttemptError> {
    let failed = |source| {
        AttemptError::Fatal(DownloadError::Write {
            path: folder.to_owned(),
            source,
        })
    };
    let mut file = tempfile::Builder::new().prefix(".imax-").tempfile_in(folder).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut bytes: u64 = 0;
    while let Some(chunk) = response.chunk().await? {
        bytes += chunk.len() as u64;
        if bytes > most_bytes {
            return Err(AttemptError::Fatal(DownloadError::TooLarge { limit: most_bytes }));
        }
        hash.update(&chunk);
        file.write_all(&chunk).map_err(failed)?;
    }
    Ok(Blob {
        file,
        digest: format!("sha256:{}", hex::encode(hash.finalize())),
    })
}
