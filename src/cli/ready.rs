//! `imax ready`: waits until an engine answers its health check and generates one token. It is for recipes that run their own load;
//! for all others `imax run` waits.

use std::path::PathBuf;

use clap::Args;

use super::output::say;
use super::{Exit, Failure};
use crate::execution::{ExternalEngine, ExternalEngineError, wait_for_external_engine};
use crate::fleet::readiness::{Target, WRONG_API_LIMIT};
use crate::job::PhaseTime;
use crate::load;
use crate::system::cancellation::Cancellation;
use crate::system::proxy::proxy_for;
use crate::system::tls::TlsClient;

/// Wait until an engine answers its health check and generates one token.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax ready --port 8888 --pid \"$SERVER_PID\" --log server.log --deadline 30m\n  imax ready --port 8000 --backend tensorrt-llm"
)]
pub struct ReadyArgs {
    /// Host of the engine.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the engine.
    #[arg(long, required_unless_present = "base_url")]
    port: Option<u16>,
    /// Base URL of the engine, instead of --host and --port; `unix:/path` is a Unix socket.
    #[arg(long, conflicts_with_all = ["host", "port"])]
    base_url: Option<String>,
    /// Certificates (PEM) to trust in addition to the system's.
    #[arg(long)]
    ca_cert: Option<PathBuf>,
    /// API for the request of the token, a value of `imax bench --backend`.
    #[arg(long, default_value = "vllm")]
    backend: String,
    /// URL path of the request for the token; default: the backend's.
    #[arg(long)]
    endpoint: Option<String>,
    /// Path of the health check [default: /health; /v2/health/ready with tensorrt-llm].
    #[arg(long)]
    health_path: Option<String>,
    /// Model of the request [default: the first that the engine lists].
    #[arg(long, default_value = "", hide_default_value = true)]
    model: String,
    /// Process id of the engine; the wait ends when it exits.
    #[arg(long)]
    pid: Option<i32>,
    /// Log file of the engine; its end is printed if the engine does not become ready.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Maximum wait, such as 90s or 30m.
    #[arg(long, default_value = "1h")]
    deadline: PhaseTime,
}

impl TryFrom<ReadyArgs> for ExternalEngine {
    type Error = Failure;

    fn try_from(args: ReadyArgs) -> Result<Self, Failure> {
        let ReadyArgs {
            host,
            port,
            base_url,
            ca_cert,
            backend,
            endpoint,
            health_path,
            model,
            pid,
            log,
            deadline,
        } = args;
        let base_url = base_url.unwrap_or_else(|| local_url(&host, port.unwrap_or_default()));
        let server = server(&base_url, &backend, endpoint.as_deref())?;
        let tls = match server.tls {
            true => Some(TlsClient::new(ca_cert.as_deref())?),
            false => None,
        };
        let health_path = health_path.unwrap_or_else(|| server.protocol.default_health_path().to_owned());
        Ok(Self {
            target: Target {
                health_path: format!("{}/{}", server.base_path, health_path.trim_start_matches('/')),
                server,
                tls,
                model,
                wrong_api_limit: WRONG_API_LIMIT,
            },
            pid,
            log,
            deadline: deadline.duration(),
        })
    }
}

/// Puts an IPv6 address in brackets.
fn local_url(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("http://[{host}]:{port}")
    } else {
        format!("http://{host}:{port}")
    }
}

fn server(base_url: &str, backend: &str, endpoint: Option<&str>) -> Result<load::Target, Failure> {
    let protocol = load::Protocol::of_backend(backend)?;
    let endpoint = endpoint.unwrap_or_else(|| protocol.default_endpoint(true));
    let mut server = load::Target::from_base_url(base_url, endpoint, protocol)?;
    if server.unix_socket.is_none() {
        server.proxy = proxy_for(&server.host, server.tls, &|name| std::env::var(name).ok())?;
    }
    Ok(server)
}

/// Runs the command.
///
/// # Errors
/// If the engine exits or the deadline passes.
pub async fn run(args: ReadyArgs) -> Result<Exit, Failure> {
    let cancellation = Cancellation::on_signals()?;
    let engine = ExternalEngine::try_from(args)?;
    match wait_for_external_engine(&engine, &cancellation).await {
        Ok(ready) => {
            let server = &engine.target.server;
            let place = match &server.unix_socket {
                Some(socket) => socket.display().to_string(),
                None => format!("port {}", server.port),
            };
            say(&format!("the engine serves {} on {place}", ready.served_model));
            Ok(Exit::Success)
        }
        Err(ExternalEngineError::Cancelled(cause)) => Ok(cause.into()),
        Err(error) => {
            if let ExternalEngineError::NotReady { log_tail: Some(tail), .. } = &error {
                say(tail);
            }
            Err(error.into())
        }
    }
}
