//! `imax changelog`: checks and edits of the performance changelog. One file a subcommand; what they share, the
//! changelog's files in the checkout and at a commit, is in `files`.

pub mod files;
mod fold;
mod merge_driver;
mod new;
mod pull_request;
mod resolve;
mod set_pr;
mod validate;

use clap::{Args, Subcommand};

pub use files::ChangelogFiles;

use super::{Exit, Failure};

/// Checks and edits the performance changelog.
#[derive(Debug, Args)]
pub struct ChangelogArgs {
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

/// Runs a subcommand.
///
/// # Errors
/// The subcommand's, classified.
pub fn run(args: &ChangelogArgs) -> Result<Exit, Failure> {
    match &args.command {
        ChangelogCommand::Validate(args) => validate::run(args),
        ChangelogCommand::New(args) => new::run(args),
        ChangelogCommand::Fold(args) => fold::run(args),
        ChangelogCommand::SetPr(args) => set_pr::run(args),
        ChangelogCommand::Resolve(args) => resolve::run(args),
        ChangelogCommand::MergeDriver(args) => merge_driver::run(args),
    }
}
