//! `imax history quarantine`: lists input that was not understood.

use clap::Args;

use super::super::{Exit, Failure, output};
use super::SourceArgs;
use crate::store::database::{Access, AsOf, Database};

/// List the input that was not understood when runs were stored with --partial, with the reasons.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax history quarantine --history history.db --json")]
pub(super) struct QuarantineArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Print JSON, which also has the input itself.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: QuarantineArgs) -> Result<Exit, Failure> {
    let QuarantineArgs { source, json } = args;
    let mut database = Database::open(&source.history.0, Access::Read).await?;
    let rows = database.quarantined(AsOf::Now).await?;
    database.close().await?;
    if json {
        output::emit_json(&rows)?;
    } else if rows.is_empty() {
        output::emit("nothing in quarantine: all stored input was understood\n")?;
    } else {
        let lines = rows
            .iter()
            .map(|row| super::list::one_line(&format!("{}: {}: {}", row.source, row.place, row.reason)));
        output::emit(&lines.fold(String::new(), |text, line| text + &line + "\n"))?;
    }
    Ok(Exit::Success)
}
