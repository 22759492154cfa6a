//! `imax report`: a run, and what it is compared with, in every format that people and programs read.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::baseline::BaselineArgs;
use super::fail_on::{self, FailOn};
use super::render::{ReportFormat, add_to_job_summary, render_view};
use super::shown::ShownArgs;
use super::{Exit, Failure, OrExit as _, hardware, output};
use crate::analysis::{self, BestBy, CostModel, Run, Slo};
use crate::planning::entry_lines;
use crate::report::{self, View, answers, parquet};
use crate::store;
use crate::system::files;

/// Show a run as a table, markdown, CSV, JSON, JUnit XML, SARIF or an HTML page.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax report results/ --baseline base/ --format html --out report.html\n  imax report results/ --slo 'ttft:p99<500' --best-by cost --filter 'model=dsr1'\n  imax report results/ --group-by framework,precision --format csv"
)]
pub struct ReportArgs {
    /// The run: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    run: PathBuf,
    #[command(flatten)]
    baseline: BaselineArgs,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    format: ReportFormat,
    /// The page's title.
    #[arg(long, default_value = "Benchmark report")]
    title: String,
    /// Where the report goes [default: stdout].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Add the report to the job summary of the workflow as well.
    #[arg(long)]
    job_summary: bool,
    #[command(flatten)]
    shown: ShownArgs,
    /// Prices, power and carbon, for costs in the report [default: configs/hardware.yaml, else what imax was built with].
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// Add what tokens cost; implied by --hardware, --provider, --slo and --best-by, and by a configs/hardware.yaml.
    #[arg(long, conflicts_with = "no_costs")]
    costs: bool,
    /// Leave out what tokens cost.
    #[arg(long, conflicts_with_all = ["hardware", "provider", "slos", "best_by"])]
    no_costs: bool,
    /// Whose prices count [default: the first of each GPU in the file].
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// An objective, such as ttft:p99<500 (milliseconds) or interactivity:median>30 (tokens a second): the best point that meets
    /// all of them is named, for each model and workload.
    #[arg(long = "slo", value_name = "OBJECTIVE")]
    slos: Vec<Slo>,
    /// What the best one is the best in.
    #[arg(long, value_enum, value_name = "WHAT")]
    best_by: Option<BestByArg>,
    /// Exit with 5 where one is found.
    #[arg(long, value_enum, requires = "baseline")]
    fail_on: Option<FailOn>,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run; infrastructure where the report cannot be written.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let mut head = store::load_run(&args.run)?;
    let mut comparison = args.baseline.compare(&head, &args.run)?;
    args.shown.select(&mut head, comparison.as_mut());
    let costs = costs(args)?;
    let view = View::grouped(&head, comparison.as_ref(), args.shown.grouping());
    let view = match &costs {
        None => view,
        Some(costs) => with_costs(view, args, &head, costs),
    };
    let view = match args.format {
        ReportFormat::Sarif => view.with_lines(entry_lines(Path::new(report::CHANGELOG), &head, &output::say)),
        ReportFormat::Table
        | ReportFormat::Markdown
        | ReportFormat::Csv
        | ReportFormat::Json
        | ReportFormat::Html
        | ReportFormat::Junit
        | ReportFormat::Parquet => view,
    };
    match (&args.out, args.format) {
        (Some(path), ReportFormat::Parquet) => {
            let bytes = parquet(&view).or_exit(Exit::Infrastructure)?;
            files::write(path, &bytes).or_exit(Exit::Infrastructure)?;
        }
        (Some(path), format) => {
            let text = render_view(&view, format, &args.title)?;
            files::write(path, text.as_bytes()).or_exit(Exit::Infrastructure)?;
        }
        (None, format) => output::emit(&render_view(&view, format, &args.title)?)?,
    }
    if args.job_summary {
        add_to_job_summary(&view)?;
    }
    Ok(comparison.map_or(Exit::Success, |comparison| fail_on::exit(&comparison, args.fail_on)))
}

/// What the best one is the best in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BestByArg {
    /// Dollars per million tokens.
    Cost,
    /// Watt-hours per million tokens.
    Energy,
    /// Tokens a second and GPU.
    Throughput,
}

impl From<BestByArg> for BestBy {
    fn from(by: BestByArg) -> Self {
        match by {
            BestByArg::Cost => Self::Cost,
            BestByArg::Energy => Self::Energy,
            BestByArg::Throughput => Self::Throughput,
        }
    }
}

/// The prices, where anything asks for them.
fn costs(args: &ReportArgs) -> Result<Option<CostModel>, Failure> {
    let asked = args.costs || args.hardware.is_some() || args.provider.is_some() || args.best_by.is_some() || !args.slos.is_empty();
    if args.no_costs || !(asked || hardware::own_file().is_some()) {
        return Ok(None);
    }
    hardware::cost_model(args.hardware.as_deref(), args.provider.as_deref()).map(Some)
}

fn with_costs<'a>(view: View<'a>, args: &ReportArgs, head: &Run, costs: &CostModel) -> View<'a> {
    let view = view.with_costs(costs);
    if args.slos.is_empty() && args.best_by.is_none() {
        return view;
    }
    let by = args.best_by.map_or(BestBy::Cost, BestBy::from);
    let best = analysis::best_points(head, &args.slos, by, costs);
    view.with_answers(answers(&best, &args.slos, by))
}
