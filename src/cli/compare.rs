//! `imax compare`: two runs to verdicts, for people or for programs, with an exit code for gates.

use std::path::PathBuf;

use clap::Args;

use super::baseline::named;
use super::fail_on::{self, FailOn};
use super::render::{ReportFormat, render};
use super::{Exit, Failure, gather, output};
use crate::analysis;

/// Compare a run with an earlier one, point by point.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax compare base/ head/ --fail-on regression")]
pub struct CompareArgs {
    /// The run to compare with: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    base: PathBuf,
    /// The run to judge, in the same forms.
    head: PathBuf,
    /// What the base is called in the report [default: its path].
    #[arg(long, value_name = "NAME")]
    base_name: Option<String>,
    /// What the head is called in the report [default: its path].
    #[arg(long, value_name = "NAME")]
    head_name: Option<String>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    format: ReportFormat,
    /// Exit with 5 where one is found.
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
}

/// Runs the command.
///
/// # Errors
/// Invalid input for what is no run.
pub fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let base = gather::load_run(&args.base)?;
    let head = gather::load_run(&args.head)?;
    let comparison = analysis::compare(
        (&named(args.base_name.as_deref(), &args.base), &base),
        (&named(args.head_name.as_deref(), &args.head), &head),
    );
    let text = render(&head, Some(&comparison), args.format, "imax compare")?;
    output::emit(&text)?;
    Ok(fail_on::exit(&comparison, args.fail_on))
}
