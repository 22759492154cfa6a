//! `imax serve`: the results API over a history.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::Args;

use super::output::say;
use super::{Exit, Failure};
use crate::analysis::Filter;
use crate::serve::{AccessRules, ChosenCurves, Limits, ServeRequest, serve};
use crate::store::history::HistoryHome;
use crate::system::cancellation::Cancellation;

/// Serve what was measured: the results API over a history or a folder of artifacts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax serve artifacts\n  \
        imax serve --history history.db --listen 127.0.0.1:8080\n  \
        imax serve --history postgres://imax@db.example/history --listen 0.0.0.0:8080 --public\n\n\
        /api/docs describes the API. SIGTERM ends it when the answers in progress are complete, after 30 s at the latest.")]
pub struct ServeArgs {
    /// A folder of artifacts, a history folder, or any other history.
    #[arg(value_name = "HISTORY", required_unless_present = "history", conflicts_with = "history")]
    positional: Option<HistoryHome>,
    /// The history: FILE.db, postgres://USER@HOST/DATABASE, branch (branch:NAME, branch:OWNER/REPOSITORY:NAME) with the token in
    /// GITHUB_TOKEN, or a folder.
    #[arg(long, value_name = "HISTORY", env = "IMAX_SERVE_HISTORY")]
    history: Option<HistoryHome>,
    /// Address to listen on; port 0 selects a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", env = "IMAX_SERVE_LISTEN")]
    listen: SocketAddr,
    /// Allow an address that other machines can reach.
    #[arg(long, env = "IMAX_SERVE_PUBLIC")]
    public: bool,
    #[command(flatten)]
    limits: LimitArgs,
    /// Origins whose web pages may read, or *.
    #[arg(long, value_name = "ORIGIN", env = "IMAX_SERVE_CORS_ORIGIN", value_delimiter = ',')]
    cors_origin: Vec<String>,
    /// Answer only requests with a token of imax token create.
    #[arg(long, env = "IMAX_SERVE_CLOSED")]
    closed: bool,
    /// Accept writes with a token: runs, annotations, retractions. The history must be a database.
    #[arg(long, env = "IMAX_SERVE_WRITES")]
    writes: bool,
    /// Take the client's address from the last entry of X-Forwarded-For, which a proxy in front sets.
    #[arg(long, env = "IMAX_SERVE_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Points whose newest values /metrics shows, as the --filter of other commands: KEY=GLOB, several of a key are alternatives.
    #[arg(long, value_name = "KEY=GLOB", env = "IMAX_SERVE_METRICS_FILTER", value_delimiter = ' ')]
    metrics_filter: Vec<Filter>,
    /// The branch of these values.
    #[arg(long, value_name = "BRANCH", default_value = "main", env = "IMAX_SERVE_METRICS_BRANCH")]
    metrics_branch: String,
    /// Seconds between two looks at files of a folder or branch.
    #[arg(long, value_name = "SECONDS", default_value = "60", env = "IMAX_SERVE_REFRESH")]
    refresh: NonZeroU32,
}

#[derive(Debug, Args)]
struct LimitArgs {
    /// Connections of clients at the same time.
    #[arg(long, value_name = "NUMBER", default_value = "1024", env = "IMAX_SERVE_CONNECTIONS")]
    connections: NonZeroUsize,
    /// Connections to the history at the same time.
    #[arg(long, value_name = "NUMBER", default_value = "8", env = "IMAX_SERVE_READERS")]
    readers: NonZeroUsize,
    /// Requests a second of one address, four times as many at once; 0 for no limit.
    #[arg(long, value_name = "NUMBER", default_value = "50", env = "IMAX_SERVE_RATE_LIMIT")]
    rate_limit: u32,
    /// Largest body of a request, bytes.
    #[arg(long, value_name = "BYTES", default_value = "33554432", env = "IMAX_SERVE_BODY_LIMIT")]
    body_limit: NonZeroUsize,
    /// Points that one answer is made of at most.
    #[arg(long, value_name = "NUMBER", default_value = "1000000", env = "IMAX_SERVE_POINT_LIMIT")]
    point_limit: NonZeroUsize,
    /// Seconds that the queries of one request may take.
    #[arg(long, value_name = "SECONDS", default_value = "20", env = "IMAX_SERVE_QUERY_TIME")]
    query_time: NonZeroU32,
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        let LimitArgs {
            connections,
            readers,
            rate_limit,
            body_limit,
            point_limit,
            query_time,
        } = args;
        Self {
            connections: connections.get(),
            readers: readers.get(),
            requests_per_second: rate_limit,
            body: body_limit.get(),
            points: point_limit.get(),
            query_time: Duration::from_secs(query_time.get().into()),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Usage for an address or origin that is refused; invalid input for a history that cannot be read; infrastructure for an address that is taken.
pub async fn run(args: ServeArgs) -> Result<Exit, Failure> {
    let ServeArgs {
        positional,
        history,
        listen,
        public,
        limits,
        cors_origin,
        closed,
        writes,
        behind_proxy,
        metrics_filter,
        metrics_branch,
        refresh,
    } = args;
    let Some(home) = positional.or(history) else {
        return Ok(Exit::Usage);
    };
    let name = home.to_string();
    let request = ServeRequest {
        home,
        listen,
        is_public: public,
        limits: limits.into(),
        rules: AccessRules {
            cors_origins: cors_origin,
            is_closed: closed,
            is_writable: writes,
            is_behind_proxy: behind_proxy,
        },
        chosen_curves: ChosenCurves {
            filters: metrics_filter,
            branch: metrics_branch,
        },
        refresh: Duration::from_secs(refresh.get().into()),
    };
    let cancellation = Cancellation::on_signals()?;
    serve(request, &cancellation, |address| {
        say(&format!(
            "listening on http://{address}, serving {name}; /api/docs describes the API"
        ));
    })
    .await?;
    Ok(Exit::Success)
}
