//! `imax ready`: waits until an engine answers its health check and gives one token. Recipes that load their engine by
//! themselves call it; `imax run` does the same for the others.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::say;
use super::{Exit, Failure, OrExit as _};
use crate::execution::{ExternalEngine, ExternalEngineError, wait_for_external_engine};
use crate::fleet::readiness::Target;
use crate::job::PhaseTime;
use crate::load;
use crate::system::cancellation::Cancellation;
use crate::system::tls::TlsClient;

/// Wait until an engine answers its health check and generates one token.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax ready --port 8888 --pid \"$SERVER_PID\" --log server.log --deadline 30m")]
pub struct ReadyArgs {
    /// Host of the engine.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the engine.
    #[arg(long, required_unless_present = "base_url")]
    port: Option<u16>,
    /// Base URL of the engine without a path, instead of --host and --port; with `https` the connection is encrypted.
    #[arg(long, conflicts_with_all = ["host", "port"])]
    base_url: Option<String>,
    /// Certificates (PEM) to trust in addition to the system's.
    #[arg(long)]
    ca_cert: Option<PathBuf>,
    /// Path of the health check.
    #[arg(long, default_value = "/health")]
    health_path: String,
    /// Model that the token is requested from [default: the first that the engine lists].
    #[arg(long, default_value = "", hide_default_value = true)]
    model: String,
    /// Process of the engine; the wait ends when it exits.
    #[arg(long)]
    pid: Option<i32>,
    /// Log of the engine; its end is printed if the engine does not become ready.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Longest wait, such as 90s or 30m.
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
            health_path,
            model,
            pid,
            log,
            deadline,
        } = args;
        let base_url = base_url.unwrap_or_else(|| local_url(&host, port.unwrap_or_default()));
        Ok(Self {
            target: target(&base_url, ca_cert.as_deref(), &health_path, model)?,
            pid,
            log,
            deadline: deadline.duration(),
        })
    }
}

/// An IPv6 address is written in brackets.
fn local_url(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("http://[{host}]:{port}")
    } else {
        format!("http://{host}:{port}")
    }
}

fn target(base_url: &str, ca_cert: Option<&Path>, health_path: &str, model: String) -> Result<Target, Failure> {
    let url = load::Target::from_base_url(base_url, health_path, load::Protocol::Completions).or_exit(Exit::Usage)?;
    let tls = match url.tls {
        true => Some(TlsClient::new(ca_cert).or_exit(Exit::InvalidInput)?),
        false => None,
    };
    Ok(Target {
        host: url.host,
        port: url.port,
        tls,
        health_path: url.path,
        model,
    })
}

/// Runs the command.
///
/// # Errors
/// Where the engine exits or the deadline passes.
pub async fn run(args: ReadyArgs) -> Result<Exit, Failure> {
    let cancellation = Cancellation::on_signals().or_exit(Exit::Infrastructure)?;
    let engine = ExternalEngine::try_from(args)?;
    match wait_for_external_engine(&engine, &cancellation).await {
        Ok(ready) => {
            say(&format!("the engine serves {} on port {}", ready.served_model, engine.target.port));
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
