//! `imax serve`: the results API over a history.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::output::say;
use super::{Exit, Failure};
use crate::analysis::Filter;
use crate::planning::{SettingsFile, SettingsFileError};
use crate::serve::{AccessRules, ChosenCurves, Limits, OidcSettings, ServeConfig, ServeError, ServeRequest, TlsFiles, serve};
use crate::store::history::{HistoryHome, HistoryHomeError};
use crate::system::cancellation::Cancellation;
use crate::watch::{WatchFileError, Watches};

/// Serve what was measured: the results API over a history or a folder of artifacts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax serve artifacts\n  \
        imax serve --history history.db --listen 127.0.0.1:8080\n  \
        imax serve --history postgres://imax@db.example/history --listen 0.0.0.0:8080 --public\n  \
        imax serve --config serve.toml\n\n\
        /api/docs describes the API. SIGTERM ends it when the answers in progress are complete, after 30 s at the latest.")]
pub struct ServeArgs {
    /// A folder of artifacts, a history folder, or any other history.
    #[arg(value_name = "HISTORY", required_unless_present_any = ["history", "config"], conflicts_with = "history")]
    positional: Option<HistoryHome>,
    /// The history: FILE.db, postgres://USER@HOST/DATABASE, branch (branch:NAME, branch:OWNER/REPOSITORY:NAME) with the token in
    /// GITHUB_TOKEN, or a folder.
    #[arg(long, value_name = "HISTORY", env = "IMAX_SERVE_HISTORY")]
    history: Option<HistoryHome>,
    /// Settings in TOML by the names of these flags, and rules for OpenID Connect. Flags and environment variables win.
    #[arg(long, value_name = "FILE", env = "IMAX_SERVE_CONFIG")]
    config: Option<PathBuf>,
    /// Address to listen on; port 0 selects a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS", env = "IMAX_SERVE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Allow an address that other machines can reach.
    #[arg(long, value_name = "BOOL", env = "IMAX_SERVE_PUBLIC", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new())]
    public: Option<bool>,
    /// Certificate with its chain, PEM: serve HTTPS.
    #[arg(long, value_name = "FILE", env = "IMAX_SERVE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate, PEM.
    #[arg(long, value_name = "FILE", env = "IMAX_SERVE_TLS_KEY")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Origins whose web pages may read, or *.
    #[arg(long, value_name = "ORIGIN", env = "IMAX_SERVE_CORS_ORIGIN", value_delimiter = ',')]
    cors_origin: Vec<String>,
    /// Answer only requests with a token of imax token create.
    #[arg(long, value_name = "BOOL", env = "IMAX_SERVE_CLOSED", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new())]
    closed: Option<bool>,
    /// Accept writes with a token: runs, submissions, annotations, retractions. The history must be a database.
    #[arg(long, value_name = "BOOL", env = "IMAX_SERVE_WRITES", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new())]
    writes: Option<bool>,
    /// Do not answer /api/graphql.
    #[arg(long, value_name = "BOOL", env = "IMAX_SERVE_NO_GRAPHQL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new())]
    no_graphql: Option<bool>,
    /// Take the client's address from the last entry of X-Forwarded-For, which a proxy in front sets.
    #[arg(long, value_name = "BOOL", env = "IMAX_SERVE_BEHIND_PROXY", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new())]
    behind_proxy: Option<bool>,
    /// Points whose newest values /metrics shows, as the --filter of other commands: KEY=GLOB, several of a key are alternatives.
    #[arg(long, value_name = "KEY=GLOB", env = "IMAX_SERVE_METRICS_FILTER", value_delimiter = ' ')]
    metrics_filter: Vec<Filter>,
    /// The branch of these values [default: main].
    #[arg(long, value_name = "BRANCH", env = "IMAX_SERVE_METRICS_BRANCH")]
    metrics_branch: Option<String>,
    /// Saved queries with their receivers; the history must be a database. `imax schema watches` describes the file.
    #[arg(long, value_name = "FILE", env = "IMAX_SERVE_WATCHES")]
    watches: Option<PathBuf>,
    /// The repository's settings: which changes are too small to matter [default: imax.yaml, if it exists].
    #[arg(long, value_name = "FILE", env = "IMAX_SERVE_SETTINGS")]
    settings: Option<PathBuf>,
    /// Seconds between two looks at files of a folder or branch, or at a database with --watches [default: 60].
    #[arg(long, value_name = "SECONDS", env = "IMAX_SERVE_REFRESH")]
    refresh: Option<NonZeroU32>,
}

#[derive(Debug, Args)]
struct LimitArgs {
    /// Connections of clients at the same time [default: 1024].
    #[arg(long, value_name = "NUMBER", env = "IMAX_SERVE_CONNECTIONS")]
    connections: Option<NonZeroUsize>,
    /// Connections to the history at the same time [default: 8].
    #[arg(long, value_name = "NUMBER", env = "IMAX_SERVE_READERS")]
    readers: Option<NonZeroUsize>,
    /// Requests a second of one address, four times as many at once; 0 for no limit [default: 50].
    #[arg(long, value_name = "NUMBER", env = "IMAX_SERVE_RATE_LIMIT")]
    rate_limit: Option<u32>,
    /// Requests a second with one token, four times as many at once; 0 for no limit [default: 20].
    #[arg(long, value_name = "NUMBER", env = "IMAX_SERVE_TOKEN_RATE_LIMIT")]
    token_rate_limit: Option<u32>,
    /// Largest body of a request, bytes [default: 33554432].
    #[arg(long, value_name = "BYTES", env = "IMAX_SERVE_BODY_LIMIT")]
    body_limit: Option<NonZeroUsize>,
    /// Points that one answer is made of at most [default: 1000000].
    #[arg(long, value_name = "NUMBER", env = "IMAX_SERVE_POINT_LIMIT")]
    point_limit: Option<NonZeroUsize>,
    /// Seconds that the queries of one request may take [default: 20].
    #[arg(long, value_name = "SECONDS", env = "IMAX_SERVE_QUERY_TIME")]
    query_time: Option<NonZeroU32>,
    /// Seconds that an answer may stay unread before its connection is ended [default: 30].
    #[arg(long, value_name = "SECONDS", env = "IMAX_SERVE_UNREAD_TIME")]
    unread_time: Option<NonZeroU32>,
}

type FilterError = <Filter as FromStr>::Err;

/// Arguments that do not fit together.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeArgsError {
    #[error("no history; name one with --history or as `history` in the file of --config")]
    NoHistory,
    #[error("`history` in the file of --config: {0}")]
    History(#[from] HistoryHomeError),
    #[error("`metrics-filter` in the file of --config: {0}")]
    Filter(#[from] FilterError),
    #[error(transparent)]
    Settings(#[from] SettingsFileError),
    #[error(transparent)]
    Watches(#[from] WatchFileError),
    #[error("--tls-cert and --tls-key belong together; one of them is missing")]
    Tls,
}

impl ServeArgs {
    /// What is served and how: by flags and environment, then by the file, then as usual.
    fn request(self, file: ServeConfig) -> Result<ServeRequest, ServeArgsError> {
        let Self {
            positional,
            history,
            config: _,
            listen,
            public,
            tls_cert,
            tls_key,
            limits,
            cors_origin,
            closed,
            writes,
            no_graphql,
            behind_proxy,
            metrics_filter,
            metrics_branch,
            watches,
            settings,
            refresh,
        } = self;
        let settings = SettingsFile {
            path: settings.or(file.settings.clone()),
        };
        let home = match (positional.or(history), &file.history) {
            (Some(home), _) => home,
            (None, Some(text)) => text.parse()?,
            (None, None) => return Err(ServeArgsError::NoHistory),
        };
        let tls = match (tls_cert.or(file.tls_cert.clone()), tls_key.or(file.tls_key.clone())) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(ServeArgsError::Tls),
        };
        Ok(ServeRequest {
            home,
            listen: listen.or(file.listen).unwrap_or(USUAL_ADDRESS),
            is_public: public.or(file.public).unwrap_or_default(),
            limits: limits.or(&file),
            rules: AccessRules {
                cors_origins: if cors_origin.is_empty() {
                    file.cors_origin.unwrap_or_default()
                } else {
                    cors_origin
                },
                is_closed: closed.or(file.closed).unwrap_or_default(),
                is_writable: writes.or(file.writes).unwrap_or_default(),
                has_graphql: !no_graphql.or(file.no_graphql).unwrap_or_default(),
                is_behind_proxy: behind_proxy.or(file.behind_proxy).unwrap_or_default(),
            },
            regressions: settings.load(&say)?.regressions,
            chosen_curves: ChosenCurves {
                filters: if metrics_filter.is_empty() {
                    filters_of(file.metrics_filter.unwrap_or_default())?
                } else {
                    metrics_filter
                },
                branch: metrics_branch.or(file.metrics_branch).unwrap_or_else(|| "main".to_owned()),
            },
            oidc: file.oidc.map(OidcSettings::from),
            tls,
            refresh: seconds(refresh.or(file.refresh), 60),
            watches: watches.or(file.watches).as_deref().map(Watches::read).transpose()?,
        })
    }
}

fn filters_of(texts: Vec<String>) -> Result<Vec<Filter>, FilterError> {
    texts.into_iter().map(|text| text.parse()).collect()
}

/// Where it listens unless something is said.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

impl LimitArgs {
    fn or(self, file: &ServeConfig) -> Limits {
        let Self {
            connections,
            readers,
            rate_limit,
            token_rate_limit,
            body_limit,
            point_limit,
            query_time,
            unread_time,
        } = self;
        Limits {
            connections: connections.or(file.connections).map_or(1024, NonZeroUsize::get),
            readers: readers.or(file.readers).map_or(8, NonZeroUsize::get),
            requests_per_second: rate_limit.or(file.rate_limit).unwrap_or(50),
            token_requests_per_second: token_rate_limit.or(file.token_rate_limit).unwrap_or(20),
            body: body_limit.or(file.body_limit).map_or(32 << 20, NonZeroUsize::get),
            points: point_limit.or(file.point_limit).map_or(1_000_000, NonZeroUsize::get),
            query_time: seconds(query_time.or(file.query_time), 20),
            unread_time: seconds(unread_time.or(file.unread_time), 30),
        }
    }
}

fn seconds(said: Option<NonZeroU32>, usual: u64) -> Duration {
    Duration::from_secs(said.map_or(usual, |seconds| seconds.get().into()))
}

/// Runs the command.
///
/// # Errors
/// Usage for an address or origin that is refused; invalid input for a configuration or history that cannot be read; infrastructure for an address
/// that is taken.
pub async fn run(args: ServeArgs) -> Result<Exit, Failure> {
    let file = args
        .config
        .as_deref()
        .map(ServeConfig::read)
        .transpose()
        .map_err(ServeError::from)?;
    let request = args.request(file.unwrap_or_default())?;
    let name = request.home.to_string();
    let scheme = if request.tls.is_some() { "https" } else { "http" };
    let cancellation = Cancellation::on_signals()?;
    serve(request, &cancellation, |address| {
        say(&format!(
            "listening on {scheme}://{address}, serving {name}; /api/docs describes the API"
        ));
    })
    .await?;
    Ok(Exit::Success)
}
