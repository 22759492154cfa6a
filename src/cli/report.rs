//! `imax report`: writes a run, and its comparison with a baseline, in any format.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::baseline::{ComparedRun, ComparedRunArgs};
use super::fail_on::{self, FailOn};
use super::selection::SelectionArgs;
use super::{Exit, Failure, output, terminal};
use crate::analysis::{self, BestBy, Run, Slo};
use crate::github;
use crate::github::workflow::WorkflowFiles;
use crate::planning::entry_lines;
use crate::report::{self, Budget, Format, View, answers};
use crate::serve::{ReportSource, report_pages};
use crate::store::hardware;
use crate::system::files;

/// Show a run as a table, markdown, CSV, JSON, JUnit XML, SARIF or an HTML page.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax report results/ --baseline base/ --format html --out report.html\n  imax report results/ --slo 'ttft:p99<500' --best-by cost --filter 'model=dsr1'\n  imax report results/ --group-by framework,precision --format csv\n  imax report conc1.json conc8.json conc64.json --format html --out report.html"
)]
pub struct ReportArgs {
    #[command(flatten)]
    compared_run: ComparedRunArgs,
    /// Further files of results, such as those of several loads: all are shown as one run.
    #[arg(value_name = "RESULT")]
    more: Vec<PathBuf>,
    /// The format of the report.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The title of the HTML page.
    #[arg(long, default_value = "Benchmark report")]
    title: String,
    /// The file for the report [default: stdout].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also add the report to the job summary of the workflow.
    #[arg(long)]
    job_summary: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    costs: CostArgs,
    /// Exit with code 5 on such a finding.
    #[arg(long, value_enum, requires = "baseline")]
    fail_on: Option<FailOn>,
}

/// Options for the cost of tokens and for the best point.
#[derive(Debug, Args)]
struct CostArgs {
    /// Prices, power and carbon, for costs in the report [default: configs/hardware.yaml, else the built-in file].
    #[arg(long, value_name = "FILE")]
    hardware: Option<PathBuf>,
    /// Add the cost of tokens; implied by --hardware, --provider, --slo, --best-by, and by prices in configs/hardware.yaml.
    #[arg(long, conflicts_with = "no_costs")]
    costs: bool,
    /// Leave out the cost of tokens.
    #[arg(long, conflicts_with_all = ["hardware", "provider", "slos", "best_by"])]
    no_costs: bool,
    /// The provider whose prices are used [default: the first one of each GPU in the file].
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// An objective, such as ttft:p99<500 (milliseconds) or interactivity:median>30 (tokens per second): the report names the best
    /// point that meets all objectives, for each model and workload.
    #[arg(long = "slo", value_name = "OBJECTIVE")]
    slos: Vec<Slo>,
    /// The quantity by which the best point is chosen.
    #[arg(long, value_enum, value_name = "WHAT")]
    best_by: Option<BestByArg>,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid run; infrastructure if the report cannot be written.
pub async fn run(args: ReportArgs) -> Result<Exit, Failure> {
    let ReportArgs {
        compared_run,
        more,
        format,
        title,
        out,
        job_summary,
        selection,
        costs,
        fail_on,
    } = args;
    let ComparedRun {
        run: mut head,
        mut comparison,
    } = compared_run.load_with(&more).await?;
    let (filters, grouping) = selection.into_parts();
    analysis::select(&mut head, comparison.as_mut(), &filters);
    let view = View::grouped(&head, comparison.as_ref(), grouping).with_run_page(github::run_url());
    let view = costs.add_to(view, &head)?;
    let view = match format {
        Format::Sarif => view.with_lines(entry_lines(Path::new(report::CHANGELOG), &head, &output::say)),
        Format::Table | Format::Markdown | Format::Csv | Format::Json | Format::Html | Format::Junit | Format::Parquet => view,
    };
    let view = match format {
        Format::Html => with_pages(view).await?,
        Format::Table | Format::Markdown | Format::Csv | Format::Json | Format::Junit | Format::Sarif | Format::Parquet => view,
    };
    match out {
        Some(path) => files::write(&path, &format.bytes(&view, &title)?)?,
        None => output::emit(&format.text(&view, &title, terminal::stdout_style())?)?,
    }
    if job_summary {
        WorkflowFiles::from_environment().add_summary(&report::summary(&view, Budget::SUMMARY))?;
    }
    Ok(comparison.map_or(Exit::Success, |comparison| fail_on::exit(&comparison, fail_on)))
}

/// A view with the dashboards' pages, for HTML.
///
/// # Errors
/// Infrastructure if the run cannot be read as a history.
pub(super) async fn with_pages(view: View<'_>) -> Result<View<'_>, Failure> {
    let source = ReportSource {
        run: view.run,
        comparison: view.comparison,
    };
    let pages = report_pages(source).await?;
    Ok(view.with_pages(pages))
}

/// The quantity by which the best point is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BestByArg {
    /// Dollars per million tokens.
    Cost,
    /// Watt-hours per million tokens.
    Energy,
    /// Tokens per second per GPU.
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

impl CostArgs {
    /// Adds prices to a view, and the best points if an objective is given.
    fn add_to<'a>(self, view: View<'a>, head: &Run) -> Result<View<'a>, Failure> {
        let Self {
            hardware: file,
            costs,
            no_costs,
            provider,
            slos,
            best_by,
        } = self;
        let is_requested = costs || file.is_some() || provider.is_some() || best_by.is_some() || !slos.is_empty();
        if no_costs || !(is_requested || hardware::repository_file().is_some()) {
            return Ok(view);
        }
        let costs = hardware::cost_model(file.as_deref(), provider.as_deref())?;
        // A file that `imax init` wrote for hardware without a known price asks for nothing.
        if !is_requested && !costs.has_prices() {
            return Ok(view);
        }
        let view = view.with_costs(&costs);
        if slos.is_empty() && best_by.is_none() {
            return Ok(view);
        }
        let by = best_by.map_or(BestBy::Cost, BestBy::from);
        let best = analysis::best_points(head, &slos, by, &costs);
        Ok(view.with_answers(answers(&best, &slos, by)))
    }
}
