//! `imax history list`: the runs of a history.

use std::collections::BTreeSet;

use clap::Args;

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, output};
use super::{FilterArgs, ReadArgs};
use crate::report::{Rank, TextTable};
use crate::store::database::{AsOf, Database, DatabaseError, RunFilter, RunSummary};

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
    let all = if runs.is_empty() && !json {
        all_runs(&mut opened.database, opened.filter.as_of).await?
    } else {
        Vec::new()
    };
    opened.database.close().await?;
    if json {
        output::emit_json(&runs)?;
    } else if runs.is_empty() {
        output::emit(&format!("{}\n", without_match(&all)))?;
    } else {
        output::emit(&format!("{}\n", table(&runs)))?;
    }
    Ok(Exit::Success)
}

/// All runs of a history, to say what there is where nothing matched.
async fn all_runs(database: &mut Database, as_of: AsOf) -> Result<Vec<RunSummary>, DatabaseError> {
    let all = RunFilter {
        with_retracted: true,
        as_of,
        ..RunFilter::default()
    };
    database.runs(&all).await
}

fn without_match(all: &[RunSummary]) -> String {
    if all.is_empty() {
        return "no runs; imax publish and imax import store some".to_owned();
    }
    let retracted = all.iter().filter(|run| run.retracted.is_some()).count();
    let hint = if retracted > 0 {
        format!(", {retracted} of them retracted (--retracted)")
    } else {
        String::new()
    };
    format!("no run matches; the history has {}{hint}; {}", all.len(), branches(all))
}

/// The branches of runs, `branches: main, release/1`.
fn branches(runs: &[RunSummary]) -> String {
    const MOST: usize = 10;
    let names: BTreeSet<&str> = runs.iter().filter_map(|run| run.branch.as_deref()).collect();
    if names.is_empty() {
        return "no run names a branch".to_owned();
    }
    let more = if names.len() > MOST { ", …" } else { "" };
    let shown: Vec<String> = names.into_iter().take(MOST).map(one_line).collect();
    format!("branches: {}{more}", shown.join(", "))
}

/// What to say where no curve or point of a database was found.
pub(super) async fn nothing_found(database: &mut Database, what: &str) -> Result<String, DatabaseError> {
    let all = all_runs(database, AsOf::Now).await?;
    Ok(if all.is_empty() {
        format!("{what}; the history has no runs")
    } else {
        format!("{what}; {}", branches(&all))
    })
}

fn table(runs: &[RunSummary]) -> String {
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
