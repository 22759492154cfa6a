//! `imax compare`: runs to verdicts, for people or for programs, with an exit code for gates.

use std::path::PathBuf;

use clap::Args;

use super::baseline::KnowledgeArgs;
use super::fail_on::{self, FailOn};
use super::render::{ReportFormat, render};
use super::{Exit, Failure, gather, output};

/// Compare a run with an earlier one, point by point.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax compare base/ head/ --history history/ --fail-on regression")]
pub struct CompareArgs {
    /// The run to compare with: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    base: PathBuf,
    /// The run to judge, in the same forms.
    head: PathBuf,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
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
    let knowledge = args.knowledge.load()?;
    let base_name = args.base.display().to_string();
    let comparison = args.knowledge.compare((&base_name, vec![&base]), (&head, &args.head), &knowledge)?;
    let text = render(&head, Some(&comparison), args.format, "imax compare")?;
    output::emit(&text)?;
    Ok(fail_on::exit(&comparison, args.fail_on))
}
