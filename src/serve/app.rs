//! What all requests share, and the order of the layers around the routes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::blocking::ReadTurns;
use super::body_cache::BodyCache;
use super::error::ApiError;
use super::history_metrics::ChosenCurves;
use super::metrics::Metrics;
use super::oidc::Oidc;
use super::rate_limit::RateLimits;
use super::readers::Reader;
use super::source::{Served, Source};
use crate::settings::Regressions;

/// Bounds of requests.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections of clients.
    pub connections: usize,
    /// Connections to the history.
    pub readers: usize,
    /// Requests a second of one address; 0 for no limit.
    pub requests_per_second: u32,
    /// Requests with a token a second, whatever their address; 0 for no limit.
    pub token_requests_per_second: u32,
    /// How long an answer may stay unread.
    pub unread_time: Duration,
    /// The largest body of a request, bytes.
    pub body: usize,
    /// Points that one answer is made of.
    pub points: usize,
    /// How long the queries of one request may take.
    pub query_time: Duration,
}

/// Who may read what, and from where.
#[derive(Debug, Clone)]
pub(crate) struct AccessRules {
    /// Origins whose pages may read, or `*`.
    pub cors_origins: Vec<String>,
    /// Whether reads need a token.
    pub is_closed: bool,
    /// Whether writes are possible.
    pub is_writable: bool,
    /// Whether `/api/graphql` answers.
    pub has_graphql: bool,
    /// Whether the last address of `X-Forwarded-For` is the client's.
    pub is_behind_proxy: bool,
}

/// The state of the server; none of it outlives the process.
#[derive(Debug)]
pub(super) struct App {
    pub source: Source,
    pub limits: Limits,
    pub rules: AccessRules,
    /// What the repository's settings say about changes.
    pub regressions: Regressions,
    pub chosen_curves: ChosenCurves,
    pub metrics: Metrics,
    pub rates: RateLimits,
    /// Who identifies workflows; `None` where they need a token.
    pub oidc: Option<Oidc>,
    pub bodies: BodyCache,
    pub reads: ReadTurns,
    /// The turn of the one who writes.
    pub turn: tokio::sync::Mutex<()>,
    /// The turn of the one who unpacks an archive.
    pub unpacking: tokio::sync::Mutex<()>,
    /// Told of each write, for those who watch the history.
    pub written: tokio::sync::Notify,
}

/// The address of the client's end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub SocketAddr);

pub(super) type Shared = axum::extract::State<Arc<App>>;

impl App {
    /// The history at this moment.
    pub(super) fn served(&self) -> Arc<Served> {
        self.source.now()
    }

    /// A connection to it.
    pub(super) async fn reader(&self) -> Result<Reader, ApiError> {
        self.served().readers.take().await
    }
}
