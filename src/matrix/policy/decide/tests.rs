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
        Decision::Run(run) => {
            let scope = match &run.scope {
                Scope::Since { before, head, .. } => format!("{}..{}", &before[..1], &head[..1]),
                Scope::SinceLeaving { base, head } => format!("{}...{}", &base[..1], &head[..1]),
                Scope::Keys { keys, head } => {
                    let head = head.as_ref().map_or(String::new(), |head| format!(" of {}", &head[..1]));
                    keys.join(" ") + &head
                }
                Scope::Generated { command_line, .. } => format!("`{command_line}`"),
            };
            let options = [
                (run.evals_only, " evals-only"),
                (run.all_evals, " all-evals"),
                (run.agentic == AgenticLoad::Fast, " fast"),
                (matches!(run.earlier, EarlierResults::LastRunOf(_)), " retry"),
            ];
            let options: String = options.iter().filter(|(is_set, _)| *is_set).map(|(_, word)| *word).collect();
            format!("run {scope} {}{options}", run.sweep)
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
            "skip: The label `sweep-enabled` was removed",
        ),
        (
            "unlabeled",
            Some("bug"),
            pull_request(&["sweep-enabled"]),
            "skip: Label `bug` is not a sweep label",
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
fn fork_is_never_measured_by_its_own_event() {
    let fork = PullRequest {
        from_fork: true,
        ..pull_request(&["sweep-enabled", "all-evals"])
    };
    for (action, label) in [
        ("labeled", Some("sweep-enabled")),
        ("labeled", Some("all-evals")),
        ("synchronize", None),
        ("opened", None),
        ("reopened", None),
    ] {
        let decision = happened(action, label, fork.clone());
        assert!(
            decision.starts_with("skip: The pull request comes from a fork"),
            "{action}: {decision}"
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
fn skip_marker_on_pushes_is_a_setting() {
    let policy = Policy {
        skip_marker_on_push: false,
        ..Policy::default()
    };
    let push = Event::Push {
        reference: "refs/heads/main".to_owned(),
        before: "a".to_owned(),
        after: "c".to_owned(),
        default_branch: "main".to_owned(),
        message: "typo [skip-sweep]".to_owned(),
    };
    assert_eq!(rendered(&decide(&push, &policy, &Facts::default())), "run a..c full");
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
            commenter,
            named: commented,
            ..Facts::default()
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

fn manual_run(inputs: &[(&str, &str)], facts: &Facts) -> Decision {
    let inputs = inputs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let policy = Policy {
        workflow_inputs: vec!["host".to_owned()],
        ..Policy::default()
    };
    decide(&Event::Dispatch { inputs }, &policy, facts)
}

#[test]
fn manual_run_is_planned_from_its_inputs() {
    for (inputs, decision) in [
        (&[("config-keys", "a-* b-c"), ("mode", "trimmed")][..], "run a-* b-c trimmed"),
        (&[("base-ref", "x"), ("fail-fast", "true")], "run x...H full fail-fast"),
        (
            &[("changelog-base-ref", "x"), ("changelog-head-ref", "y"), ("trim-conc", "true")],
            "run x...y trimmed",
        ),
        (
            &[
                ("generate-cli-command", "full-sweep --single-node"),
                ("agentx-fast", "true"),
                ("test-name", "t"),
            ],
            "run `full-sweep --single-node` full fast",
        ),
        (
            &[("config-keys", "a"), ("evals-only", "true"), ("all-evals", "false"), ("host", "h")],
            "run a full evals-only",
        ),
        (&[], "refuse: A manual run needs"),
        (&[("mode", "half")], "refuse: The input `mode` is `half`"),
        (
            &[("config-keys", "a"), ("mode", "full"), ("trim-conc", "true")],
            "refuse: The inputs `mode: full` and",
        ),
        (
            &[("config-keys", "a"), ("base-ref", "b")],
            "refuse: The inputs `config-keys`, `generate-cli-command` and",
        ),
        (
            &[("config-keys", "a"), ("config-key", "b")],
            "refuse: Unknown input `config-key`; did you mean `config-keys`?",
        ),
        (
            &[("config-keys", "a"), ("zzz", "b")],
            "refuse: Unknown input `zzz`. An input that is the workflow's own",
        ),
        (&[("config-keys", "a"), ("conc", "x")], "refuse: Invalid input: `conc` has \"x\""),
        (
            &[("config-keys", "a"), ("eval-limit", "all")],
            "refuse: The input `eval-limit` is `all`",
        ),
        (
            &[("config-keys", "a"), ("duration-override", "0")],
            "refuse: The input `duration-override` is `0`",
        ),
        (
            &[("config-keys", "a"), ("power-producer-sha", "main")],
            "refuse: The input `power-producer-sha` is `main`",
        ),
        (
            &[("config-keys", "a"), ("swebench-gen-mode", "x")],
            "refuse: The input `swebench-gen-mode` is `x`",
        ),
        (
            &[("config-keys", "a"), ("pr-labels-json", "skip_queue")],
            "refuse: The input `pr-labels-json`",
        ),
    ] {
        let decided = rendered(&manual_run(inputs, &Facts::default()));
        assert!(decided.starts_with(decision), "{inputs:?}: {decided}");
    }
}

#[test]
fn inputs_of_a_manual_run_reach_its_jobs() {
    let inputs = [
        ("config-keys", "a"),
        ("conc", "4 8"),
        ("seq-lens", "1k1k"),
        ("require-power", "true"),
        ("eval-limit", "20"),
        ("swebench-gen-mode", "agentic"),
        ("duration-override", "600"),
        ("pr-labels-json", r#"["skip_queue"]"#),
    ];
    let Decision::Run(run) = manual_run(&inputs, &Facts::default()) else {
        panic!("it runs");
    };
    let variables: Vec<String> = run.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        variables,
        [
            "REQUIRE_POWER=1",
            "EVAL_LIMIT=20",
            "IMAX_EVAL_LIMIT=20",
            "SWEBENCH_GEN_MODE=agentic"
        ]
    );
    assert_eq!((run.filter.conc.as_slice(), run.filter.seq_lens.len()), (&[4, 8][..], 1));
    assert_eq!(
        (run.agentic.seconds(), run.labels.as_slice()),
        (Some(600), &["skip_queue".to_owned()][..])
    );
}

#[test]
fn run_for_a_pull_request_measures_the_approved_commit_only() {
    let head = "h".repeat(40);
    let decided = |approved: &str, named: Option<PullRequest>| {
        let inputs = [("pull-request", "7"), ("base-ref", "base"), ("head-ref", approved)];
        rendered(&manual_run(&inputs, &Facts { named, ..Facts::default() }))
    };
    let fork = PullRequest {
        from_fork: true,
        ..pull_request(&["sweep-enabled"])
    };
    assert_eq!(decided(&head, Some(fork.clone())), "run b...h full");
    let pushed = decided(&"g".repeat(40), Some(fork.clone()));
    assert!(pushed.contains("a push withdraws the approval"), "{pushed}");
    assert!(decided(&head, Some(PullRequest { open: false, ..fork })).contains("is closed"));
    assert!(decided(&head, None).starts_with("refuse: Cannot read pull request 7"));
}

/// When InferenceX's own workflow plans a sweep, by its gating conditions of August 2026: pull requests by action, label of the event
/// and labels, with a reuse command or without, and pushes. The other rows of its own tests depend on its changelog check, for which
/// the plan itself fails here.
#[test]
fn events_lead_to_the_sweeps_that_inferencex_plans() {
    const FULL: &str = "full-sweep-enabled";
    for (action, label, labels, is_reused, runs) in [
        ("synchronize", None, &[FULL][..], false, true),
        ("synchronize", None, &[FULL], true, false),
        ("synchronize", None, &[FULL, "full-sweep-fail-fast"], true, false),
        ("synchronize", None, &["sweep-enabled"], false, true),
        ("synchronize", None, &["sweep-enabled"], true, true),
        ("synchronize", None, &["all-evals"], false, false),
        ("synchronize", None, &["evals-only"], false, false),
        ("synchronize", None, &["agentx-fast"], false, false),
        ("synchronize", None, &[FULL, "all-evals"], true, false),
        ("synchronize", None, &[FULL, "evals-only"], true, true),
        ("synchronize", None, &[FULL, "agentx-fast"], true, true),
        ("synchronize", None, &[FULL, "all-evals", "evals-only"], true, true),
        ("synchronize", None, &[], false, false),
        ("labeled", Some(FULL), &[FULL], false, true),
        ("labeled", Some(FULL), &[FULL], true, true),
        ("labeled", Some("all-evals"), &["all-evals"], false, false),
        ("labeled", Some("evals-only"), &["evals-only"], false, false),
        ("labeled", Some("agentx-fast"), &["agentx-fast"], false, false),
        ("labeled", Some("all-evals"), &[FULL, "all-evals"], false, true),
        ("labeled", Some("evals-only"), &[FULL, "evals-only"], false, true),
        ("labeled", Some("agentx-fast"), &[FULL, "agentx-fast"], false, true),
        ("labeled", Some("skip_queue"), &[FULL, "skip_queue"], false, true),
        ("unlabeled", Some("skip_queue"), &[FULL], false, true),
        ("labeled", Some("ci-patchwork"), &[FULL, "ci-patchwork"], false, true),
        ("unlabeled", Some("ci-patchwork"), &[FULL], false, true),
        ("labeled", Some("documentation"), &[FULL], false, false),
        ("unlabeled", Some(FULL), &[], false, false),
        ("ready_for_review", None, &[FULL], false, true),
        ("ready_for_review", None, &[FULL], true, true),
    ] {
        let event = Event::PullRequest {
            action: action.to_owned(),
            label: label.map(str::to_owned),
            pull_request: pull_request(labels),
        };
        let facts = Facts {
            is_reused,
            ..Facts::default()
        };
        let decision = decide(&event, &Policy::default(), &facts);
        assert_eq!(
            matches!(decision, Decision::Run(_)),
            runs,
            "{action} {label:?} {labels:?} {is_reused}"
        );
    }
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
    let Decision::Run(run) = decide(&push, &policy, &Facts::default()) else {
        panic!("a push to main is measured");
    };
    let at_head = Scope::Keys {
        keys: vec!["*".to_owned()],
        head: Some("h".to_owned()),
    };
    assert_eq!(
        (run.scope, run.reason.as_str()),
        (at_head, "Push to `main`: measures the config keys of the policy.")
    );
}
