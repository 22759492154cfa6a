//! Events of pull requests: labels, state and origin of the code.

use super::{Decision, Facts, has, list, refuse, scope_of, skip};
use crate::matrix::policy::event::PullRequest;
use crate::settings::{Policy, Sweep};

/// A relevant change of a pull request.
enum Happened {
    /// Its code is new, or has become ready for review.
    Code,
    /// A label of the policy was set.
    Approved(String),
}

pub(super) fn decide(action: &str, label: Option<&str>, pull_request: &PullRequest, policy: &Policy, facts: &Facts) -> Decision {
    let happened = match (action, label) {
        ("opened" | "reopened" | "synchronize" | "ready_for_review", _) => Happened::Code,
        ("labeled", Some(label)) if concerns_us(label, policy) => Happened::Approved(label.to_owned()),
        ("labeled", Some(label)) => return skip(format!("Label `{label}` is not a sweep label.")),
        (other, _) => return skip(format!("Pull request action `{other}` does not change what is measured.")),
    };
    if !pull_request.open {
        return skip("The pull request is closed.");
    }
    let sweep = match primary(&pull_request.labels, policy) {
        Ok(Some((_, sweep))) => sweep,
        Ok(None) => return skip(format!("The pull request has none of the labels {}.", list(policy.labels.keys()))),
        Err(refused) => return refused,
    };
    if pull_request.draft && !policy.drafts {
        return skip("The pull request is a draft; it is measured when it is marked ready for review.");
    }
    if let Some(message) = &facts.head_message
        && message.contains(&policy.skip_marker)
    {
        return skip(format!("The last commit message contains `{}`.", policy.skip_marker));
    }
    if pull_request.from_fork
        && let Some(decision) = unapproved(&happened, policy)
    {
        return decision;
    }
    let because = match &happened {
        Happened::Approved(label) => format!("The label `{label}` was set"),
        Happened::Code => format!(
            "The pull request has the label {}",
            list(pull_request.labels.iter().filter(|label| policy.labels.contains_key(*label)))
        ),
    };
    let number = pull_request.number;
    let what = if policy.config_keys.is_empty() {
        format!("what pull request {number} adds to the changelog")
    } else {
        format!("the policy's config keys, for pull request {number}")
    };
    Decision::Run {
        scope: scope_of(pull_request, policy),
        sweep,
        evals_only: has(&pull_request.labels, &policy.evals_only_label),
        all_evals: has(&pull_request.labels, &policy.all_evals_label),
        retry: None,
        reason: format!("{because}: {sweep} sweep of {what}."),
    }
}

/// Code from forks runs only after a maintainer has looked at it: a label set after the last
/// push. GitHub does not report when a label was set, but the event that sets it does.
fn unapproved(happened: &Happened, policy: &Policy) -> Option<Decision> {
    if !policy.forks {
        return Some(skip("Pull requests from forks are not measured."));
    }
    match happened {
        Happened::Approved(label) if policy.labels.contains_key(label) => None,
        Happened::Approved(_) | Happened::Code => Some(skip(
            "The pull request comes from a fork, and its code may be newer than its approval: a maintainer who has looked at it takes the label away and sets it again.",
        )),
    }
}

fn concerns_us(label: &str, policy: &Policy) -> bool {
    policy.labels.contains_key(label) || label == policy.all_evals_label || label == policy.evals_only_label
}

/// The one label that selects the sweep.
pub(super) fn primary<'a>(labels: &'a [String], policy: &Policy) -> Result<Option<(&'a str, Sweep)>, Decision> {
    let found: Vec<(&str, Sweep)> = labels
        .iter()
        .filter_map(|label| policy.labels.get(label).map(|sweep| (label.as_str(), *sweep)))
        .collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(refuse(format!(
            "The pull request has the labels {}, which contradict each other: keep one.",
            list(several.iter().map(|(label, _)| label))
        ))),
    }
}
