//! The decision itself.

use super::command::Command;
use super::event::{Event, PullRequest};
use super::settings::{Mode, Settings, Sweep};

/// What an event alone does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The message of the pull request's last commit, where it is known.
    pub head_message: Option<String>,
    /// What the author of a comment may do in the repository, where it could be asked.
    pub commenter: Option<Permission>,
    /// The pull request that a comment stands in, where it could be asked.
    pub commented: Option<PullRequest>,
}

/// What somebody may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing, or only read.
    Read,
    /// Change labels, but not the code.
    Triage,
    /// Push.
    Write,
}

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What the changelog gained since a commit: the one before a push.
    Since {
        /// The earlier commit; zeros for a new branch.
        before: String,
        /// The later commit.
        head: String,
        /// The branch to fall back to where the earlier commit is gone.
        default_branch: String,
        /// Whether the push was to that branch itself.
        on_default_branch: bool,
    },
    /// What the changelog gained on a branch since it left another one.
    SinceLeaving {
        /// The tip of the branch that was left.
        base: String,
        /// The branch's own tip.
        head: String,
    },
    /// Some config keys.
    Keys {
        /// The keys, with wildcards.
        keys: Vec<String>,
        /// The commit whose configs are meant; that of the checkout where none is named.
        head: Option<String>,
    },
}

/// Whether an event leads to a run, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Measure.
    Run {
        /// What.
        scope: Scope,
        /// How.
        sweep: Sweep,
        /// Evaluate accuracy and do not measure.
        evals_only: bool,
        /// Evaluate accuracy at every point that can be evaluated.
        all_evals: bool,
        /// The pull request whose newest run is to be completed: what it measured at the same commit is left out.
        retry: Option<u64>,
        /// Why, in a sentence.
        reason: String,
    },
    /// Do nothing.
    Skip {
        /// Why, in a sentence.
        reason: String,
    },
    /// Do nothing, and somebody has something to correct.
    Refuse {
        /// What, in a sentence.
        reason: String,
    },
}

/// Decides. `facts` are asked for by the caller; what could not be found out never leads to a run.
#[must_use]
pub fn decide(event: &Event, settings: &Settings, facts: &Facts) -> Decision {
    match event {
        Event::Push {
            reference,
            before,
            after,
            default_branch,
            message,
        } => push(reference, before, after, default_branch, message, settings),
        Event::PullRequest {
            action,
            label,
            pull_request,
        } => on_pull_request(action, label.as_deref(), pull_request, settings, facts),
        Event::Dispatch { inputs } => dispatch(inputs, settings),
        Event::Comment {
            action,
            pull_request,
            author,
            body,
        } => comment(action, *pull_request, author, body, settings, facts),
        Event::Schedule => schedule(settings),
        Event::Other(name) => skip(format!("The event `{name}` is none that leads to a sweep.")),
    }
}

fn skip(reason: impl Into<String>) -> Decision {
    Decision::Skip { reason: reason.into() }
}

fn refuse(reason: impl Into<String>) -> Decision {
    Decision::Refuse { reason: reason.into() }
}

fn push(reference: &str, before: &str, after: &str, default_branch: &str, message: &str, settings: &Settings) -> Decision {
    let Some(branch) = reference.strip_prefix("refs/heads/") else {
        return skip(format!("`{reference}` is no branch."));
    };
    if after.bytes().all(|byte| byte == b'0') {
        return skip(format!("The branch `{branch}` was deleted."));
    }
    let measured = match settings.push_branches.as_slice() {
        [] => branch == default_branch,
        branches => branches.iter().any(|measured| measured == branch),
    };
    if !measured {
        return skip(format!("Pushes to `{branch}` are not measured."));
    }
    if message.contains(&settings.skip_marker) {
        return skip(format!("The last commit's message has `{}`.", settings.skip_marker));
    }
    Decision::Run {
        scope: Scope::Since {
            before: before.to_owned(),
            head: after.to_owned(),
            default_branch: default_branch.to_owned(),
            on_default_branch: branch == default_branch,
        },
        sweep: settings.push,
        evals_only: false,
        all_evals: false,
        retry: None,
        reason: format!("A push to `{branch}` measures what it added to the changelog."),
    }
}

/// What happened to a pull request, as far as it matters here.
enum Happened {
    /// Its code is new, or is now meant to be looked at.
    Code,
    /// A label of the policy was set.
    Approved(String),
}

fn on_pull_request(action: &str, label: Option<&str>, pull_request: &PullRequest, settings: &Settings, facts: &Facts) -> Decision {
    let happened = match (action, label) {
        ("opened" | "reopened" | "synchronize" | "ready_for_review", _) => Happened::Code,
        ("labeled", Some(label)) if concerns_us(label, settings) => Happened::Approved(label.to_owned()),
        ("labeled", Some(label)) => return skip(format!("The label `{label}` has nothing to do with sweeps.")),
        (other, _) => return skip(format!("`{other}` on a pull request changes nothing about what is to be measured.")),
    };
    if !pull_request.open {
        return skip("The pull request is closed.");
    }
    let sweep = match primary(&pull_request.labels, settings) {
        Ok(Some((_, sweep))) => sweep,
        Ok(None) => return skip(format!("The pull request has none of the labels {}.", list(settings.labels.keys()))),
        Err(refused) => return refused,
    };
    if pull_request.draft && !settings.drafts {
        return skip("The pull request is a draft; it is measured when it is marked ready for review.");
    }
    if let Some(message) = &facts.head_message
        && message.contains(&settings.skip_marker)
    {
        return skip(format!("The last commit's message has `{}`.", settings.skip_marker));
    }
    if pull_request.from_fork
        && let Some(decision) = unapproved(&happened, settings)
    {
        return decision;
    }
    let because = match &happened {
        Happened::Approved(label) => format!("The label `{label}` was set"),
        Happened::Code => format!(
            "The pull request has the label {}",
            list(pull_request.labels.iter().filter(|label| settings.labels.contains_key(*label)))
        ),
    };
    Decision::Run {
        scope: Scope::SinceLeaving {
            base: pull_request.base.clone(),
            head: pull_request.head.clone(),
        },
        sweep,
        evals_only: has(&pull_request.labels, &settings.evals_only_label),
        all_evals: has(&pull_request.labels, &settings.all_evals_label),
        retry: None,
        reason: format!(
            "{because}: {sweep} sweep of what pull request {} adds to the changelog.",
            pull_request.number
        ),
    }
}

/// Code of strangers reaches a runner only with the code that a maintainer looked at: a label set after the last
/// push. GitHub does not say when a label was set, but the event that sets it does.
fn unapproved(happened: &Happened, settings: &Settings) -> Option<Decision> {
    if !settings.forks {
        return Some(skip("Pull requests from forks are not measured."));
    }
    match happened {
        Happened::Approved(label) if settings.labels.contains_key(label) => None,
        Happened::Approved(_) | Happened::Code => Some(skip(
            "The pull request comes from a fork, and its code may be newer than its approval: a maintainer who has looked at it takes the label away and sets it again.",
        )),
    }
}

fn concerns_us(label: &str, settings: &Settings) -> bool {
    settings.labels.contains_key(label) || label == settings.all_evals_label || label == settings.evals_only_label
}

fn has(labels: &[String], wanted: &str) -> bool {
    labels.iter().any(|label| label == wanted)
}

/// The one label that says how to sweep.
fn primary<'a>(labels: &'a [String], settings: &Settings) -> Result<Option<(&'a str, Sweep)>, Decision> {
    let found: Vec<(&str, Sweep)> = labels
        .iter()
        .filter_map(|label| settings.labels.get(label).map(|sweep| (label.as_str(), *sweep)))
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

fn list(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Inputs of a run by hand. Others are the workflow's own and are left alone.
fn dispatch(inputs: &[(String, String)], settings: &Settings) -> Decision {
    let input = |name: &str| inputs.iter().find(|(input, _)| input == name).map(|(_, value)| value.as_str());
    let is_set = |name: &str| input(name) == Some("true");
    let mode = match input("mode") {
        None | Some("full") => Mode::Full,
        Some("trimmed") => Mode::Trimmed,
        Some(other) => return refuse(format!("The input `mode` is `{other}`, expected `full` or `trimmed`.")),
    };
    let keys: Vec<String> = input("config-keys")
        .unwrap_or_default()
        .split([' ', ',', '\n'])
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect();
    let scope = match (keys.is_empty(), input("base-ref"), input("head-ref")) {
        (false, _, _) => Scope::Keys { keys, head: None },
        (true, Some(base), Some(head)) => Scope::SinceLeaving {
            base: base.to_owned(),
            head: head.to_owned(),
        },
        (true, Some(base), None) => Scope::SinceLeaving {
            base: base.to_owned(),
            head: "HEAD".to_owned(),
        },
        (true, None, _) => return refuse("A run by hand needs the input `config-keys`, or `base-ref` and perhaps `head-ref`."),
    };
    Decision::Run {
        scope,
        sweep: Sweep {
            mode,
            canary: is_set("canary"),
            fail_fast: is_set("fail-fast"),
        },
        evals_only: is_set(&settings.evals_only_label),
        all_evals: is_set(&settings.all_evals_label),
        retry: None,
        reason: "Started by hand.".to_owned(),
    }
}

fn schedule(settings: &Settings) -> Decision {
    if settings.schedule_config_keys.is_empty() {
        return skip("Nothing is set to be measured on a schedule; `policy: {schedule-config-keys: [...]}` in imax.yaml does that.");
    }
    Decision::Run {
        scope: Scope::Keys {
            keys: settings.schedule_config_keys.clone(),
            head: None,
        },
        sweep: settings.schedule,
        evals_only: false,
        all_evals: false,
        retry: None,
        reason: "It is time for the scheduled sweep.".to_owned(),
    }
}

fn comment(action: &str, pull_request: Option<u64>, author: &str, body: &str, settings: &Settings, facts: &Facts) -> Decision {
    if action != "created" {
        return skip("Only new comments give commands.");
    }
    let Some(number) = pull_request else {
        return skip("The comment is on an issue, not on a pull request.");
    };
    let command = match Command::parse(&settings.command, body) {
        None => return skip("The comment gives no command."),
        Some(Ok(command)) => command,
        Some(Err(error)) => return refuse(format!("The comment's command cannot be read: {error}.")),
    };
    match facts.commenter {
        Some(Permission::Write) => {}
        Some(Permission::Read | Permission::Triage) => {
            return refuse(format!("{author} has no write access and so gives no commands here."));
        }
        None => {
            return refuse(format!(
                "Whether {author} has write access could not be asked; give the action a `github-token`."
            ));
        }
    }
    let Some(commented) = &facts.commented else {
        return refuse(format!(
            "Pull request {number} could not be asked for; give the action a `github-token`."
        ));
    };
    if !commented.open {
        return skip("The pull request is closed.");
    }
    if commented.from_fork {
        return refuse(format!(
            "Pull request {number} comes from a fork, whose code may have changed since the comment was written: set a label instead."
        ));
    }
    obey(command, author, commented, settings)
}

fn obey(command: Command, author: &str, pull_request: &PullRequest, settings: &Settings) -> Decision {
    let labelled = match primary(&pull_request.labels, settings) {
        Ok(labelled) => labelled.map(|(_, sweep)| sweep),
        Err(refused) => return refused,
    };
    let by_label = labelled.unwrap_or(Sweep {
        mode: Mode::Trimmed,
        canary: false,
        fail_fast: false,
    });
    let retry = (command == Command::Retry).then_some(pull_request.number);
    let (sweep, keys, evals_only, all_evals) = match command {
        // The rest of a run that was under way is no place for a canary.
        Command::Retry => (Sweep { canary: false, ..by_label }, Vec::new(), false, false),
        Command::Sweep {
            mode,
            config_keys,
            evals_only,
            all_evals,
        } => {
            let sweep = mode.map_or(by_label, |mode| Sweep { mode, ..by_label });
            (sweep, config_keys, evals_only, all_evals)
        }
    };
    Decision::Run {
        scope: if keys.is_empty() {
            Scope::SinceLeaving {
                base: pull_request.base.clone(),
                head: pull_request.head.clone(),
            }
        } else {
            Scope::Keys {
                keys,
                head: Some(pull_request.head.clone()),
            }
        },
        sweep,
        evals_only: evals_only || has(&pull_request.labels, &settings.evals_only_label),
        all_evals: all_evals || has(&pull_request.labels, &settings.all_evals_label),
        retry,
        reason: match retry {
            Some(_) => format!("{author} asked in a comment to complete the last run: {sweep} sweep."),
            None => format!("{author} asked for it in a comment: {sweep} sweep."),
        },
    }
}

#[cfg(test)]
mod tests;
