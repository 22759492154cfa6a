//! `imax history published`: results of other benchmarks.

use clap::Args;

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, output};
use super::SourceArgs;
use super::list::one_line;
use crate::report::{Rank, TextTable};
use crate::store::database::{Access, AsOf, Database, StoredPublished};

/// List results of other benchmarks, such as rounds of MLPerf, which are not points of a curve.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax import mlperf-5.1.csv --to history.db\n  imax history published --history history.db --json")]
pub(super) struct PublishedArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Only results of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON, with all that is known of each result.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: PublishedArgs) -> Result<Exit, Failure> {
    let PublishedArgs { source, project, json } = args;
    let mut database = Database::open(&source.history.0, Access::Read).await?;
    let results = database.published(project.as_deref(), AsOf::Now).await?;
    database.close().await?;
    let text = if json {
        serde_json::to_string_pretty(&results).map_err(output::OutputError::Json)?
    } else {
        table(&results)
    };
    output::emit(&format!("{text}\n"))?;
    Ok(Exit::Success)
}

fn table(results: &[StoredPublished]) -> String {
    if results.is_empty() {
        return "no results of other benchmarks".to_owned();
    }
    let mut table = TextTable::default();
    for (title, rank) in [
        ("benchmark", Rank::Identity),
        ("round", Rank::Identity),
        ("id", Rank::Always),
        ("hardware", Rank::Identity),
    ] {
        table.add_column(title, rank);
    }
    table.add_number("accelerators", Rank::Optional(0));
    for (title, rank) in [("model", Rank::Always), ("scenario", Rank::Always)] {
        table.add_column(title, rank);
    }
    table.add_number("value", Rank::Always);
    table.add_column("unit", Rank::Identity);
    for stored in results {
        let result = &stored.result;
        let text = |text: &Option<String>| one_line(text.as_deref().unwrap_or_default());
        table.add_row([
            one_line(&result.suite),
            text(&result.round),
            text(&result.id),
            text(&result.hardware),
            result.accelerators.map_or_else(String::new, |count| count.to_string()),
            one_line(&result.model),
            text(&result.scenario),
            result.value.to_string(),
            text(&result.unit),
        ]);
    }
    table.render(stdout_style()).trim_end().to_owned()
}
