//! `imax history list`: the runs of a history.

use clap::Args;

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, output};
use super::{FilterArgs, ReadArgs};
use crate::report::{Rank, TextTable};
use crate::store::database::{RunFilter, RunSummary};

/// List the runs of a history, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history list --history history.db --branch main --newest 10\n  \
        imax history list --history branch\n  \
        imax history list --history history.db --as-of 2026-11-01T00:00:00Z --json")]
pub(super) struct ListArgs {
    #[command(flatten)]
    source: ReadArgs,
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
    let filter = RunFilter {
        with_retracted: retracted,
        ..filter.into_filter()
    };
    let mut opened = source.history.open(filter).await?;
    let runs = opened.database.runs(&opened.filter).await?;
    opened.database.close().await?;
    if json {
        output::emit_json(&runs)?;
    } else {
        output::emit(&format!("{}\n", table(&runs)))?;
    }
    Ok(Exit::Success)
}

fn table(runs: &[RunSummary]) -> String {
    if runs.is_empty() {
        return "no runs".to_owned();
    }
    let mut table = TextTable::default();
    table.add_number("id", Rank::Always);
    for (title, rank) in [
        ("started", Rank::Always),
        ("project", Rank::Identity),
        ("kind", Rank::Identity),
        ("branch", Rank::Optional(1)),
        ("commit", Rank::Optional(0)),
    ] {
        table.add_column(title, rank);
    }
    table.add_number("points", Rank::Always);
    table.add_number("measured", Rank::Optional(2));
    table.add_column("state", Rank::Identity);
    for run in runs {
        table.add_row(cells(run));
    }
    table.render(stdout_style()).trim_end().to_owned()
}

fn cells(run: &RunSummary) -> [String; 9] {
    let state = match &run.retracted {
        Some(reason) => format!("retracted: {}", one_line(reason)),
        None if run.revision > 1 => format!("revision {}", run.revision),
        None => "current".to_owned(),
    };
    [
        run.id.to_string(),
        run.started.clone(),
        one_line(&run.project),
        run.kind.clone(),
        one_line(run.branch.as_deref().unwrap_or_default()),
        run.commit.chars().filter(|character| !character.is_control()).take(12).collect(),
        run.points.to_string(),
        run.measured.to_string(),
        state,
    ]
}

/// Replaces control characters in text from a database, which could move the cursor of a terminal or change its colours.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}
