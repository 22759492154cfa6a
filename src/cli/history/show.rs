//! `imax history show`: prints one run of a history.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::super::{Exit, Failure, output, terminal};
use super::ReadArgs;
use crate::analysis::Grouping;
use crate::report::{Format as ReportFormat, View};
use crate::store::database::AsOf;

/// Show a run of a history with its points.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  imax history show 12 --history history.db\n  \
        imax history show 12 --history history.db --format json > run.json")]
pub(super) struct ShowArgs {
    /// Id of the run in imax history list.
    run: i64,
    #[command(flatten)]
    source: ReadArgs,
    /// The state at this time, RFC 3339.
    #[arg(long, value_name = "DATE")]
    as_of: Option<DateTime<Utc>>,
    /// The format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For a terminal
    Table,
    /// The run in the format of a history file, imax-history/1
    Json,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit, Failure> {
    let ShowArgs {
        run: id,
        source,
        as_of,
        format,
    } = args;
    let (summary, run) = source.history.run(id, as_of.map_or(AsOf::Now, AsOf::Time)).await?;
    match format {
        Format::Json => output::emit_json(&run)?,
        Format::Table => {
            let heading = format!("run {id} of {}: {} {} at {}", summary.project, summary.kind, run.commit, run.date);
            output::say(&super::list::one_line(&heading));
            if let Some(reason) = &summary.retracted {
                let by = summary.retracted_by.as_deref().unwrap_or_default();
                output::say(&super::list::one_line(&format!("retracted by {by}: {reason}")));
            }
            let text = ReportFormat::Table.text(
                &View::grouped(&run.run, None, Grouping::default()),
                "imax history",
                terminal::stdout_style(),
            )?;
            output::emit(&text)?;
        }
    }
    Ok(Exit::Success)
}
