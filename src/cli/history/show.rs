//! `imax history show`: prints one run of a history.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::super::{Exit, Failure, output, terminal};
use super::ReadArgs;
use super::list::one_line;
use crate::analysis::{Grouping, Run};
use crate::model::PointKey;
use crate::report::{Format as ReportFormat, Rank, TextTable, View};
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
            output::say(&one_line(&heading));
            if let Some(reason) = &summary.retracted {
                let by = summary.retracted_by.as_deref().unwrap_or_default();
                output::say(&one_line(&format!("retracted by {by}: {reason}")));
            }
            let text = ReportFormat::Table.text(
                &View::grouped(&run.run, None, Grouping::default()),
                "imax history",
                terminal::stdout_style(),
            )?;
            output::emit(&text)?;
            if let Some(table) = table_of_power(&run.run) {
                output::emit(&format!("\n{table}"))?;
            }
        }
    }
    Ok(Exit::Success)
}

/// Numbers that say that power or energy was measured.
const POWER: [&str; 3] = ["avg_power_w", "avg_total_gpu_power_w", "total_gpu_energy_j"];

/// Who measured the power of points, how, and of what: watts of different sources are not to be compared. `None` for a run without power.
fn table_of_power(run: &Run) -> Option<String> {
    let mut sources: BTreeMap<[&str; 3], Vec<&PointKey>> = BTreeMap::new();
    for point in &run.points {
        let has_power = point
            .measurement()
            .is_some_and(|measured| POWER.iter().any(|name| measured.number(name).is_some()));
        let provenance = point.provenance.as_ref();
        let source = provenance.and_then(|known| known.power.as_deref());
        if !has_power && source.is_none() {
            continue;
        }
        let kind = provenance.and_then(|known| known.power_kind.as_deref());
        let scope = provenance.and_then(|known| known.power_scope.as_deref());
        let key = [source, kind, scope].map(|text| text.unwrap_or("unknown"));
        sources.entry(key).or_default().push(&point.key);
    }
    if sources.is_empty() {
        return None;
    }
    let mut table = TextTable::default();
    for (title, rank) in [("power measured by", Rank::Always), ("kind", Rank::Always), ("scope", Rank::Always)] {
        table.add_column(title, rank);
    }
    table.add_number("points", Rank::Always);
    table.add_column("the first of them", Rank::Optional(0));
    for ([source, kind, scope], points) in sources {
        table.add_row([
            one_line(source),
            one_line(kind),
            one_line(scope),
            points.len().to_string(),
            points.first().map_or_else(String::new, |key| one_line(&key.to_string())),
        ]);
    }
    Some(table.render(terminal::stdout_style()))
}
