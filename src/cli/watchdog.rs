//! `imax watchdog`: the child process by which `imax run` stops its job even if it is killed itself.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Failure, OrExit as _};
use crate::execution::watch;
use crate::model::JobId;
use crate::system::cancellation::Cancellation;

/// Wait for the end of stdin, then stop what a job has left; `imax run` starts it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax watchdog imax-0123456789abcdef results < pipe")]
pub struct WatchdogArgs {
    /// The id of the job.
    #[arg(value_parser = job_id)]
    job: JobId,
    /// Its output folder.
    out: PathBuf,
}

fn job_id(text: &str) -> Result<JobId, String> {
    JobId::parse(text).ok_or_else(|| "expected `imax-` and a hexadecimal number".to_owned())
}

/// Runs the command.
///
/// # Errors
/// If stdin cannot be read, or the job's state not be written.
pub async fn run(args: WatchdogArgs) -> Result<Exit, Failure> {
    let WatchdogArgs { job, out } = args;
    let cancellation = Cancellation::on_signals()?;
    watch(&job, &out, &cancellation).await.or_exit(Exit::Infrastructure)?;
    Ok(Exit::Success)
}
