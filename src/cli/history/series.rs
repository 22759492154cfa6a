//! `imax history series`: a metric of points over time.

use chrono::{DateTime, Utc};
use clap::Args;

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, output};
use super::SourceArgs;
use super::list::{nothing_found, one_line};
use crate::analysis::Filter;
use crate::model::Metric;
use crate::report::{Rank, TextTable};
use crate::store::database::{Access, Database, PointSeries, SeriesFilter};

/// Show a metric of points over the runs that measured them, with the levels of a branch and the annotations.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history series --history history.db --filter 'model=dsr1' --filter conc=64 --branch main\n  \
        imax history series --history history.db --filter 'hardware=h200*' --metric ttft --since 2026-08-01T00:00:00Z --json")]
pub(super) struct SeriesArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Only points that match: model, hardware, framework, precision, sequence, layout or conc, = and a glob. Several filters of one key are
    /// alternatives.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    filters: Vec<Filter>,
    /// The metric.
    #[arg(long, value_name = "METRIC", default_value = "throughput-per-gpu", value_parser = metric)]
    metric: Metric,
    /// Only runs of this branch; without it, there are no levels.
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Only runs of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Only runs from then on, RFC 3339.
    #[arg(long, value_name = "DATE")]
    since: Option<DateTime<Utc>>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A metric by its name in documents.
pub(super) fn metric(text: &str) -> Result<Metric, String> {
    let found = Metric::ALL.into_iter().find(|metric| metric.id() == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.id()).collect();
        format!("unknown metric; {}", crate::model::suggestion(text, &names))
    })
}

pub(super) async fn run(args: SeriesArgs) -> Result<Exit, Failure> {
    let SeriesArgs {
        source,
        filters,
        metric,
        branch,
        project,
        since,
        json,
    } = args;
    let mut database = Database::open(&source.history.0, Access::Read).await?;
    let filter = SeriesFilter {
        project,
        branch,
        points: filters,
        metric,
        since,
    };
    let series = database.series(&filter).await?;
    let text = if json {
        String::new()
    } else if series.is_empty() {
        nothing_found(&mut database, "no measured points match").await?
    } else {
        series.iter().map(one).collect::<Vec<_>>().join("\n\n")
    };
    database.close().await?;
    if json {
        output::emit_json(&series)?;
    } else {
        output::emit(&format!("{text}\n"))?;
    }
    Ok(Exit::Success)
}

/// The runs of a point, then its annotations.
fn one(series: &PointSeries) -> String {
    let mut table = TextTable::default();
    table.add_number("run", Rank::Always);
    table.add_column("date", Rank::Always);
    table.add_column("commit", Rank::Optional(0));
    table.add_number(series.metric.id(), Rank::Always);
    table.add_column("interval", Rank::Optional(1));
    table.add_column("level", Rank::Optional(2));
    for value in &series.values {
        let level = series.levels.iter().find(|level| level.from_run == value.run);
        let ends = value.low.zip(value.high);
        table.add_row([
            value.run.to_string(),
            value.date.clone(),
            value.commit.chars().filter(|character| !character.is_control()).take(12).collect(),
            format!("{:.6}", value.value),
            ends.map_or_else(String::new, |(low, high)| format!("{low:.6} to {high:.6}")),
            level.map_or_else(String::new, |level| format!("{:.6} from here, {} runs", level.mean, level.runs)),
        ]);
    }
    let mut text = format!("{}\n{}", one_line(&series.key.to_string()), table.render(stdout_style()).trim_end());
    for annotation in &series.annotations {
        text.push_str(&one_line(&format!("\u{20}{}: {} ({})", annotation.kind, annotation.text, annotation.author)).replacen(' ', "\n", 1));
    }
    text
}
