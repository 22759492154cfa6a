//! `imax approve`: dispatches the sweep of a fork's pull request that a maintainer has labelled.

use std::path::PathBuf;

use clap::Args;

use super::settings::SettingsArgs;
use super::{Exit, Failure, output};
use crate::github::workflow::WorkflowFiles;
use crate::matrix::policy::Approval;
use crate::planning::{self, ApproveRequest};

/// Dispatch the sweep of a fork's pull request, at the commit on which a maintainer set a label.
///
/// For a workflow on `pull_request_target` with the type `labeled`, which has the repository's token; nothing of the fork is checked out.
/// Whoever set the label must have write access, and the pull request must still be at the commit of the event.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax approve --workflow benchmark.yml")]
pub(super) struct ApproveArgs {
    /// File of the workflow that is dispatched on the default branch; it takes the inputs of a run by hand
    #[arg(long, value_name = "FILE")]
    workflow: String,
    /// The repository [default: GitHub's own variable]
    #[arg(long, value_name = "OWNER/NAME", env = "GITHUB_REPOSITORY")]
    repository: Option<String>,
    /// Who set the label
    #[arg(long, value_name = "LOGIN", env = "GITHUB_ACTOR")]
    actor: String,
    /// Name of the event
    #[arg(long, value_name = "NAME", env = "GITHUB_EVENT_NAME")]
    event_name: String,
    /// File of the event's payload
    #[arg(long, value_name = "FILE", env = "GITHUB_EVENT_PATH")]
    event_path: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl From<ApproveArgs> for ApproveRequest {
    fn from(args: ApproveArgs) -> Self {
        let ApproveArgs {
            workflow,
            repository,
            actor,
            event_name,
            event_path,
            settings,
        } = args;
        Self {
            event: event_name,
            payload: event_path,
            actor,
            repository,
            workflow,
            settings: settings.into(),
        }
    }
}

pub(super) async fn run(args: ApproveArgs) -> Result<Exit, Failure> {
    let approval = planning::approve(&args.into(), &output::say).await?;
    let workflow = WorkflowFiles::from_environment();
    let message = match &approval {
        Approval::Dispatch { pull_request, head, .. } => format!("Dispatched: pull request {pull_request} at {head}."),
        Approval::Skip { reason } => format!("Nothing dispatched: {reason}"),
        Approval::Refuse { reason } => format!("Refused: {reason}"),
    };
    workflow.add_summary(&message)?;
    match approval {
        Approval::Dispatch { .. } | Approval::Skip { .. } => {
            output::say(&message);
            Ok(Exit::Success)
        }
        Approval::Refuse { .. } => Err(Failure::new(Exit::InvalidInput, message)),
    }
}
