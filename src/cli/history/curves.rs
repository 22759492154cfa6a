//! `imax history curves`: the newest curves of a branch.

use clap::Args;

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, output};
use super::SourceArgs;
use super::list::{nothing_found, one_line};
use crate::analysis::Filter;
use crate::model::Metric;
use crate::report::{Rank, TextTable};
use crate::store::database::{Access, Database, NewestCurve};

/// Show the newest curves of a branch. A curve comes from one run; points that only earlier runs measured are borrowed, and say so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history curves --history history.db --branch main --filter model=dsr1 --filter 'hardware=h200*'\n  \
        imax history curves --history history.db --branch main --borrow --json")]
pub(super) struct CurvesArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// The branch; without it, the runs that name none.
    #[arg(long, value_name = "NAME", default_value = "")]
    branch: String,
    /// Only points that match, as in imax history series.
    #[arg(long = "filter", value_name = "KEY=GLOB")]
    filters: Vec<Filter>,
    /// Only curves of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Also points that the newest run of a curve did not measure, from the newest run that did.
    #[arg(long)]
    borrow: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: CurvesArgs) -> Result<Exit, Failure> {
    let CurvesArgs {
        source,
        branch,
        filters,
        project,
        borrow,
        json,
    } = args;
    let mut database = Database::open(&source.history.0, Access::Read).await?;
    let curves = database.newest_curves(project.as_deref(), &branch, &filters, borrow).await?;
    let text = if json {
        String::new()
    } else if curves.is_empty() {
        let what = if branch.is_empty() {
            "no curves of runs without a branch (--branch NAME)"
        } else {
            "no curves match"
        };
        nothing_found(&mut database, what).await?
    } else {
        curves.iter().map(one).collect::<Vec<_>>().join("\n\n")
    };
    database.close().await?;
    if json {
        output::emit_json(&curves)?;
    } else {
        output::emit(&format!("{text}\n"))?;
    }
    Ok(Exit::Success)
}

fn one(curve: &NewestCurve) -> String {
    let mut table = TextTable::default();
    table.add_number("conc", Rank::Always);
    for metric in [Metric::ThroughputPerGpu, Metric::Interactivity, Metric::Ttft] {
        table.add_number(metric.id(), Rank::Always);
    }
    table.add_column("from", Rank::Always);
    for point in &curve.points {
        let value = |metric| point.point.get(metric).map_or_else(String::new, |value| format!("{value:.4}"));
        table.add_row([
            point.point.key.conc.to_string(),
            value(Metric::ThroughputPerGpu),
            value(Metric::Interactivity),
            value(Metric::Ttft),
            point
                .borrowed_from
                .map_or_else(|| "this run".to_owned(), |run| format!("borrowed from run {run}")),
        ]);
    }
    let heading = one_line(&format!("{}: run {} of {}, {}", curve.curve, curve.run, curve.date, curve.commit));
    format!("{heading}\n{}", table.render(stdout_style()).trim_end())
}
