//! What the commands that talk to GitHub share: who asks, where, and which exit code a refusal means.

use super::{Exit, Failure, OrExit as _};
use crate::github::{self, Client, Repository};

/// Talks to the GitHub of the environment, about a repository, on a runtime of its own.
///
/// # Errors
/// Usage where token or repository are not known or not allowed; infrastructure where GitHub does not answer.
pub fn talk<T, E: Into<Failure>>(
    repository: Option<&str>,
    talk: impl AsyncFnOnce(&Client, &Repository) -> Result<T, E>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(Exit::Infrastructure)?;
    runtime.block_on(async {
        let (client, repository) = github::connect(repository)?;
        talk(&client, &repository).await.map_err(Into::into)
    })
}

/// The page of the workflow run that this process is a step of.
#[must_use]
pub fn run_url() -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let server = set("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    let (repository, run) = (set("GITHUB_REPOSITORY")?, set("GITHUB_RUN_ID")?);
    Some(format!("{server}/{repository}/actions/runs/{run}"))
}
