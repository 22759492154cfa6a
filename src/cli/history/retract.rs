//! `imax history retract` and `restore`: a run that should not count.

use clap::Args;

use super::super::{Exit, Failure, output};
use super::SourceArgs;
use crate::store::database::{Access, Database, Retraction};

/// Withdraw a run with a reason: a throttled GPU, a wrong driver. It counts no more, is not deleted, and can be restored.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax history retract 12 --history history.db --reason 'GPU 3 was throttled' --author jane")]
pub(super) struct RetractArgs {
    /// The run, by its id in imax history list.
    run: i64,
    #[command(flatten)]
    source: SourceArgs,
    /// Why the run does not count.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    author: String,
}

/// Let a retracted run count again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax history restore 12 --history history.db --author jane")]
pub(super) struct RestoreArgs {
    /// The run, by its id in imax history list --retracted.
    run: i64,
    #[command(flatten)]
    source: SourceArgs,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    author: String,
}

pub(super) async fn retract(args: RetractArgs) -> Result<Exit, Failure> {
    let RetractArgs {
        run,
        source,
        reason,
        author,
    } = args;
    let mut database = Database::open(&source.history.0, Access::Write).await?;
    database.retract(Retraction { run, reason, author }).await?;
    database.close().await?;
    output::say(&format!("run {run} is retracted"));
    Ok(Exit::Success)
}

pub(super) async fn restore(args: RestoreArgs) -> Result<Exit, Failure> {
    let RestoreArgs { run, source, author } = args;
    let mut database = Database::open(&source.history.0, Access::Write).await?;
    database.restore(run, &author).await?;
    database.close().await?;
    output::say(&format!("run {run} counts again"));
    Ok(Exit::Success)
}
