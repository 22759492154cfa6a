//! Comments: whether it is a command, whether its author may give one, and what it requests.

use super::pull_request::primary;
use super::{Decision, Facts, Permission, Scope, refuse, run, scope_of, skip, with_labels};
use crate::matrix::policy::command::Command;
use crate::matrix::policy::event::PullRequest;
use crate::matrix::policy::run_request::{EarlierResults, RunRequest};
use crate::matrix::row_filter::RowFilter;
use crate::settings::{Mode, Policy, Sweep};

pub(super) fn decide(action: &str, pull_request: Option<u64>, author: &str, body: &str, policy: &Policy, facts: &Facts) -> Decision {
    if action != "created" {
        return skip("Only new comments can be commands.");
    }
    let Some(number) = pull_request else {
        return skip("The comment is on an issue, not on a pull request.");
    };
    let command = match Command::parse(&policy.command, body) {
        None => return skip("The comment has no command."),
        Some(Ok(command)) => command,
        Some(Err(error)) => return refuse(format!("Invalid command in the comment: {error}.")),
    };
    match facts.commenter {
        Some(Permission::Write) => {}
        Some(Permission::Read | Permission::Triage) => {
            return refuse(format!("{author} has no write access, which commands require."));
        }
        None => {
            return refuse(format!(
                "Cannot check the write access of {author}; pass `github-token` to the action."
            ));
        }
    }
    let Some(commented) = &facts.named else {
        return refuse(format!("Cannot read pull request {number}; pass `github-token` to the action."));
    };
    if !commented.open {
        return skip("The pull request is closed.");
    }
    if commented.from_fork {
        return refuse(format!(
            "Pull request {number} comes from a fork, whose code may have changed since the comment; set a label, which `fork.yml` turns into a sweep of that commit."
        ));
    }
    obey(command, author, commented, policy)
}

fn obey(command: Command, author: &str, pull_request: &PullRequest, policy: &Policy) -> Decision {
    let labelled = match primary(&pull_request.labels, policy) {
        Ok(labelled) => labelled.map(|(_, sweep)| sweep),
        Err(refused) => return refused,
    };
    let by_label = labelled.unwrap_or(Sweep {
        mode: Mode::Trimmed,
        canary: false,
        fail_fast: false,
    });
    let (sweep, keys, evals_only, all_evals, earlier, filter) = match command {
        // An interrupted run has passed its canary already.
        Command::Retry => {
            let earlier = EarlierResults::LastRunOf(pull_request.number);
            (
                Sweep { canary: false, ..by_label },
                Vec::new(),
                false,
                false,
                earlier,
                RowFilter::default(),
            )
        }
        Command::Sweep {
            mode,
            config_keys,
            evals_only,
            all_evals,
            filter,
        } => {
            let sweep = mode.map_or(by_label, |mode| Sweep { mode, ..by_label });
            (sweep, config_keys, evals_only, all_evals, EarlierResults::None, *filter)
        }
    };
    let scope = if keys.is_empty() {
        scope_of(pull_request, policy)
    } else {
        Scope::Keys {
            keys,
            head: Some(pull_request.head.clone()),
        }
    };
    let reason = match earlier {
        EarlierResults::LastRunOf(_) => format!("{author} requested completion of the last run in a comment: {sweep} sweep."),
        EarlierResults::None | EarlierResults::MergedAs { .. } => format!("{author} requested it in a comment: {sweep} sweep."),
    };
    let request = RunRequest {
        evals_only,
        all_evals,
        earlier,
        filter,
        ..RunRequest::new(scope, sweep, reason)
    };
    run(with_labels(request, pull_request, policy))
}
