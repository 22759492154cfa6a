//! What the commands that talk to GitHub share: who asks, where, and which exit code a refusal means.

use super::{Exit, Failure, OrExit as _};
use crate::github::{Client, DownloadError, GithubError, Repository, Settings};

/// Talks to the GitHub of the environment, about a repository, on a runtime of its own.
///
/// # Errors
/// Usage where token or repository are not known or not allowed; infrastructure where GitHub does not answer.
pub fn talk<T, E: Into<Failure>>(
    repository: Option<&str>,
    talk: impl AsyncFnOnce(&Client, &Repository) -> Result<T, E>,
) -> Result<T, Failure> {
    let repository = Repository::parse(repository.unwrap_or_default()).or_exit(Exit::Usage)?;
    let settings = Settings::from_environment(|name| std::env::var(name).ok()).or_exit(Exit::Usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(Exit::Infrastructure)?;
    runtime.block_on(async {
        let client = Client::new(&settings)?;
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

/// A token that is not there or not allowed is for the caller to mend; everything else is the network's or GitHub's.
impl From<GithubError> for Failure {
    fn from(error: GithubError) -> Self {
        let exit = exit_of(&error);
        Self { exit, error: error.into() }
    }
}

fn exit_of(error: &GithubError) -> Exit {
    match error {
        GithubError::NoToken
        | GithubError::Repository(_)
        | GithubError::Setup { .. }
        | GithubError::Forbidden { .. }
        | GithubError::NotFound { .. } => Exit::Usage,
        GithubError::Unreachable { .. } | GithubError::RateLimited { .. } | GithubError::Refused { .. } | GithubError::Answer { .. } => {
            Exit::Infrastructure
        }
    }
}

/// What is wrong with an archive is wrong with the input; what is wrong with the way to it may pass.
impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        let exit = exit_of_download(&error);
        Self { exit, error: error.into() }
    }
}

fn exit_of_download(error: &DownloadError) -> Exit {
    match error {
        DownloadError::Github(error) => exit_of(error),
        DownloadError::Of { source, .. } => exit_of_download(source),
        DownloadError::Name(_) | DownloadError::TooLarge { .. } | DownloadError::Archive(_) => Exit::InvalidInput,
        DownloadError::OtherRun { .. } => Exit::Usage,
        DownloadError::Setup(_) | DownloadError::Digest { .. } | DownloadError::State(_) | DownloadError::Write { .. } => {
            Exit::Infrastructure
        }
    }
}
