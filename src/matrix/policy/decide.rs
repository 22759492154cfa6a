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
    /// These config keys, with wildcards, as they are now.
    Keys(Vec<String>),
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
        (false, _, _) => Scope::Keys(keys),
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
        reason: "Started by hand.".to_owned(),
    }
}

fn schedule(settings: &Settings) -> Decision {
    if settings.schedule_config_keys.is_empty() {
        return skip("Nothing is set to be measured on a schedule; `policy: {schedule-config-keys: [...]}` in imax.yaml does that.");
    }
    Decision::Run {
        scope: Scope::Keys(settings.schedule_config_keys.clone()),
        sweep: settings.schedule,
        evals_only: false,
        all_evals: false,
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
    let (sweep, keys, evals_only, all_evals) = match command {
        Command::Retry => (by_label, Vec::new(), false, false),
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
            Scope::Keys(keys)
        },
        sweep,
        evals_only: evals_only || has(&pull_request.labels, &settings.evals_only_label),
        all_evals: all_evals || has(&pull_request.labels, &settings.all_evals_label),
        reason: format!("{author} asked for it in a comment: {sweep} sweep."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull_request(labels: &[&str]) -> PullRequest {
        PullRequest {
            number: 7,
            draft: false,
            open: true,
            labels: labels.iter().map(ToString::to_string).collect(),
            base_branch: "main".to_owned(),
            base: "b".repeat(40),
            head: "h".repeat(40),
            from_fork: false,
        }
    }

    fn happened(action: &str, label: Option<&str>, pull_request: PullRequest) -> String {
        let event = Event::PullRequest {
            action: action.to_owned(),
            label: label.map(str::to_owned),
            pull_request,
        };
        told(&decide(&event, &Settings::default(), &Facts::default()))
    }

    /// The decision in one line.
    fn told(decision: &Decision) -> String {
        match decision {
            Decision::Run {
                scope,
                sweep,
                evals_only,
                all_evals,
                ..
            } => {
                let scope = match scope {
                    Scope::Since { before, head, .. } => format!("{}..{}", &before[..1], &head[..1]),
                    Scope::SinceLeaving { base, head } => format!("{}...{}", &base[..1], &head[..1]),
                    Scope::Keys(keys) => keys.join(" "),
                };
                let evals = match (evals_only, all_evals) {
                    (false, false) => "",
                    (true, false) => " evals-only",
                    (false, true) => " all-evals",
                    (true, true) => " evals-only all-evals",
                };
                format!("run {scope} {sweep}{evals}")
            }
            Decision::Skip { reason } => format!("skip: {reason}"),
            Decision::Refuse { reason } => format!("refuse: {reason}"),
        }
    }

    #[test]
    fn labels_choose_the_mode() {
        for (labels, wanted) in [
            (&["sweep-enabled"][..], "run b...h trimmed"),
            (&["full-sweep-enabled", "bug"], "run b...h full canary-first"),
            (&["non-canary-full-sweep-enabled"], "run b...h full"),
            (&["full-sweep-fail-fast"], "run b...h full canary-first fail-fast"),
            (
                &["full-sweep-fail-fast-no-canary", "all-evals"],
                "run b...h full fail-fast all-evals",
            ),
            (
                &["sweep-enabled", "evals-only", "all-evals"],
                "run b...h trimmed evals-only all-evals",
            ),
        ] {
            for action in ["opened", "reopened", "synchronize", "ready_for_review"] {
                assert_eq!(happened(action, None, pull_request(labels)), wanted, "{action} {labels:?}");
            }
            assert_eq!(happened("labeled", Some(labels[0]), pull_request(labels)), wanted);
        }
    }

    #[test]
    fn what_leads_to_no_run_says_why() {
        let draft = PullRequest {
            draft: true,
            ..pull_request(&["sweep-enabled"])
        };
        let closed = PullRequest {
            open: false,
            ..pull_request(&["sweep-enabled"])
        };
        for (action, label, pull_request, reason) in [
            (
                "opened",
                None,
                pull_request(&[]),
                "skip: The pull request has none of the labels `sweep-enabled`, `full",
            ),
            (
                "opened",
                None,
                pull_request(&["all-evals"]),
                "skip: The pull request has none of the labels",
            ),
            (
                "labeled",
                Some("bug"),
                pull_request(&["sweep-enabled", "bug"]),
                "skip: The label `bug` has nothing to do",
            ),
            (
                "unlabeled",
                Some("sweep-enabled"),
                pull_request(&[]),
                "skip: `unlabeled` on a pull request",
            ),
            ("edited", None, pull_request(&["sweep-enabled"]), "skip: `edited`"),
            ("closed", None, closed.clone(), "skip: `closed`"),
            ("labeled", Some("sweep-enabled"), closed, "skip: The pull request is closed"),
            ("synchronize", None, draft, "skip: The pull request is a draft"),
            (
                "labeled",
                Some("sweep-enabled"),
                pull_request(&["sweep-enabled", "full-sweep-enabled"]),
                "refuse: The pull request has the labels `sweep-enabled`, `full-sweep-enabled`, which contradict",
            ),
        ] {
            let told = happened(action, label, pull_request);
            assert!(told.starts_with(reason), "{told}");
        }
    }

    #[test]
    fn a_later_push_withdraws_the_approval_of_a_fork() {
        let fork = PullRequest {
            from_fork: true,
            ..pull_request(&["sweep-enabled", "all-evals"])
        };
        assert_eq!(
            happened("labeled", Some("sweep-enabled"), fork.clone()),
            "run b...h trimmed all-evals"
        );
        for (action, label) in [
            ("synchronize", None),
            ("opened", None),
            ("reopened", None),
            ("labeled", Some("all-evals")),
        ] {
            assert!(
                happened(action, label, fork.clone()).starts_with("skip: The pull request comes from a fork"),
                "{action}"
            );
        }
    }

    #[test]
    fn the_skip_marker_of_the_last_commit_counts() {
        let facts = Facts {
            head_message: Some("fix typo [skip-sweep]".to_owned()),
            ..Facts::default()
        };
        let event = Event::PullRequest {
            action: "synchronize".to_owned(),
            label: None,
            pull_request: pull_request(&["sweep-enabled"]),
        };
        let decision = told(&decide(&event, &Settings::default(), &facts));
        assert_eq!(decision, "skip: The last commit's message has `[skip-sweep]`.");
    }

    #[test]
    fn pushes_to_the_default_branch_are_measured_in_full() {
        let push = |reference: &str, after: &str, message: &str| {
            let event = Event::Push {
                reference: reference.to_owned(),
                before: "a".repeat(40),
                after: after.repeat(40),
                default_branch: "main".to_owned(),
                message: message.to_owned(),
            };
            told(&decide(&event, &Settings::default(), &Facts::default()))
        };
        assert_eq!(push("refs/heads/main", "c", "m"), "run a..c full");
        assert!(push("refs/heads/fix", "c", "m").starts_with("skip: Pushes to `fix`"));
        assert!(push("refs/tags/v1", "c", "m").starts_with("skip: `refs/tags/v1` is no branch"));
        assert!(push("refs/heads/main", "0", "m").starts_with("skip: The branch `main` was deleted"));
        assert!(push("refs/heads/main", "c", "[skip-sweep] m").starts_with("skip: The last commit"));
    }

    #[test]
    fn commands_need_write_access_and_a_known_pull_request() {
        let command = |body: &str, commenter: Option<Permission>, commented: Option<PullRequest>| {
            let event = Event::Comment {
                action: "created".to_owned(),
                pull_request: Some(7),
                author: "ann".to_owned(),
                body: body.to_owned(),
            };
            let facts = Facts {
                head_message: None,
                commenter,
                commented,
            };
            told(&decide(&event, &Settings::default(), &facts))
        };
        let write = Some(Permission::Write);
        let plain = || Some(pull_request(&["full-sweep-enabled"]));
        assert_eq!(command("/sweep", write, plain()), "run b...h full canary-first");
        assert_eq!(command("/sweep retry", write, plain()), "run b...h full canary-first");
        assert_eq!(
            command("/sweep trimmed evals-only", write, Some(pull_request(&[]))),
            "run b...h trimmed evals-only"
        );
        assert_eq!(command("/sweep full a-fp8-*", write, Some(pull_request(&[]))), "run a-fp8-* full");
        assert!(command("hello", write, plain()).starts_with("skip: The comment gives no command"));
        assert!(command("/sweep fast", write, plain()).starts_with("refuse: The comment's command cannot be read: `fast`"));
        for commenter in [None, Some(Permission::Read), Some(Permission::Triage)] {
            assert!(command("/sweep", commenter, plain()).starts_with("refuse: "), "{commenter:?}");
        }
        assert!(command("/sweep", write, None).starts_with("refuse: Pull request 7 could not be asked for"));
        let fork = PullRequest {
            from_fork: true,
            ..pull_request(&["sweep-enabled"])
        };
        assert!(command("/sweep", write, Some(fork)).contains("comes from a fork"));
    }

    #[test]
    fn a_run_by_hand_says_what_it_wants() {
        let by_hand = |inputs: &[(&str, &str)]| {
            let inputs = inputs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            told(&decide(&Event::Dispatch { inputs }, &Settings::default(), &Facts::default()))
        };
        assert_eq!(by_hand(&[("config-keys", "a-* b-c"), ("mode", "trimmed")]), "run a-* b-c trimmed");
        assert_eq!(by_hand(&[("base-ref", "x"), ("fail-fast", "true")]), "run x...H full fail-fast");
        assert!(by_hand(&[]).starts_with("refuse: A run by hand needs"));
        assert!(by_hand(&[("mode", "half")]).starts_with("refuse: The input `mode` is `half`"));
    }

    #[test]
    fn a_schedule_measures_what_is_set() {
        let settings = Settings {
            schedule_config_keys: vec!["a-*".to_owned()],
            ..Settings::default()
        };
        assert_eq!(told(&decide(&Event::Schedule, &settings, &Facts::default())), "run a-* full");
        assert!(told(&decide(&Event::Schedule, &Settings::default(), &Facts::default())).starts_with("skip: Nothing is set"));
    }
}
