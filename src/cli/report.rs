//! `imax report`: a run, and what it is compared with, in every format that people and programs read.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::compare::{self, FailOn};
use super::{Exit, Failure, OrExit as _, gather, output};
use crate::analysis::{Comparison, Run};
use crate::edge::{files, workflow::WorkflowFiles};
use crate::report::{self, Budget, View};

/// Show a run as a table, markdown, CSV, JSON, JUnit XML or an HTML page.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax report results/ --compare base/ --format html --out report.html")]
pub struct ReportArgs {
    /// The run: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    run: PathBuf,
    /// An earlier run to compare it with, in the same forms.
    #[arg(long, value_name = "RUN")]
    compare: Option<PathBuf>,
    /// What the earlier run is called in the report [default: its path].
    #[arg(long, value_name = "NAME", requires = "compare")]
    base_name: Option<String>,
    /// What the run is called in the report [default: its path].
    #[arg(long, value_name = "NAME", requires = "compare")]
    head_name: Option<String>,
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
    /// Exit with 5 where one is found.
    #[arg(long, value_enum, requires = "compare")]
    fail_on: Option<FailOn>,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal.
    Table,
    /// GitHub's markdown.
    Markdown,
    /// For spreadsheets: every number with its full digits.
    Csv,
    /// For programs.
    Json,
    /// One self-contained page with plots.
    Html,
    /// JUnit XML: a point is a test case.
    Junit,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run; infrastructure where the report cannot be written.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let head = gather::load_run(&args.run)?;
    let comparison = match &args.compare {
        None => None,
        Some(path) => {
            let base = gather::load_run(path)?;
            let base_name = compare::named(args.base_name.as_deref(), path);
            let head_name = compare::named(args.head_name.as_deref(), &args.run);
            Some(compare::compare((&base_name, &base), (&head_name, &head)))
        }
    };
    let text = render(&head, comparison.as_ref(), args.format, &args.title)?;
    match &args.out {
        Some(path) => files::write(path, text.as_bytes()).or_exit(Exit::Infrastructure)?,
        None => output::emit(&text)?,
    }
    if args.job_summary {
        add_to_job_summary(&head, comparison.as_ref())?;
    }
    Ok(comparison.map_or(Exit::Success, |comparison| compare::exit(&comparison, args.fail_on)))
}

/// The report as text.
///
/// # Errors
/// Infrastructure where a value has no JSON form, which does not happen.
pub fn render(run: &Run, comparison: Option<&Comparison>, format: ReportFormat, title: &str) -> Result<String, Failure> {
    let view = View::new(run, comparison);
    Ok(match format {
        ReportFormat::Table => report::table(&view),
        ReportFormat::Markdown => report::summary(&view, Budget::FILE),
        ReportFormat::Csv => report::csv(&view),
        ReportFormat::Json => format!("{}\n", report::json(&view).or_exit(Exit::Infrastructure)?),
        ReportFormat::Html => report::html(&view, title),
        ReportFormat::Junit => report::junit(&view),
    })
}

/// Adds the report to the step's summary, cut to what GitHub takes. Outside a workflow nothing happens.
///
/// # Errors
/// Infrastructure where the runner's file cannot be written.
pub fn add_to_job_summary(run: &Run, comparison: Option<&Comparison>) -> Result<(), Failure> {
    let view = View::new(run, comparison);
    let summary = report::summary(&view, Budget::SUMMARY);
    WorkflowFiles::from_environment()
        .add_summary(&summary)
        .or_exit(Exit::Infrastructure)
}
