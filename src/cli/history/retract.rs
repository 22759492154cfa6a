//! `imax history retract` and `restore`: excludes a run from comparisons, or includes it again.

use clap::Args;

use super::super::{Exit, Failure, output};
use super::ReadArgs;
use crate::store::history;
use crate::store::run_files::RetractionChange;

/// Exclude a run from comparisons, with a reason such as a throttled GPU or a wrong driver. It is not deleted and can be restored.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax history retract 12 --history history.db --reason 'GPU 3 was throttled' --author jane")]
pub(super) struct RetractArgs {
    /// Id of the run in imax history list.
    run: i64,
    #[command(flatten)]
    source: ReadArgs,
    /// Why the run is excluded.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    author: String,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Include a retracted run in comparisons again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax history restore 12 --history history.db --author jane")]
pub(super) struct RestoreArgs {
    /// Id of the run in imax history list --retracted.
    run: i64,
    #[command(flatten)]
    source: ReadArgs,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    author: String,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn retract(args: RetractArgs) -> Result<Exit, Failure> {
    let RetractArgs {
        run,
        source,
        reason,
        author,
        dry_run,
    } = args;
    history::retract(&source.history, run, RetractionChange::Retract { reason, author }, dry_run).await?;
    let would = if dry_run { "would be" } else { "is" };
    output::say(&format!("run {run} {would} retracted"));
    Ok(Exit::Success)
}

pub(super) async fn restore(args: RestoreArgs) -> Result<Exit, Failure> {
    let RestoreArgs {
        run,
        source,
        author,
        dry_run,
    } = args;
    history::retract(&source.history, run, RetractionChange::Restore { author }, dry_run).await?;
    let counts = if dry_run { "would count" } else { "counts" };
    output::say(&format!("run {run} {counts} again"));
    Ok(Exit::Success)
}
