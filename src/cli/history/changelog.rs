//! `imax history changelog`: which entries of the changelog made runs measure which curves.

use clap::Args;

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, output};
use super::ReadArgs;
use super::list::one_line;
use crate::analysis::Filter;
use crate::report::{Rank, TextTable};
use crate::store::database::{ChangelogFilter, ChangelogRow, RunFilter};

/// List the changelog's entries that were measured, newest first, with the run and the curves of each.
///
/// A run has them if it was collected with its plan (imax collect --plan, or the action).
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history changelog --history history.db --branch main\n  \
        imax history changelog --history history.db --filter model=dsr1 --filter 'hardware=h200*' --json")]
pub(super) struct ChangelogArgs {
    #[command(flatten)]
    source: ReadArgs,
    /// Only entries that are about such curves, as in imax history series.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    filters: Vec<Filter>,
    /// Only runs of this branch.
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Only runs of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: ChangelogArgs) -> Result<Exit, Failure> {
    let ChangelogArgs {
        source,
        filters,
        branch,
        project,
        json,
    } = args;
    let mut opened = source.history.open(RunFilter::default()).await?;
    let filter = ChangelogFilter {
        project,
        branch,
        curves: filters,
    };
    let entries = opened.database.changelog(&filter).await?;
    opened.database.close().await?;
    if json {
        output::emit_json(&entries)?;
    } else {
        output::emit(&format!("{}\n", table(&entries)))?;
    }
    Ok(Exit::Success)
}

fn table(entries: &[ChangelogRow]) -> String {
    if entries.is_empty() {
        return "no entries match; a run has entries if it was collected with its plan (imax collect --plan)".to_owned();
    }
    let mut table = TextTable::default();
    table.add_number("run", Rank::Always);
    table.add_column("date", Rank::Always);
    table.add_column("commit", Rank::Optional(2));
    table.add_number("curves", Rank::Always);
    table.add_column("pull request", Rank::Optional(1));
    table.add_column("description", Rank::Identity);
    for entry in entries {
        table.add_row([
            entry.run.to_string(),
            entry.date.clone(),
            one_line(&entry.commit).chars().take(12).collect(),
            entry.curves.len().to_string(),
            one_line(&entry.pr_link),
            one_line(&entry.description.join("; ")),
        ]);
    }
    table.render(stdout_style()).trim_end().to_owned()
}
