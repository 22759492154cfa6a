//! The issuer's public keys (RFC 7517), found by its metadata (OpenID Connect Discovery 1.0, section 4). They are kept for an hour. A token with
//! an unknown key lets them be fetched again, since the issuer may have new ones; how often, is bounded, since anybody can send such tokens.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::OidcRefusal;
use super::jws::RsaKey;
use crate::model::with_causes;
use crate::system::http_client::{BoundedBody, bounded_body, http_client};
use crate::system::public_address::is_this_machine;

/// How long keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long keys are used while they cannot be fetched again.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How long the issuer may take for both documents.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// The keys are fetched this often at once, and then once in the interval.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(3);
const FETCH_INTERVAL: Duration = Duration::from_secs(30);
/// The longest document, bytes, and the most keys that are kept.
const LONGEST: usize = 256 << 10;
const MOST_KEYS: usize = 100;

type KeySet = HashMap<String, Arc<RsaKey>>;

/// The keys of an issuer.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    known: RwLock<Option<Known>>,
    /// The turn of the one who fetches.
    turn: tokio::sync::Mutex<()>,
    fetches: DefaultDirectRateLimiter,
}

#[derive(Debug, Clone)]
struct Known {
    keys: Arc<KeySet>,
    fetched: Instant,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("{url}: status {status}")]
    Status { url: String, status: u16 },
    #[error("{0}: more than {LONGEST} bytes")]
    TooLong(String),
    #[error("{url}: {source}")]
    Form { url: String, source: serde_json::Error },
    #[error("the metadata is of the issuer {0:?}")]
    Issuer(String),
    #[error("the metadata names {0:?} for the keys, expected the server of the issuer")]
    Place(String),
    #[error("no key for RS256")]
    NoKey,
    #[error("no answer within {} s", FETCH_TIME.as_secs())]
    Late,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Entry>,
}

/// A key of any kind.
#[derive(Deserialize)]
struct Entry {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

/// Whether answers of an address are authentic: TLS, or the same machine.
pub(super) fn is_trusted(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(url))
}

impl Keys {
    pub(super) fn new(issuer: &str) -> Self {
        let quota = Quota::with_period(FETCH_INTERVAL).map(|quota| quota.allow_burst(BURST));
        Self {
            issuer: issuer.to_owned(),
            known: RwLock::default(),
            turn: tokio::sync::Mutex::default(),
            fetches: RateLimiter::direct(quota.unwrap_or_else(|| Quota::per_minute(NonZeroU32::MIN))),
        }
    }

    /// The key of an id; `None` if the issuer has none.
    ///
    /// # Errors
    /// [`OidcRefusal::Keys`] if it is not known whether the issuer has one.
    pub(super) async fn key(&self, id: &str) -> Result<Option<Arc<RsaKey>>, OidcRefusal> {
        if let Some(key) = self.fresh(id) {
            return Ok(Some(key));
        }
        let Ok(_turn) = tokio::time::timeout(FETCH_TIME, self.turn.lock()).await else {
            return Err(OidcRefusal::Keys);
        };
        // Another request may have fetched them meanwhile.
        if let Some(key) = self.fresh(id) {
            return Ok(Some(key));
        }
        if self.fetches.check().is_ok() {
            let fetched = tokio::time::timeout(FETCH_TIME, self.fetch()).await;
            match fetched.unwrap_or(Err(FetchError::Late)) {
                Ok(keys) => self.keep(keys),
                Err(error) => {
                    tracing::warn!(
                        issuer = self.issuer,
                        error = with_causes(&error),
                        "cannot fetch the keys of the issuer"
                    );
                    // It may have a new key, which is not known here.
                    return self.stale(id).map(Some).ok_or(OidcRefusal::Keys);
                }
            }
        }
        match self.known() {
            Some(known) if known.fetched.elapsed() < STALE => Ok(known.keys.get(id).cloned()),
            Some(_) | None => Err(OidcRefusal::Keys),
        }
    }

    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, id: &str) -> Option<Arc<RsaKey>> {
        let known = self.known().filter(|known| known.fetched.elapsed() < FRESH)?;
        known.keys.get(id).cloned()
    }

    fn stale(&self, id: &str) -> Option<Arc<RsaKey>> {
        let known = self.known().filter(|known| known.fetched.elapsed() < STALE)?;
        known.keys.get(id).cloned()
    }

    /// Keys that the issuer no longer has are forgotten.
    fn keep(&self, keys: KeySet) {
        let known = Known {
            keys: Arc::new(keys),
            fetched: Instant::now(),
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let client = http_client()?;
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: Metadata = document(&client, &url).await?;
        if metadata.issuer != self.issuer {
            return Err(FetchError::Issuer(metadata.issuer.chars().take(200).collect()));
        }
        let place = Url::parse(&metadata.jwks_uri).ok().filter(is_trusted);
        let issuer = Url::parse(&self.issuer).ok();
        let is_same = place.as_ref().map(Url::origin) == issuer.as_ref().map(Url::origin);
        let place = place.filter(|_| is_same);
        let place = place.ok_or_else(|| FetchError::Place(metadata.jwks_uri.chars().take(200).collect()))?;
        let found: Document = document(&client, place.as_str()).await?;
        let keys: KeySet = found.keys.into_iter().filter_map(rsa_key).take(MOST_KEYS).collect();
        if keys.is_empty() { Err(FetchError::NoKey) } else { Ok(keys) }
    }
}

/// A key that may sign tokens here.
fn rsa_key(entry: Entry) -> Option<(String, Arc<RsaKey>)> {
    let Entry {
        kty,
        kid,
        alg,
        usage,
        n,
        e,
    } = entry;
    let is_for_signatures = usage.is_none_or(|usage| usage == "sig") && alg.is_none_or(|alg| alg == "RS256");
    if kty != "RSA" || !is_for_signatures {
        return None;
    }
    let key = RsaKey {
        modulus: URL_SAFE_NO_PAD.decode(n?).ok()?,
        exponent: URL_SAFE_NO_PAD.decode(e?).ok()?,
    };
    Some((kid?, Arc::new(key)))
}

async fn document<T: DeserializeOwned>(client: &reqwest::Client, url: &str) -> Result<T, FetchError> {
    let mut response = client.get(url).send().await?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(FetchError::Status {
            url: url.to_owned(),
            status,
        });
    }
    let BoundedBody { bytes: body, is_whole } = bounded_body(&mut response, LONGEST).await?;
    if !is_whole {
        return Err(FetchError::TooLong(url.to_owned()));
    }
    serde_json::from_slice(&body).map_err(|source| FetchError::Form {
        url: url.to_owned(),
        source,
    })
}
