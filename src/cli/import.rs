//! `imax import`: stores the runs of other histories.

use std::path::PathBuf;

use clap::Args;

use super::publish::TargetArgs;
use super::{Exit, Failure};
use crate::store::publish::Sources;

/// Store the runs of history files in a history.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax import history/ --to history.db\n  \
        imax export --history history.db --format json > runs.json; imax import runs.json --to team.db --project team")]
pub struct ImportArgs {
    /// A folder that imax collect --history wrote, a file of it, or the output of imax export --format json. Importing the same content
    /// again changes nothing.
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

/// Runs the command.
///
/// # Errors
/// As [`TargetArgs::publish`].
pub async fn run(args: ImportArgs) -> Result<Exit, Failure> {
    let ImportArgs { files, target } = args;
    let sources = Sources::Histories {
        paths: files,
        project: target.project(),
    };
    target.publish(sources).await
}
