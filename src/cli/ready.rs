//! `imax ready`: waits until an engine answers its health check and gives one token. Recipes that load their engine by
//! themselves call it; `imax run` does the same for the others.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;

use super::output::say;
use super::{Exit, Failure, OrExit as _};
use crate::fleet::engine_log;
use crate::fleet::readiness::{NotReady, Target, wait_until_ready};
use crate::job::{PhaseTime, diagnose};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::process_of;
use crate::system::tls::TlsClient;

/// Wait until an engine answers its health check and gives one token.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax ready --port 8888 --pid \"$SERVER_PID\" --log server.log --deadline 30m")]
pub struct ReadyArgs {
    /// Host of the engine.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the engine.
    #[arg(long, required_unless_present = "base_url")]
    port: Option<u16>,
    /// Base URL of the engine without a path, in place of --host and --port; with `https` the connection is encrypted.
    #[arg(long, conflicts_with_all = ["host", "port"])]
    base_url: Option<String>,
    /// Certificates (PEM) to trust beside the system's.
    #[arg(long)]
    ca_cert: Option<PathBuf>,
    /// Path of the health check.
    #[arg(long, default_value = "/health")]
    health_path: String,
    /// The model that the one token is asked of; by default the first that the engine lists.
    #[arg(long, default_value = "")]
    model: String,
    /// The engine's process: its end ends the wait.
    #[arg(long)]
    pid: Option<i32>,
    /// The engine's log, whose end is shown where it does not get ready.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Longest wait, such as 90s or 30m.
    #[arg(long, default_value = "1h")]
    deadline: PhaseTime,
}

enum Ended {
    Signal(CancelCause),
    EngineGone(i32),
}

/// Lines of the engine's log that are shown.
const TAIL_LINES: usize = 40;

/// Runs the command.
///
/// # Errors
/// Where the engine dies or the deadline comes.
pub fn run(args: &ReadyArgs) -> Result<Exit, Failure> {
    let stop = Cancellation::on_signals().or_exit(Exit::Infrastructure)?;
    let target = target(args)?;
    // The start time tells the engine from a later process that gets its number.
    let engine = args.pid.map(|pid| (pid, process_of(pid)));
    let mut check = || {
        if let Some(cause) = stop.cause() {
            return ControlFlow::Break(Ended::Signal(cause));
        }
        match engine {
            Some((pid, known)) if known.is_none() || process_of(pid) != known => ControlFlow::Break(Ended::EngineGone(pid)),
            Some(_) | None => ControlFlow::Continue(()),
        }
    };
    let problem = match wait_until_ready(&target, args.deadline.duration(), &mut check) {
        Ok(ready) => {
            say(&format!("the engine serves {} on port {}", ready.served_model, target.port));
            return Ok(Exit::Success);
        }
        Err(NotReady::Ended(Ended::Signal(cause))) => return Ok(cause.into()),
        Err(NotReady::Ended(Ended::EngineGone(pid))) => format!("the engine (process {pid}) ended before it was ready"),
        Err(late @ NotReady::Late { .. }) => late.to_string(),
    };
    Err(anyhow::anyhow!(with_log(problem, args))).or_exit(Exit::MeasurementFailed)
}

fn target(args: &ReadyArgs) -> Result<Target, Failure> {
    let host = if args.host.contains(':') {
        format!("[{}]", args.host)
    } else {
        args.host.clone()
    };
    let base_url = args
        .base_url
        .clone()
        .unwrap_or_else(|| format!("http://{host}:{}", args.port.unwrap_or_default()));
    let url = crate::load::Target::from_base_url(&base_url, &args.health_path, crate::load::Protocol::Completions).or_exit(Exit::Usage)?;
    let tls = match url.tls {
        true => Some(TlsClient::new(args.ca_cert.as_deref()).or_exit(Exit::InvalidInput)?),
        false => None,
    };
    Ok(Target {
        host: url.host,
        port: url.port,
        tls,
        health_path: url.path,
        model: args.model.clone(),
    })
}

fn with_log(problem: String, args: &ReadyArgs) -> String {
    let Some(path) = &args.log else { return problem };
    let log = engine_log::tail(path, &[]);
    say(&engine_log::last_lines(&log, TAIL_LINES));
    match diagnose(&log) {
        Some(diagnosis) => format!("{problem}: {} (log: {})", diagnosis.cause.sentence, diagnosis.line),
        None => problem,
    }
}
