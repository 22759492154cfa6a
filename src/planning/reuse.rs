//! Reuse at merge: the results of a pull request are published when it is merged, where a maintainer has asked for it by a comment. The
//! run is found by the comment or is the newest successful one, and its results count for what the merge asks to measure, row by row.

use std::collections::BTreeSet;

use super::changelog_files::ChangelogFiles;
use super::earlier_run::EarlierRunError;
use super::event_facts::{EventFactsError, connection};
use super::reused_run::ReusedRun;
use crate::github::{self, Client, GithubError, MergedPullRequest, RepositoryName, WorkflowRun};
use crate::matrix::policy::{Permission, ReuseCommand, is_reusable, primary, reuse_command};
use crate::settings::Policy;

/// Authors of commands whose permission is looked up.
const MAX_AUTHORS: usize = 20;
/// Commits after the measured one that are examined.
const MAX_LATER_COMMITS: usize = 20;

/// Why GitHub's facts about a pull request and its runs are not available.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReuseError {
    #[error(transparent)]
    Facts(#[from] EventFactsError),
    #[error(transparent)]
    Github(#[from] GithubError),
    #[error(transparent)]
    Results(#[from] EarlierRunError),
}

/// What is reused.
pub(super) enum Reuse {
    /// Nobody has asked for it.
    NotRequested,
    Results(Box<ReusedRun>),
    /// It was asked for and is not possible; a sentence says why, and what to do.
    Refused(String),
}

/// The results that stand for the measurements of a push to `branch`.
///
/// # Errors
/// [`ReuseError`].
pub(super) async fn results_at_merge(commit: &str, branch: &str, policy: &Policy, changelog: &ChangelogFiles) -> Result<Reuse, ReuseError> {
    let Some((client, repository)) = connection()? else {
        return Ok(Reuse::NotRequested);
    };
    let Some(merged) = github::merged_as(&client, &repository, commit, branch).await? else {
        return Ok(Reuse::NotRequested);
    };
    let Some(command) = authorised_command(&client, &repository, merged.number, policy).await? else {
        return Ok(Reuse::NotRequested);
    };
    let search = Search {
        client: &client,
        repository: &repository,
        merged: &merged,
        policy,
        changelog,
    };
    match search.run(command).await? {
        Ok(run) => search.results(&run).await,
        Err(reason) => Ok(Reuse::Refused(search.refusal(&reason))),
    }
}

/// The newest command to reuse results on a pull request from a person with write access.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(super) async fn authorised_command(
    client: &Client,
    repository: &RepositoryName,
    pull_request: u64,
    policy: &Policy,
) -> Result<Option<ReuseCommand>, GithubError> {
    let comments = github::comments(client, repository, pull_request).await?;
    let mut refused: BTreeSet<&str> = BTreeSet::new();
    for comment in comments.iter().rev() {
        let Some(command) = reuse_command(&policy.reuse_command, &comment.body) else {
            continue;
        };
        if refused.contains(comment.author.as_str()) {
            continue;
        }
        if refused.len() >= MAX_AUTHORS {
            break;
        }
        match github::permission_of(client, repository, &comment.author).await? {
            Permission::Write => return Ok(Some(command)),
            Permission::Read | Permission::Triage => refused.insert(&comment.author),
        };
    }
    Ok(None)
}

/// The search for the run of a merged pull request.
struct Search<'a> {
    client: &'a Client,
    repository: &'a RepositoryName,
    merged: &'a MergedPullRequest,
    policy: &'a Policy,
    changelog: &'a ChangelogFiles,
}

impl Search<'_> {
    fn refusal(&self, reason: &str) -> String {
        let word = &self.policy.reuse_command;
        let number = self.merged.number;
        format!(
            "Pull request {number} has the comment `{word}`, and its results cannot be reused: {reason}. Comment `{word} <run id>` with a run that can, or delete the comment to measure again, and run this job again."
        )
    }

    /// The run whose results are reused, or why there is none.
    async fn run(&self, command: ReuseCommand) -> Result<Result<WorkflowRun, String>, ReuseError> {
        let labels = &self.merged.labels;
        match primary(labels, self.policy) {
            Ok(Some((_, sweep))) if is_reusable(sweep, labels, self.policy) => {}
            Ok(_) | Err(_) => {
                let Policy {
                    evals_only_label,
                    fast_label,
                    ..
                } = self.policy;
                return Ok(Err(format!(
                    "it needs exactly one label of a full sweep, and neither `{evals_only_label}` nor `{fast_label}`"
                )));
            }
        }
        let newest_measured = match self.unmeasured_commits().await? {
            Ok(commits) => commits,
            Err(reason) => return Ok(Err(reason)),
        };
        match command.run {
            Some(id) => self.pinned(id, &newest_measured).await,
            None => self.newest(&newest_measured).await,
        }
    }

    /// The commits whose measurement is one of the newest commit: itself, and those before it as long as what follows changes no more
    /// than the changelog, or merges the base.
    async fn unmeasured_commits(&self) -> Result<Result<Vec<String>, String>, ReuseError> {
        let commits = github::commits_of(self.client, self.repository, self.merged.number).await?;
        let mut equal = Vec::new();
        for commit in commits.iter().rev().take(MAX_LATER_COMMITS) {
            equal.push(commit.sha.clone());
            if !commit.is_merge && !self.changes_log_alone(&commit.sha).await? {
                break;
            }
        }
        match equal.first() == Some(&self.merged.head) {
            true => Ok(Ok(equal)),
            false => Ok(Err(format!(
                "GitHub's list of its commits does not end with its head {}",
                self.merged.head
            ))),
        }
    }

    async fn changes_log_alone(&self, commit: &str) -> Result<bool, ReuseError> {
        let files = github::files_of_commit(self.client, self.repository, commit).await?;
        Ok(files.is_some_and(|files| files.iter().all(|file| self.changelog.contains(file))))
    }

    async fn pinned(&self, id: u64, commits: &[String]) -> Result<Result<WorkflowRun, String>, ReuseError> {
        let Some(run) = github::run_by_id(self.client, self.repository, id).await? else {
            return Ok(Err(format!("there is no run {id}")));
        };
        // Points that were not measured are measured now, so an incomplete run is good for the others.
        let reason = match run.conclusion.as_deref() {
            _ if !run.is_of_workflow(&workflow()) => format!("run {id} is of another workflow"),
            Some("success" | "failure" | "cancelled") => match commits.contains(&run.head_sha) {
                true => return Ok(Ok(run)),
                false => self.outdated(id, &run.head_sha),
            },
            Some(other) => format!("run {id} ended as {other}"),
            None => format!("run {id} has not ended"),
        };
        Ok(Err(reason))
    }

    async fn newest(&self, commits: &[String]) -> Result<Result<WorkflowRun, String>, ReuseError> {
        let runs = github::successful_runs_of_branch(self.client, self.repository, &workflow(), &self.merged.head_branch).await?;
        let mut outdated = None;
        for run in runs {
            // A sweep that was not wanted is a success without results.
            if !ReusedRun::has_results(self.client, self.repository, run.id).await? {
                continue;
            }
            if commits.contains(&run.head_sha) {
                return Ok(Ok(run));
            }
            outdated = outdated.or_else(|| Some(self.outdated(run.id, &run.head_sha)));
        }
        let branch = &self.merged.head_branch;
        Ok(Err(
            outdated.unwrap_or_else(|| format!("no successful run of `{branch}` has results"))
        ))
    }

    fn outdated(&self, id: u64, commit: &str) -> String {
        format!(
            "run {id} measured {commit}, and a commit after it changes more than the changelog; its newest commit is {}",
            self.merged.head
        )
    }

    async fn results(&self, run: &WorkflowRun) -> Result<Reuse, ReuseError> {
        match ReusedRun::download(self.client, self.repository, run.id, self.merged.number).await? {
            Some(results) => Ok(Reuse::Results(Box::new(results))),
            None => Ok(Reuse::Refused(
                self.refusal(&format!("run {} has no plan or no results any more", run.id)),
            )),
        }
    }
}

/// The workflow of this run, `owner/name/.github/workflows/sweep.yml@refs/heads/main`.
fn workflow() -> String {
    std::env::var("GITHUB_WORKFLOW_REF").unwrap_or_default()
}
