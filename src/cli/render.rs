//! The formats of a report, and how a run becomes a text in one of them. `imax report`, `compare` and `demo` all come here.

use anyhow::anyhow;
use clap::ValueEnum;

use super::{Exit, Failure, OrExit as _};
use crate::github::workflow::WorkflowFiles;
use crate::report::{self, Budget, View};

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
    /// SARIF: a regression is an alert of GitHub's code scanning.
    Sarif,
    /// For data frames: the columns of the CSV; needs --out.
    Parquet,
}

/// The report of a view as text.
///
/// # Errors
/// Usage for a format that is no text; infrastructure where a value has no JSON form, which does not happen.
pub fn render_view(view: &View, format: ReportFormat, title: &str) -> Result<String, Failure> {
    Ok(match format {
        ReportFormat::Table => report::table(view),
        ReportFormat::Markdown => report::summary(view, Budget::FILE),
        ReportFormat::Csv => report::csv(view),
        ReportFormat::Json => format!("{}\n", report::json(view).or_exit(Exit::Infrastructure)?),
        ReportFormat::Html => report::html(view, title),
        ReportFormat::Junit => report::junit(view),
        ReportFormat::Parquet => return Err(anyhow!("a Parquet file is no text; give --out FILE to imax report")).or_exit(Exit::Usage),
        ReportFormat::Sarif => report::sarif(view, env!("CARGO_PKG_VERSION")).or_exit(Exit::Infrastructure)?,
    })
}

/// Adds the report to the step's summary, cut to what GitHub takes. Outside a workflow nothing happens.
///
/// # Errors
/// Infrastructure where the runner's file cannot be written.
pub fn add_to_job_summary(view: &View) -> Result<(), Failure> {
    let summary = report::summary(view, Budget::SUMMARY);
    WorkflowFiles::from_environment()
        .add_summary(&summary)
        .or_exit(Exit::Infrastructure)
}
