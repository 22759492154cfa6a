//! The bytes of an artifact. GitHub answers with the address of a blob store that needs no token, so none goes there.

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
use super::client::{Settings, given_up, message_of, refused, words};
use super::error::GithubError;
use super::limit::{Advice, LimitHeaders, advise};
use super::run::PERMISSION;
use crate::system::retry::Attempt;

/// How often GitHub and the blob store together may point elsewhere.
const MAX_HOPS: usize = 5;
/// How long one artifact may take in all.
const DEADLINE: Duration = Duration::from_secs(900);

/// What came.
pub(super) struct Blob {
    /// Where it is until it is dropped.
    pub file: NamedTempFile,
    /// `sha256:<hex>` of what came.
    pub digest: String,
}

/// What one attempt came to, besides the blob: what is worth another one.
enum Trouble {
    Again { wait: Option<Duration>, reason: String },
    Over(DownloadError),
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self::Again {
            wait: None,
            // Without the address: that of a blob store lets everyone read who has it.
            reason: words(&error.without_url()),
        }
    }
}

/// Fetches what is behind a path of the API into a temporary file in `folder`.
pub(super) async fn fetch(
    http: &reqwest::Client,
    settings: &Settings,
    path: &str,
    folder: &Path,
    most_bytes: u64,
) -> Result<Blob, DownloadError> {
    let name = format!("GET {path}");
    let attempts = settings.retry.run(async || {
        let attempt = fetch_once(http, settings, path, folder, most_bytes);
        match time::timeout(DEADLINE, attempt).await {
            Ok(Ok(blob)) => Attempt::Done(Ok(blob)),
            Ok(Err(Trouble::Over(error))) => Attempt::Done(Err(error)),
            Ok(Err(Trouble::Again { wait, reason })) => Attempt::Again { wait, reason },
            Err(_) => Attempt::Again {
                wait: None,
                reason: format!("not all of it within {} s", DEADLINE.as_secs()),
            },
        }
    });
    attempts
        .await
        .unwrap_or_else(|gave_up| Err(DownloadError::Github(given_up(name, gave_up))))
}

async fn fetch_once(http: &reqwest::Client, settings: &Settings, path: &str, folder: &Path, most_bytes: u64) -> Result<Blob, Trouble> {
    let name = format!("GET {path}");
    let api = format!("{}{path}", settings.api_url.trim_end_matches('/'));
    let mut url = Url::parse(&api).map_err(|error| {
        over(GithubError::Setup {
            url: api.clone(),
            reason: error.to_string(),
        })
    })?;
    let start = url.clone();
    for _ in 0..MAX_HOPS {
        let mut request = http.get(url.clone());
        // The token goes to the API and nowhere else, wherever it points.
        if url.origin() == start.origin() {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", settings.token.expose()));
            let mut bearer = bearer.map_err(|error| {
                over(GithubError::Setup {
                    url: settings.api_url.clone(),
                    reason: format!("the token is no header value: {error}"),
                })
            })?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer).header(ACCEPT, "application/vnd.github+json");
        }
        let response = request.send().await?;
        match response.status() {
            StatusCode::OK => return receive(response, folder, most_bytes).await,
            status if status.is_redirection() => url = next(&name, &url, &response)?,
            _ => return Err(unwelcome(&name, response).await),
        }
    }
    Err(over(GithubError::Answer {
        request: name,
        reason: format!("it points elsewhere more than {MAX_HOPS} times"),
    }))
}

fn over(error: GithubError) -> Trouble {
    Trouble::Over(DownloadError::Github(error))
}

/// Where a redirect leads. From HTTPS it must stay there.
fn next(request: &str, from: &Url, response: &Response) -> Result<Url, Trouble> {
    let wrong = |reason: &str| {
        over(GithubError::Answer {
            request: request.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| wrong("it points elsewhere and does not say where"))?;
    let next = from.join(location).map_err(|_| wrong("it points to what is no address"))?;
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        (_, _) => Err(wrong("it points from HTTPS to an address without it")),
    }
}

/// An answer that is neither the blob nor its address.
async fn unwelcome(request: &str, response: Response) -> Trouble {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse().ok();
    let limits = LimitHeaders {
        retry_after: header("retry-after"),
        remaining: header("x-ratelimit-remaining"),
        reset: header("x-ratelimit-reset"),
        date: None,
    };
    let message = message_of(&response.text().await.unwrap_or_default());
    let reason = format!("status {status}: {message}");
    match advise(status, &limits, &message, SystemTime::now()) {
        Advice::Again => Trouble::Again { wait: None, reason },
        Advice::After(wait) => Trouble::Again { wait: Some(wait), reason },
        Advice::Accept => over(refused(request.to_owned(), status, message, PERMISSION)),
    }
}

async fn receive(mut response: Response, folder: &Path, most_bytes: u64) -> Result<Blob, Trouble> {
    let failed = |source| {
        Trouble::Over(DownloadError::Write {
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
            return Err(Trouble::Over(DownloadError::TooLarge { limit: most_bytes }));
        }
        hash.update(&chunk);
        file.write_all(&chunk).map_err(failed)?;
    }
    Ok(Blob {
        file,
        digest: format!("sha256:{}", hex::encode(hash.finalize())),
    })
}
