//! `imax history verify`: checks a history for damage.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::super::work_display::WorkDisplay;
use super::super::{Exit, Failure, output};
use super::ReadArgs;
use crate::store::Work;
use crate::store::history::verify;

/// Check a history: the file, the digest of each run, and the tables that are derived from the runs; of a branch each file.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax history verify --history history.db\n\nExits with code 3 if it finds damage.")]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    source: ReadArgs,
    /// Print {"ok": …, "problems": […]}.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: VerifyArgs) -> Result<Exit, Failure> {
    let VerifyArgs { source, json } = args;
    let work = Arc::new(Work::default());
    let display = WorkDisplay::start("verifying", "runs", work.clone());
    let problems = verify(&source.history, &work).await?;
    drop(display);
    let is_whole = problems.is_empty();
    if json {
        output::emit(&format!("{}\n", json!({ "ok": is_whole, "problems": problems })))?;
    } else if is_whole {
        output::emit("no damage found\n")?;
    } else {
        output::emit(&format!("{}\n", problems.join("\n")))?;
    }
    Ok(if is_whole { Exit::Success } else { Exit::InvalidInput })
}
