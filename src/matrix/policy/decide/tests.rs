//! Events and decisions, as tables.

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
    rendered(&decide(&event, &Policy::default(), &Facts::default()))
}

/// The decision in one line.
fn rendered(decision: &Decision) -> String {
    match decision {
        Decision::Run {
            scope,
            sweep,
            evals_only,
            all_evals,
            retry,
            ..
        } => {
            let scope = match scope {
                Scope::Since { before, head, .. } => format!("{}..{}", &before[..1], &head[..1]),
                Scope::SinceLeaving { base, head } => format!("{}...{}", &base[..1], &head[..1]),
                Scope::Keys { keys, head } => {
                    let head = head.as_ref().map_or(String::new(), |head| format!(" of {}", &head[..1]));
                    keys.join(" ") + &head
                }
            };
            let evals = match (evals_only, all_evals) {
                (false, false) => "",
                (true, false) => " evals-only",
                (false, true) => " all-evals",
                (true, true) => " evals-only all-evals",
            };
            let retry = if retry.is_some() { " retry" } else { "" };
            format!("run {scope} {sweep}{evals}{retry}")
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
fn skipped_events_have_a_reason() {
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
            "skip: Label `bug` is not a sweep label",
        ),
        (
            "unlabeled",
            Some("sweep-enabled"),
            pull_request(&[]),
            "skip: Pull request action `unlabeled`",
        ),
        (
            "edited",
            None,
            pull_request(&["sweep-enabled"]),
            "skip: Pull request action `edited`",
        ),
        ("closed", None, closed.clone(), "skip: Pull request action `closed`"),
        ("labeled", Some("sweep-enabled"), closed, "skip: The pull request is closed"),
        ("synchronize", None, draft, "skip: The pull request is a draft"),
        (
            "labeled",
            Some("sweep-enabled"),
            pull_request(&["sweep-enabled", "full-sweep-enabled"]),
            "refuse: The pull request has the labels `sweep-enabled`, `full-sweep-enabled`, which contradict",
        ),
    ] {
        let decision = happened(action, label, pull_request);
        assert!(decision.starts_with(reason), "{decision}");
    }
}

#[test]
fn later_push_withdraws_the_approval_of_a_fork() {
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
fn skip_marker_in_the_last_commit_message_is_respected() {
    let facts = Facts {
        head_message: Some("fix typo [skip-sweep]".to_owned()),
        ..Facts::default()
    };
    let event = Event::PullRequest {
        action: "synchronize".to_owned(),
        label: None,
        pull_request: pull_request(&["sweep-enabled"]),
    };
    let decision = rendered(&decide(&event, &Policy::default(), &facts));
    assert_eq!(decision, "skip: The last commit message contains `[skip-sweep]`.");
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
        rendered(&decide(&event, &Policy::default(), &Facts::default()))
    };
    assert_eq!(push("refs/heads/main", "c", "m"), "run a..c full");
    assert!(push("refs/heads/fix", "c", "m").starts_with("skip: Pushes to `fix`"));
    assert!(push("refs/tags/v1", "c", "m").starts_with("skip: `refs/tags/v1` is not a branch"));
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
        rendered(&decide(&event, &Policy::default(), &facts))
    };
    let write = Some(Permission::Write);
    let plain = || Some(pull_request(&["full-sweep-enabled"]));
    assert_eq!(command("/sweep", write, plain()), "run b...h full canary-first");
    assert_eq!(command("/sweep retry", write, plain()), "run b...h full retry");
    assert_eq!(
        command("/sweep trimmed evals-only", write, Some(pull_request(&[]))),
        "run b...h trimmed evals-only"
    );
    assert_eq!(
        command("/sweep full a-fp8-*", write, Some(pull_request(&[]))),
        "run a-fp8-* of h full"
    );
    assert!(command("hello", write, plain()).starts_with("skip: The comment has no command"));
    assert!(command("/sweep fast", write, plain()).starts_with("refuse: Invalid command in the comment: unknown option `fast`"));
    for commenter in [None, Some(Permission::Read), Some(Permission::Triage)] {
        assert!(command("/sweep", commenter, plain()).starts_with("refuse: "), "{commenter:?}");
    }
    assert!(command("/sweep", write, None).starts_with("refuse: Cannot read pull request 7"));
    let fork = PullRequest {
        from_fork: true,
        ..pull_request(&["sweep-enabled"])
    };
    assert!(command("/sweep", write, Some(fork)).contains("comes from a fork"));
}

#[test]
fn manual_run_is_planned_from_its_inputs() {
    let manual_run = |inputs: &[(&str, &str)]| {
        let inputs = inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        rendered(&decide(&Event::Dispatch { inputs }, &Policy::default(), &Facts::default()))
    };
    assert_eq!(
        manual_run(&[("config-keys", "a-* b-c"), ("mode", "trimmed")]),
        "run a-* b-c trimmed"
    );
    assert_eq!(manual_run(&[("base-ref", "x"), ("fail-fast", "true")]), "run x...H full fail-fast");
    assert!(manual_run(&[]).starts_with("refuse: A manual run needs"));
    assert!(manual_run(&[("mode", "half")]).starts_with("refuse: The input `mode` is `half`"));
}

#[test]
fn schedule_measures_the_configured_keys() {
    let policy = Policy {
        schedule_config_keys: vec!["a-*".to_owned()],
        ..Policy::default()
    };
    assert_eq!(rendered(&decide(&Event::Schedule, &policy, &Facts::default())), "run a-* full");
    assert!(rendered(&decide(&Event::Schedule, &Policy::default(), &Facts::default())).starts_with("skip: No config keys are scheduled"));
}

#[test]
fn published_release_measures_what_is_set() {
    let event = |action: &str| Event::Release {
        action: action.to_owned(),
        tag: "v2".to_owned(),
    };
    let policy = Policy {
        release_config_keys: vec!["a-*".to_owned()],
        ..Policy::default()
    };
    let decided = |action, policy: &Policy| rendered(&decide(&event(action), policy, &Facts::default()));
    assert_eq!(decided("published", &policy), "run a-* full");
    assert!(decided("created", &policy).starts_with("skip: Release action `created`"));
    assert!(decided("published", &Policy::default()).starts_with("skip: No config keys are measured for releases"));
}

#[test]
fn config_keys_of_the_policy_replace_the_changelog() {
    let policy = Policy {
        config_keys: vec!["*".to_owned()],
        ..Policy::default()
    };
    let push = Event::Push {
        reference: "refs/heads/main".to_owned(),
        before: "b".to_owned(),
        after: "h".to_owned(),
        default_branch: "main".to_owned(),
        message: String::new(),
    };
    let Decision::Run { scope, reason, .. } = decide(&push, &policy, &Facts::default()) else {
        panic!("a push to main is measured");
    };
    let at_head = Scope::Keys {
        keys: vec!["*".to_owned()],
        head: Some("h".to_owned()),
    };
    assert_eq!(
        (scope, reason.as_str()),
        (at_head, "Push to `main`: measures the config keys of the policy.")
    );
}
