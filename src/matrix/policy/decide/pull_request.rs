//! Events of pull requests: labels, state and origin of the code.

use super::{Decision, Facts, has, list, refuse, run, scope_of, skip, with_labels};
use crate::matrix::policy::event::PullRequest;
use crate::matrix::policy::run_request::RunRequest;
use crate::settings::{Mode, Policy, Sweep};

/// A relevant change of a pull request.
enum Happened<'a> {
    /// Its code is new.
    Pushed,
    /// It was opened, or has become ready for review.
    Opened,
    /// A label of the policy was set.
    Labelled(&'a str),
    /// A label of the policy was removed.
    Unlabelled(&'a str),
}

pub(super) fn decide(action: &str, label: Option<&str>, pull_request: &PullRequest, policy: &Policy, facts: &Facts) -> Decision {
    let happened = match (action, label) {
        ("synchronize", _) => Happened::Pushed,
        ("opened" | "reopened" | "ready_for_review", _) => Happened::Opened,
        ("labeled", Some(label)) if concerns_us(label, policy) => Happened::Labelled(label),
        ("unlabeled", Some(label)) if concerns_us(label, policy) => Happened::Unlabelled(label),
        ("labeled" | "unlabeled", Some(label)) => return skip(format!("Label `{label}` is not a sweep label.")),
        (other, _) => return skip(format!("Pull request action `{other}` does not change what is measured.")),
    };
    if !pull_request.open {
        return skip("The pull request is closed.");
    }
    let sweep = match (primary(&pull_request.labels, policy), &happened) {
        (Ok(Some((_, sweep))), _) => sweep,
        // The workflow's concurrency has cancelled the sweep that ran.
        (Ok(None), Happened::Unlabelled(label)) if policy.labels.contains_key(*label) => {
            return skip(format!("The label `{label}` was removed, and no other starts a sweep."));
        }
        (Ok(None), _) => return skip(format!("The pull request has none of the labels {}.", list(policy.labels.keys()))),
        (Err(refused), _) => return refused,
    };
    if pull_request.draft && !policy.drafts {
        return skip("The pull request is a draft; it is measured when it is marked ready for review.");
    }
    if let Some(message) = &facts.head_message
        && message.contains(&policy.skip_marker)
    {
        return skip(format!("The last commit message contains `{}`.", policy.skip_marker));
    }
    if pull_request.from_fork {
        return skip(fork_reason(policy));
    }
    if matches!(happened, Happened::Pushed) && facts.is_reused && is_reusable(sweep, &pull_request.labels, policy) {
        return skip(format!(
            "A maintainer has commented `{}`: the results of this pull request are published at its merge, and a push measures nothing.",
            policy.reuse_command
        ));
    }
    let because = match &happened {
        Happened::Labelled(label) => format!("The label `{label}` was set"),
        Happened::Unlabelled(label) => format!("The label `{label}` was removed"),
        Happened::Pushed | Happened::Opened => format!(
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
    let reason = format!("{because}: {sweep} sweep of {what}.");
    let request = RunRequest::new(scope_of(pull_request, policy), sweep, reason);
    run(with_labels(request, pull_request, policy))
}

/// Whether results under these labels stand for those of the merge: a whole sweep with loads of the usual length.
pub(crate) fn is_reusable(sweep: Sweep, labels: &[String], policy: &Policy) -> bool {
    sweep.mode == Mode::Full && !has(labels, &policy.evals_only_label) && !has(labels, &policy.fast_label)
}

/// GitHub gives an event of a fork's pull request no secrets, and the next push would run unseen code. `fork.yml` dispatches the
/// commit that a maintainer has labelled.
fn fork_reason(policy: &Policy) -> &'static str {
    if policy.forks {
        "The pull request comes from a fork: its commit is measured by the run that `fork.yml` dispatches when a maintainer sets a label; after a push the label is removed and set again."
    } else {
        "Pull requests from forks are not measured."
    }
}

fn concerns_us(label: &str, policy: &Policy) -> bool {
    let modifiers = [&policy.all_evals_label, &policy.evals_only_label, &policy.fast_label];
    policy.labels.contains_key(label) || modifiers.iter().any(|known| *known == label) || has(&policy.restart_labels, label)
}

/// The one label that selects the sweep.
pub(crate) fn primary<'a>(labels: &'a [String], policy: &Policy) -> Result<Option<(&'a str, Sweep)>, Decision> {
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
