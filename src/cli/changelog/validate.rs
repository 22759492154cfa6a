//! `imax changelog validate`: checks that a change of the changelog can be planned.

use clap::Args;

use super::ChangelogArgs;
use crate::cli::configs::ConfigArgs;
use crate::cli::{Exit, Failure, output};
use crate::matrix::plan::Options;
use crate::planning::{RefsTrigger, ValidateRequest, Validated, validate};

/// Check that a change of the changelog only adds entries, ends with a line break, and can be planned.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog validate --base-ref origin/main --head-ref HEAD --merge-base")]
pub(super) struct ValidateArgs {
    /// The earlier revision: a commit, branch or tag
    #[arg(long, value_name = "REF")]
    base_ref: String,

    /// The later revision
    #[arg(long, value_name = "REF", default_value = "HEAD")]
    head_ref: String,

    /// Compare with the merge base of the two revisions instead of with the earlier one itself
    #[arg(long)]
    merge_base: bool,

    /// Check the plan with evaluations at every point
    #[arg(long)]
    all_evals: bool,

    /// Check the plan without measurements
    #[arg(long)]
    evals_only: bool,

    #[command(flatten)]
    changelog: ChangelogArgs,

    #[command(flatten)]
    configs: ConfigArgs,
}

impl From<ValidateArgs> for ValidateRequest {
    fn from(args: ValidateArgs) -> Self {
        let ValidateArgs {
            base_ref,
            head_ref,
            merge_base,
            all_evals,
            evals_only,
            changelog,
            configs,
        } = args;
        Self {
            revisions: RefsTrigger {
                base: base_ref,
                head: head_ref,
                merge_base,
                options: Options {
                    all_evals,
                    evals_only,
                    ..Options::default()
                },
            },
            changelog: changelog.into(),
            configs: configs.into(),
        }
    }
}

pub(super) fn run(args: ValidateArgs) -> Result<Exit, Failure> {
    let request = args.into();
    let Validated {
        new_entries,
        benchmarks,
        evals,
    } = validate(&request, &output::say)?;
    output::say(&format!(
        "{}: {new_entries} new entries, {benchmarks} rows to measure, {evals} to evaluate",
        request.changelog.log
    ));
    Ok(Exit::Success)
}
