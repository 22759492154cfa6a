//! The decision: `pull_request`, `comment` and `dispatch` handle their events, the other events are handled here.

mod comment;
mod dispatch;
mod pull_request;

pub(crate) use pull_request::{is_reusable, primary};

use super::event::{Event, PullRequest};
use super::run_request::{AgenticLoad, EarlierResults, RunRequest};
use crate::settings::Policy;

/// Facts that the event does not contain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The message of the pull request's last commit, if known.
    pub head_message: Option<String>,
    /// The permission of a comment's author in the repository, if it could be read.
    pub commenter: Option<Permission>,
    /// The pull request of a comment or a manual run, if it could be read.
    pub named: Option<PullRequest>,
    /// Whether a maintainer has said that the pull request's results are reused at its merge.
    pub is_reused: bool,
}

/// A permission in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing, or only read.
    Read,
    /// Change labels, but not the code.
    Triage,
    /// Push.
    Write,
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What the changelog gained since a commit: the one before a push.
    Since {
        /// The earlier commit; zeros for a new branch.
        before: String,
        /// The later commit.
        head: String,
        /// The branch to compare with if the earlier commit is gone.
        default_branch: String,
        /// Whether the push was to that branch itself.
        on_default_branch: bool,
    },
    /// Changelog entries added on a branch since its merge base with another one.
    SinceLeaving {
        /// The tip of the other branch.
        base: String,
        /// The branch's own tip.
        head: String,
    },
    /// Some config keys.
    Keys {
        /// The keys, with wildcards.
        keys: Vec<String>,
        /// The commit whose configs are used; by default that of the checkout.
        head: Option<String>,
    },
    /// The rows that a command line of the generator prints, `full-sweep --single-node --model-prefix dsr1`.
    Generated {
        /// The command line without the program.
        command_line: String,
        /// The commit whose configs are used; by default that of the checkout.
        head: Option<String>,
    },
}

/// Whether an event triggers a run, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Measure.
    Run(Box<RunRequest>),
    /// Do nothing.
    Skip {
        /// The reason, as a sentence.
        reason: String,
    },
    /// Do nothing, because of an error that must be corrected first.
    Refuse {
        /// The error, as a sentence.
        reason: String,
    },
}

/// Decides. The caller provides `facts`; unknown facts never trigger a run.
#[must_use]
pub fn decide(event: &Event, policy: &Policy, facts: &Facts) -> Decision {
    match event {
        Event::Push {
            reference,
            before,
            after,
            default_branch,
            message,
        } => push(reference, before, after, default_branch, message, policy),
        Event::PullRequest {
            action,
            label,
            pull_request,
        } => pull_request::decide(action, label.as_deref(), pull_request, policy, facts),
        Event::Dispatch { inputs } => dispatch::decide(inputs, policy, facts),
        Event::Comment {
            action,
            pull_request,
            author,
            body,
        } => comment::decide(action, *pull_request, author, body, policy, facts),
        Event::Schedule => schedule(policy),
        Event::Release { action, tag } => release(action, tag, policy),
        Event::Other(name) => skip(format!("Event `{name}` does not trigger a sweep.")),
    }
}

fn run(request: RunRequest) -> Decision {
    Decision::Run(Box::new(request))
}

fn skip(reason: impl Into<String>) -> Decision {
    Decision::Skip { reason: reason.into() }
}

fn refuse(reason: impl Into<String>) -> Decision {
    Decision::Refuse { reason: reason.into() }
}

fn push(reference: &str, before: &str, after: &str, default_branch: &str, message: &str, policy: &Policy) -> Decision {
    let Some(branch) = reference.strip_prefix("refs/heads/") else {
        return skip(format!("`{reference}` is not a branch."));
    };
    if after.bytes().all(|byte| byte == b'0') {
        return skip(format!("The branch `{branch}` was deleted."));
    }
    let measured = match policy.push_branches.as_slice() {
        [] => branch == default_branch,
        branches => branches.iter().any(|measured| measured == branch),
    };
    if !measured {
        return skip(format!("Pushes to `{branch}` are not measured."));
    }
    if policy.skip_marker_on_push && message.contains(&policy.skip_marker) {
        return skip(format!("The last commit message contains `{}`.", policy.skip_marker));
    }
    let (scope, what) = if policy.config_keys.is_empty() {
        let scope = Scope::Since {
            before: before.to_owned(),
            head: after.to_owned(),
            default_branch: default_branch.to_owned(),
            on_default_branch: branch == default_branch,
        };
        (scope, "the changelog entries that it added")
    } else {
        (keys_at(&policy.config_keys, Some(after)), "the config keys of the policy")
    };
    run(RunRequest {
        earlier: EarlierResults::MergedAs {
            commit: after.to_owned(),
            branch: branch.to_owned(),
        },
        ..RunRequest::new(scope, policy.push, format!("Push to `{branch}`: measures {what}."))
    })
}

/// Config keys of the policy, by the configs of a commit; of the checkout where none is named.
fn keys_at(keys: &[String], head: Option<&str>) -> Scope {
    Scope::Keys {
        keys: keys.to_owned(),
        head: head.map(str::to_owned),
    }
}

/// What a pull request measures: the config keys of the policy, or what it adds to the changelog.
fn scope_of(pull_request: &PullRequest, policy: &Policy) -> Scope {
    if policy.config_keys.is_empty() {
        Scope::SinceLeaving {
            base: pull_request.base.clone(),
            head: pull_request.head.clone(),
        }
    } else {
        keys_at(&policy.config_keys, Some(&pull_request.head))
    }
}

fn has(labels: &[String], wanted: &str) -> bool {
    labels.iter().any(|label| label == wanted)
}

fn list(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What the labels of a pull request say besides the sweep.
fn with_labels(request: RunRequest, pull_request: &PullRequest, policy: &Policy) -> RunRequest {
    let labels = &pull_request.labels;
    RunRequest {
        evals_only: request.evals_only || has(labels, &policy.evals_only_label),
        all_evals: request.all_evals || has(labels, &policy.all_evals_label),
        agentic: match has(labels, &policy.fast_label) {
            true => AgenticLoad::Fast,
            false => request.agentic,
        },
        labels: labels.clone(),
        pull_request: Some(pull_request.number),
        ..request
    }
}

fn schedule(policy: &Policy) -> Decision {
    if policy.schedule_config_keys.is_empty() {
        return skip("No config keys are scheduled; set `policy: {schedule-config-keys: [...]}` in imax.yaml.");
    }
    run(RunRequest::new(
        keys_at(&policy.schedule_config_keys, None),
        policy.schedule,
        "Scheduled sweep.",
    ))
}

fn release(action: &str, tag: &str, policy: &Policy) -> Decision {
    if action != "published" {
        return skip(format!("Release action `{action}` does not trigger a sweep; `published` does."));
    }
    if policy.release_config_keys.is_empty() {
        return skip("No config keys are measured for releases; set `policy: {release-config-keys: [...]}` in imax.yaml.");
    }
    run(RunRequest::new(
        keys_at(&policy.release_config_keys, None),
        policy.release,
        format!("Release `{tag}` was published."),
    ))
}

#[cfg(test)]
mod tests;
