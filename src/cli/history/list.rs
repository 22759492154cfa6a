//! `imax history list`: the runs of a history.

use clap::Args;
use comfy_table::{Table, presets};

use super::super::{Exit, Failure, OrExit as _, output};
use super::{FilterArgs, SourceArgs};
use crate::store::database::{Access, Database, RunFilter, RunSummary};

/// List the runs of a history, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history list --history history.db --branch main --newest 10\n  \
        imax history list --history history.db --as-of 2026-11-01T00:00:00Z --json")]
pub(super) struct ListArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Also runs that were retracted.
    #[arg(long)]
    retracted: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: ListArgs) -> Result<Exit, Failure> {
    let ListArgs {
        source,
        filter,
        retracted,
        json,
    } = args;
    let mut database = Database::open(&source.history.0, Access::Read).await?;
    let filter = RunFilter {
        with_retracted: retracted,
        ..filter.into_filter()
    };
    let runs = database.runs(&filter).await?;
    database.close().await?;
    let text = if json {
        serde_json::to_string_pretty(&runs).or_exit(Exit::Infrastructure)?
    } else {
        table(&runs)
    };
    output::emit(&format!("{text}\n"))?;
    Ok(Exit::Success)
}

fn table(runs: &[RunSummary]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header([
        "id", "started", "project", "kind", "branch", "commit", "points", "measured", "state",
    ]);
    for run in runs {
        let state = match &run.retracted {
            Some(reason) => format!("retracted: {}", one_line(reason)),
            None if run.revision > 1 => format!("revision {}", run.revision),
            None => String::new(),
        };
        table.add_row([
            run.id.to_string(),
            run.started.clone(),
            one_line(&run.project),
            run.kind.clone(),
            one_line(run.branch.as_deref().unwrap_or_default()),
            run.commit.chars().filter(|character| !character.is_control()).take(12).collect(),
            run.points.to_string(),
            run.measured.to_string(),
            state,
        ]);
    }
    table.to_string()
}

/// Text from a database for a terminal: control characters could move its cursor or change its colours.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}
