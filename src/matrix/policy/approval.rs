//! Approval of a fork's pull request: a label that a maintainer sets dispatches a sweep of exactly the labelled commit.

use super::decide::{Decision, Permission, primary};
use super::event::{Event, PullRequest};
use crate::settings::Policy;

/// Whether a label leads to a dispatched sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// A manual run with these inputs.
    Dispatch {
        pull_request: u64,
        /// The approved commit.
        head: String,
        inputs: Vec<(String, String)>,
    },
    /// Nothing was approved; the reason is a sentence.
    Skip { reason: String },
    /// The approval does not count; the reason is a sentence.
    Refuse { reason: String },
}

/// Decides about the event of a label. `current` is the pull request as GitHub has it now: the event may be older than the last push.
#[must_use]
pub fn approval(event: &Event, policy: &Policy, actor: &str, permission: Permission, current: &PullRequest) -> Approval {
    let labelled = match event {
        Event::PullRequest {
            action,
            label: Some(label),
            pull_request,
        } if action == "labeled" && pull_request.from_fork && policy.labels.contains_key(label) => (label, pull_request),
        Event::PullRequest { .. }
        | Event::Push { .. }
        | Event::Dispatch { .. }
        | Event::Comment { .. }
        | Event::Schedule
        | Event::Release { .. }
        | Event::Other(_) => return skip("Only a sweep label on a pull request from a fork approves a commit."),
    };
    let (label, approved) = labelled;
    let number = approved.number;
    match permission {
        Permission::Write => {}
        Permission::Read | Permission::Triage => {
            return refuse(format!(
                "{actor} has no write access, which the approval of a fork's code requires."
            ));
        }
    }
    if !policy.forks {
        return skip("Pull requests from forks are not measured.");
    }
    if !current.open || (current.draft && !policy.drafts) {
        return refuse(format!("Pull request {number} is closed or a draft."));
    }
    if current.head != approved.head {
        return refuse(format!(
            "Pull request {number} was at {} when `{label}` was set, and is at {} now: remove the label and set it again after a look at the new commit.",
            approved.head, current.head
        ));
    }
    let sweep = match primary(&current.labels, policy) {
        Ok(Some((found, sweep))) if found == label => sweep,
        Ok(_) => return refuse(format!("The label `{label}` is not on pull request {number} any more.")),
        Err(Decision::Refuse { reason } | Decision::Skip { reason }) => return refuse(reason),
        Err(Decision::Run(_)) => return refuse("The labels contradict each other.".to_owned()),
    };
    let inputs = vec![
        ("pull-request", number.to_string()),
        ("ref", current.head.clone()),
        ("base-ref", current.base.clone()),
        ("head-ref", current.head.clone()),
        ("mode", sweep.mode.as_str().to_owned()),
        ("canary", sweep.canary.to_string()),
        ("fail-fast", sweep.fail_fast.to_string()),
        (policy.all_evals_label.as_str(), has(current, &policy.all_evals_label)),
        (policy.evals_only_label.as_str(), has(current, &policy.evals_only_label)),
        (policy.fast_label.as_str(), has(current, &policy.fast_label)),
    ];
    Approval::Dispatch {
        pull_request: number,
        head: current.head.clone(),
        inputs: inputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn has(pull_request: &PullRequest, label: &String) -> String {
    pull_request.labels.contains(label).to_string()
}

fn skip(reason: &str) -> Approval {
    Approval::Skip { reason: reason.to_owned() }
}

fn refuse(reason: String) -> Approval {
    Approval::Refuse { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fork(labels: &[&str]) -> PullRequest {
        PullRequest {
            number: 7,
            draft: false,
            open: true,
            labels: labels.iter().map(ToString::to_string).collect(),
            base_branch: "main".to_owned(),
            base: "b".to_owned(),
            head: "h".to_owned(),
            from_fork: true,
        }
    }

    fn decided(label: &str, permission: Permission, approved: PullRequest, current: &PullRequest) -> String {
        let event = Event::PullRequest {
            action: "labeled".to_owned(),
            label: Some(label.to_owned()),
            pull_request: approved,
        };
        match approval(&event, &Policy::default(), "ann", permission, current) {
            Approval::Dispatch { inputs, .. } => inputs.iter().map(|(name, value)| format!("{name}={value} ")).collect(),
            Approval::Skip { reason } => format!("skip: {reason}"),
            Approval::Refuse { reason } => format!("refuse: {reason}"),
        }
    }

    #[test]
    fn label_of_a_maintainer_dispatches_the_labelled_commit() {
        let current = fork(&["full-sweep-fail-fast", "evals-only"]);
        assert_eq!(
            decided("full-sweep-fail-fast", Permission::Write, current.clone(), &current),
            "pull-request=7 ref=h base-ref=b head-ref=h mode=full canary=true fail-fast=true all-evals=false evals-only=true agentx-fast=false "
        );
    }

    #[test]
    fn everything_else_dispatches_nothing() {
        const LABEL: &str = "sweep-enabled";
        let current = fork(&[LABEL]);
        let own = PullRequest {
            from_fork: false,
            ..current.clone()
        };
        let pushed = PullRequest {
            head: "i".to_owned(),
            ..current.clone()
        };
        let closed = PullRequest {
            open: false,
            ..current.clone()
        };
        let draft = PullRequest {
            draft: true,
            ..current.clone()
        };
        let write = Permission::Write;
        for (label, permission, approved, now, told) in [
            ("documentation", write, &current, &current, "skip: Only a sweep label"),
            ("all-evals", write, &current, &current, "skip: Only a sweep label"),
            (LABEL, write, &own, &own, "skip: Only a sweep label on a pull request from a fork"),
            (LABEL, Permission::Triage, &current, &current, "refuse: ann has no write access"),
            (
                LABEL,
                write,
                &current,
                &pushed,
                "refuse: Pull request 7 was at h when `sweep-enabled` was set, and is at i now",
            ),
            (LABEL, write, &current, &closed, "refuse: Pull request 7 is closed or a draft"),
            (LABEL, write, &current, &draft, "refuse: Pull request 7 is closed or a draft"),
            (LABEL, write, &current, &fork(&[]), "refuse: The label `sweep-enabled` is not on"),
            (
                LABEL,
                write,
                &current,
                &fork(&[LABEL, "full-sweep-enabled"]),
                "refuse: The pull request has the labels",
            ),
        ] {
            let decision = decided(label, permission, approved.clone(), now);
            assert!(decision.starts_with(told), "{decision}");
        }
    }
}
