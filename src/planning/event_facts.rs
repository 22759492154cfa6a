//! Facts that the policy needs besides the event: from the clone, or from GitHub's API.

use super::reuse::authorised_command;
use crate::git::Repository;
use crate::github::{self, Client, ClientSettings, GithubError, RepositoryName};
use crate::matrix::policy::{Command, Event, Facts, PullRequest, primary};
use crate::settings::Policy;

/// Why GitHub's facts about a comment are not available.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventFactsError {
    /// `GITHUB_REPOSITORY` is not `owner/name`.
    #[error(transparent)]
    Repository(GithubError),
    /// GitHub did not respond, or refused.
    #[error(transparent)]
    Github(#[from] GithubError),
}

pub(super) async fn event_facts(event: &Event, policy: &Policy, repository: &Repository) -> Result<Facts, EventFactsError> {
    match event {
        // The pull request's own last commit counts; the checkout may be of GitHub's merge commit.
        Event::PullRequest { action, pull_request, .. } => Ok(Facts {
            head_message: message_of(repository, &pull_request.head),
            is_reused: action == "synchronize" && is_reused(pull_request, policy).await?,
            ..Facts::default()
        }),
        Event::Comment {
            pull_request: Some(number),
            author,
            body,
            ..
        } if Command::parse(&policy.command, body).is_some() => comment_facts(*number, author).await,
        Event::Dispatch { inputs } => match inputs.iter().find(|(name, _)| name == "pull-request") {
            Some((_, number)) => dispatch_facts(number).await,
            None => Ok(Facts::default()),
        },
        Event::Push { .. } | Event::Comment { .. } | Event::Schedule | Event::Release { .. } | Event::Other(_) => Ok(Facts::default()),
    }
}

/// Whether the results of the pull request are reused at its merge. Without a label of a sweep a push measures nothing anyway.
async fn is_reused(pull_request: &PullRequest, policy: &Policy) -> Result<bool, EventFactsError> {
    let has_sweep = matches!(primary(&pull_request.labels, policy), Ok(Some(_)));
    if !has_sweep || pull_request.from_fork {
        return Ok(false);
    }
    match connection()? {
        Some((client, repository)) => Ok(authorised_command(&client, &repository, pull_request.number, policy)
            .await?
            .is_some()),
        None => Ok(false),
    }
}

fn message_of(repository: &Repository, revision: &str) -> Option<String> {
    let commit = repository.commit(revision).ok()?;
    repository.message(commit).ok()
}

/// The client and the repository of the environment; `None` without a token.
pub(super) fn connection() -> Result<Option<(Client, RepositoryName)>, EventFactsError> {
    let Ok(settings) = ClientSettings::from_environment(|name| std::env::var(name).ok()) else {
        return Ok(None);
    };
    let repository = std::env::var("GITHUB_REPOSITORY").unwrap_or_default();
    let repository = RepositoryName::parse(&repository).map_err(EventFactsError::Repository)?;
    Ok(Some((Client::new(&settings)?, repository)))
}

/// GitHub's facts about a comment's author and its pull request.
async fn comment_facts(pull_request: u64, author: &str) -> Result<Facts, EventFactsError> {
    let Some((client, repository)) = connection()? else {
        return Ok(Facts::default());
    };
    Ok(Facts {
        commenter: Some(github::permission_of(&client, &repository, author).await?),
        named: Some(github::pull_request(&client, &repository, pull_request).await?),
        ..Facts::default()
    })
}

/// The pull request that a manual run names.
async fn dispatch_facts(number: &str) -> Result<Facts, EventFactsError> {
    let (Ok(number), Some((client, repository))) = (number.parse(), connection()?) else {
        return Ok(Facts::default());
    };
    Ok(Facts {
        named: Some(github::pull_request(&client, &repository, number).await?),
        ..Facts::default()
    })
}
