//! `imax changelog validate`: whether a change of the changelog can be planned.

use clap::Args;

use super::files::ChangelogFiles;
use crate::cli::configs::ConfigFiles;
use crate::cli::plan::{self, Change, Found};
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::matrix::plan::Options;

/// Checks that a change of the changelog only adds entries, ends with a line break, and can be planned.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog validate --base-ref origin/main --head-ref HEAD --merge-base")]
pub struct ValidateArgs {
    /// The earlier state: a commit, branch or tag
    #[arg(long, value_name = "REF")]
    base_ref: String,

    /// The later state
    #[arg(long, value_name = "REF", default_value = "HEAD")]
    head_ref: String,

    /// Compare with the last commit that both have in common instead of with the earlier state itself
    #[arg(long)]
    merge_base: bool,

    /// Check the plan with evaluations at every point
    #[arg(long)]
    all_evals: bool,

    /// Check the plan without measurements
    #[arg(long)]
    evals_only: bool,

    #[command(flatten)]
    files: ChangelogFiles,

    #[command(flatten)]
    configs: ConfigFiles,
}

pub fn run(args: &ValidateArgs) -> Result<Exit, Failure> {
    let change = match Change::by_refs(&args.base_ref, &args.head_ref, args.merge_base, &args.files)? {
        Found::Change(change) => *change,
        Found::Nothing(error) => return Err(error).or_exit(Exit::InvalidInput),
    };
    change.check_ending(&args.files)?;
    let options = Options {
        trim: false,
        all_evals: args.all_evals,
        evals_only: args.evals_only,
    };
    let planned = plan::planned(&change, &args.configs, options)?;
    let (benchmarks, evals) = (planned.benchmarks.len(), planned.evals.len());
    let entries = change.added.len();
    output::say(&format!(
        "{}: {entries} new entries, {benchmarks} rows to measure, {evals} to evaluate",
        args.files.changelog_file
    ));
    Ok(Exit::Success)
}
