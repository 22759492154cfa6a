//! The environment of a command's process: without credentials that it does not need, before it starts anything, and with the variables
//! that the action gives to a row.

use std::os::unix::process::CommandExt as _;

use super::Command;
use super::action::{JobEnvironment, JobEnvironmentError};

/// Variables that hold the job's token, the tokens of the runner's services, and webhooks. A recipe runs with the rights of this
/// process, so it can read `/proc/<pid>/environ` and could write to the repository with them.
const CREDENTIALS: [&str; 16] = [
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "INPUT_GITHUB-TOKEN",
    "INPUT_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "IMAX_TOKEN",
    "IMAX_SLACK_WEBHOOK_URL",
    "IMAX_DISCORD_WEBHOOK_URL",
    "IMAX_WEBHOOK_URL",
    "IMAX_WEBHOOK_SECRET",
    "IMAX_INGEST_TOKEN",
    // All secrets of the workflow that a row may have.
    "IMAX_ACTION_SECRETS",
];

/// Why the program was not executed again.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestartError {
    #[error(transparent)]
    Environment(#[from] JobEnvironmentError),
    #[error("cannot find the program file of imax: {0}")]
    Program(std::io::Error),
    #[error("cannot execute imax again without {removed}: {source}")]
    Exec { removed: String, source: std::io::Error },
}

/// Executes this program again without the credentials if the command needs none of them, and with the variables of a row's job. Removing
/// the variables is not enough, because `/proc/<pid>/environ` shows the memory that the kernel filled at the start. The process keeps its
/// id, and the second time there is nothing to change.
///
/// # Errors
/// If the program cannot be executed, or the variables for the job are invalid.
pub(super) fn drop_unneeded(command: &Command) -> Result<(), RestartError> {
    let held: Vec<&str> = CREDENTIALS.into_iter().filter(|name| std::env::var_os(name).is_some()).collect();
    let job = match command.runs_row_of_action() {
        true => JobEnvironment::from_inputs(|name| std::env::var(name).ok())?,
        false => JobEnvironment::default(),
    };
    let keeps_credentials = command.uses_github() || held.is_empty();
    if keeps_credentials && job.is_empty() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let program = std::env::current_exe().map_err(RestartError::Program)?;
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    for name in held.iter().chain(&JobEnvironment::INPUTS) {
        again.env_remove(name);
    }
    again.envs(job.variables());
    let source = again.exec();
    let removed = held.join(", ");
    Err(RestartError::Exec { removed, source })
}
