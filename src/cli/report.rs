//! `imax report`: a run, and what it is compared with, in every format that people and programs read.

use std::path::PathBuf;

use clap::Args;

use super::baseline::BaselineArgs;
use super::fail_on::{self, FailOn};
use super::render::{ReportFormat, add_to_job_summary, render};
use super::{Exit, Failure, OrExit as _, gather, output};
use crate::edge::files;

/// Show a run as a table, markdown, CSV, JSON, JUnit XML, SARIF or an HTML page.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax report results/ --baseline base/ --format html --out report.html")]
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
    /// Exit with 5 where one is found.
    #[arg(long, value_enum, requires = "baseline")]
    fail_on: Option<FailOn>,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run; infrastructure where the report cannot be written.
pub fn run(args: &ReportArgs) -> Result<Exit, Failure> {
    let head = gather::load_run(&args.run)?;
    let comparison = args.baseline.compare(&head, &args.run)?;
    let text = render(&head, comparison.as_ref(), args.format, &args.title)?;
    match &args.out {
        Some(path) => files::write(path, text.as_bytes()).or_exit(Exit::Infrastructure)?,
        None => output::emit(&text)?,
    }
    if args.job_summary {
        add_to_job_summary(&head, comparison.as_ref())?;
    }
    Ok(comparison.map_or(Exit::Success, |comparison| fail_on::exit(&comparison, args.fail_on)))
}
