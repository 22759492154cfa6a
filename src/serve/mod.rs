//! The results API: everything measured, by address. It answers from any home of a history, and holds no state besides connections and counters,
//! so that several servers in front of one database behave as one.

mod answer;
mod api;
mod app;
mod authorization;
mod blocking;
mod body_cache;
mod card;
mod conditional;
mod config;
mod cursor;
mod docs_page;
mod encode;
mod error;
mod form;
mod format;
mod generation;
mod graphql;
mod health;
mod history_metrics;
mod listener;
mod metric_registry;
mod metrics;
mod oidc;
mod openapi;
mod page_files;
mod pages;
mod plain_boards;
mod plain_page;
mod point_object;
mod rate_limit;
mod readers;
mod routes;
mod security;
mod selection_params;
mod snapshot;
mod source;
mod stall_guard;
mod tls;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

pub(crate) use app::{AccessRules, Limits};
pub(crate) use authorization::new_token;
pub(crate) use config::{ConfigError, ServeConfig};
pub(crate) use graphql::graphql_schema;
pub(crate) use history_metrics::ChosenCurves;
pub(crate) use listener::GRACE;
pub(crate) use oidc::{OidcError, OidcSettings};
pub(crate) use openapi::description;
pub(crate) use snapshot::{ReportSource, SiteRequest, SnapshotError, publish_site, report_pages};
pub(crate) use tls::{TlsFileError, TlsFiles};

use listener::Transport;

use crate::settings::Regressions;
use crate::store::artifacts::ArtifactError;
use crate::store::database::{Access, Database, DatabaseError};
use crate::store::history::{HistoryFolderError, HistoryHome, OpenArtifactsError, OpenError};
use crate::system::cancellation::Cancellation;
use crate::watch::{self, Watches};

/// How a history is served.
#[derive(Debug)]
pub(crate) struct ServeRequest {
    pub home: HistoryHome,
    pub listen: SocketAddr,
    /// Whether an address other than a loopback one may be listened on.
    pub is_public: bool,
    pub limits: Limits,
    pub rules: AccessRules,
    /// What the repository's settings say about changes.
    pub regressions: Regressions,
    pub chosen_curves: ChosenCurves,
    /// How workflows identify themselves; `None` where they need a token.
    pub oidc: Option<OidcSettings>,
    /// `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How often files are looked at again, and the history for saved queries.
    pub refresh: Duration,
    /// Saved queries.
    pub watches: Option<Watches>,
}

/// Why the server cannot start, or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("{0} can be reached from other machines; --public allows it")]
    Public(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("invalid origin {0:?}; expected one such as https://dashboard.example.org, or *")]
    Origin(String),
    #[error("{0} is kept in files, and saved queries need a database that keeps what they told; imax import copies it into one")]
    WatchesNeedDatabase(String),
    #[error("{0} is kept in files, which imax publish and imax collect write; serve a database for writes")]
    ReadOnly(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsFileError),
    #[error(transparent)]
    Oidc(#[from] OidcError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Artifacts(#[from] OpenArtifactsError),
    #[error(transparent)]
    File(#[from] ArtifactError),
    #[error(transparent)]
    Folder(#[from] HistoryFolderError),
    #[error("reading the history stopped: {0}")]
    Stopped(#[from] tokio::task::JoinError),
    #[error("cannot describe the API as JSON: {0}")]
    Description(#[from] serde_json::Error),
    #[error("the dashboards' files in this program are damaged: {0}")]
    Page(#[source] std::io::Error),
    #[error("some answers did not end within {} s", GRACE.as_secs())]
    Unfinished,
}

/// Serves until it is cancelled. `ready` is told the address.
///
/// # Errors
/// [`ServeError`].
pub(crate) async fn serve(request: ServeRequest, cancellation: &Cancellation, ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let ServeRequest {
        home,
        listen,
        is_public,
        limits,
        rules,
        regressions,
        chosen_curves,
        oidc,
        tls,
        refresh,
        watches,
    } = request;
    if !is_public && !listen.ip().to_canonical().is_loopback() {
        return Err(ServeError::Public(listen));
    }
    if watches.is_some() && !matches!(home, HistoryHome::Database(_)) {
        return Err(ServeError::WatchesNeedDatabase(home.to_string()));
    }
    match (rules.is_writable || watches.is_some(), &home) {
        // A history that is to be written may be new, or of an older version.
        (true, HistoryHome::Database(address)) => Database::open(address, Access::Write).await?.close().await?,
        (true, HistoryHome::Folder(_) | HistoryHome::Branch(_) | HistoryHome::Bucket(_)) => {
            return Err(ServeError::ReadOnly(home.to_string()));
        }
        (false, _) => {}
    }
    let source = source::Source::open(home, limits.readers, limits.query_time).await?;
    let reads = blocking::ReadTurns::new(limits.readers);
    let transport = Transport {
        connections: limits.connections,
        unread_time: limits.unread_time,
        tls: tls.as_ref().map(tls::acceptor).transpose()?,
    };
    let app = Arc::new(app::App {
        source,
        rates: rate_limit::RateLimits::new(limits.requests_per_second, limits.token_requests_per_second),
        oidc: oidc.map(oidc::Oidc::new).transpose()?,
        limits,
        rules,
        regressions,
        chosen_curves,
        metrics: metrics::Metrics::default(),
        bodies: body_cache::BodyCache::default(),
        reads,
        turn: tokio::sync::Mutex::default(),
        unpacking: tokio::sync::Mutex::default(),
        written: tokio::sync::Notify::new(),
    });
    let router = routes::router(&app)?;
    let failed = |source| ServeError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    ready(listener.local_addr().map_err(failed)?);
    let answering = listener::answer(listener, router, transport, cancellation);
    let watching = watch_history(Arc::clone(&app), watches, refresh, cancellation.clone());
    let (all_ended, (), ()) = tokio::join!(answering, app.source.refresh(refresh, cancellation), watching);
    if all_ended { Ok(()) } else { Err(ServeError::Unfinished) }
}

/// Runs saved queries over a database, on a thread of their own: what they compute delays no answer.
async fn watch_history(app: Arc<app::App>, watches: Option<Watches>, period: Duration, cancellation: Cancellation) {
    let (Some(watches), Some(address)) = (watches, app.served().writes_to.clone()) else {
        return;
    };
    let runtime = tokio::runtime::Handle::current();
    let work = move || runtime.block_on(watch::run(&address, &watches, period, &app.written, &cancellation));
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "saved queries ended");
    }
}
