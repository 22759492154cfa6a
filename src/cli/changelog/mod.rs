//! `imax changelog`: checks and edits of the performance changelog.

mod fold;
mod merge_driver;
mod new;
mod pull_request;
mod resolve;
mod set_pr;
mod validate;

use clap::{Args, Subcommand};

use super::{Exit, Failure};
use crate::planning::ChangelogFiles;

/// Check and edit the performance changelog.
#[derive(Debug, Args)]
pub(super) struct ChangelogCommandArgs {
    #[command(subcommand)]
    command: ChangelogCommand,
}

#[derive(Debug, Subcommand)]
enum ChangelogCommand {
    Validate(validate::ValidateArgs),
    New(new::NewArgs),
    Fold(fold::FoldArgs),
    SetPr(set_pr::SetPrArgs),
    Resolve(resolve::ResolveArgs),
    MergeDriver(merge_driver::MergeDriverArgs),
}

/// The changelog file.
#[derive(Debug, Clone, Args)]
pub(super) struct ChangelogArgs {
    /// The changelog; its fragments are the YAML files of the folder of the same name with the extension `.d`
    #[arg(long, default_value = "perf-changelog.yaml", value_name = "FILE")]
    changelog_file: String,
}

impl From<ChangelogArgs> for ChangelogFiles {
    fn from(args: ChangelogArgs) -> Self {
        let ChangelogArgs { changelog_file } = args;
        Self { log: changelog_file }
    }
}

/// The repository that pull request links name.
#[derive(Debug, Clone, Args)]
struct RepositoryArgs {
    /// The repository of the linked pull requests
    #[arg(
        long,
        value_name = "OWNER/NAME",
        env = "GITHUB_REPOSITORY",
        default_value = "SemiAnalysisAI/InferenceX",
        hide_env_values = true
    )]
    repo: String,
}

pub(super) fn run(args: ChangelogCommandArgs) -> Result<Exit, Failure> {
    match args.command {
        ChangelogCommand::Validate(args) => validate::run(args),
        ChangelogCommand::New(args) => new::run(args),
        ChangelogCommand::Fold(args) => fold::run(args),
        ChangelogCommand::SetPr(args) => set_pr::run(args),
        ChangelogCommand::Resolve(args) => resolve::run(args),
        ChangelogCommand::MergeDriver(args) => merge_driver::run(args),
    }
}
