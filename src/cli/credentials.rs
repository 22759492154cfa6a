//! Credentials that a command does not need leave its process before anything is started.

use std::os::unix::process::CommandExt as _;

use anyhow::anyhow;

use super::{Command, Exit, Failure, OrExit as _};

/// What the job's token, the runner's services and webhooks are known by. A recipe runs with the rights of this process, so it can read
/// them from `/proc/<pid>/environ`, and with them write to the repository.
const CREDENTIALS: [&str; 13] = [
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "INPUT_GITHUB-TOKEN",
    "INPUT_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "IMAX_SLACK_WEBHOOK_URL",
    "IMAX_DISCORD_WEBHOOK_URL",
    "IMAX_WEBHOOK_URL",
    "IMAX_WEBHOOK_SECRET",
];

/// Starts this program again without the credentials where the command needs none of them. Removing a variable does not suffice:
/// `/proc/<pid>/environ` shows the memory that the kernel filled at the start. The process keeps its number, and the new one finds
/// nothing to remove.
///
/// # Errors
/// Infrastructure where the program cannot be started again.
pub(super) fn drop_unneeded(command: &Command) -> Result<(), Failure> {
    let held: Vec<&str> = CREDENTIALS.into_iter().filter(|name| std::env::var_os(name).is_some()).collect();
    if command.uses_github() || held.is_empty() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let program = std::env::current_exe().or_exit(Exit::Infrastructure)?;
    let mut again = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    for name in &held {
        again.env_remove(name);
    }
    let error = again.exec();
    Err(anyhow!("cannot start imax again without {}: {error}", held.join(", "))).or_exit(Exit::Infrastructure)
}
