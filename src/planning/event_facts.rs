//! Facts that the policy needs besides the event: from the clone, or from GitHub's API.

use crate::git::Repository;
use crate::github::{self, GithubError};
use crate::matrix::policy::{Command, Event, Facts};
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
        Event::PullRequest { pull_request, .. } => Ok(Facts {
            head_message: message_of(repository, &pull_request.head),
            ..Facts::default()
        }),
        Event::Comment {
            pull_request: Some(number),
            author,
            body,
            ..
        } if Command::parse(&policy.command, body).is_some() => comment_facts(*number, author).await,
        Event::Push { .. } | Event::Dispatch { .. } | Event::Comment { .. } | Event::Schedule | Event::Release { .. } | Event::Other(_) => {
            Ok(Facts::default())
        }
    }
}

fn message_of(repository: &Repository, revision: &str) -> Option<String> {
    let commit = repository.commit(revision).ok()?;
    repository.message(commit).ok()
}

/// GitHub's facts about a comment's author and its pull request; `None` without a token.
async fn comment_facts(pull_request: u64, author: &str) -> Result<Facts, EventFactsError> {
    let Ok(settings) = github::ClientSettings::from_environment(|name| std::env::var(name).ok()) else {
        return Ok(Facts::default());
    };
    let repository = std::env::var("GITHUB_REPOSITORY").unwrap_or_default();
    let repository = github::RepositoryName::parse(&repository).map_err(EventFactsError::Repository)?;
    let client = github::Client::new(&settings)?;
    Ok(Facts {
        head_message: None,
        commenter: Some(github::permission_of(&client, &repository, author).await?),
        commented: Some(github::pull_request(&client, &repository, pull_request).await?),
    })
}
