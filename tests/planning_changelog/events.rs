//! `imax plan --event`: GitHub's events against the policy and a real history.

use serde_json::{Value, json};

use crate::harness::{HttpResponse, HttpServer};
use crate::repository::{LOG, Repository, entry, with};

const ZEROS: &str = "0000000000000000000000000000000000000000";

fn push(branch: &str, before: &str, after: &str) -> Value {
    json!({
        "ref": format!("refs/heads/{branch}"), "before": before, "after": after,
        "repository": { "default_branch": "main" }, "head_commit": { "message": "change" }
    })
}

pub fn pull_request(action: &str, label: Option<&str>, labels: &[&str], base: &str, head: &str, head_repository: &str) -> Value {
    let labels: Vec<Value> = labels.iter().map(|name| json!({ "name": name })).collect();
    let mut payload = json!({
        "action": action,
        "pull_request": {
            "number": 7, "draft": false, "state": "open", "labels": labels,
            "base": { "ref": "main", "sha": base, "repo": { "full_name": "org/repo" } },
            "head": { "ref": "fix", "sha": head, "repo": { "full_name": head_repository } }
        }
    });
    if let Some(label) = label {
        payload["label"] = json!({ "name": label });
    }
    payload
}

/// A pull request that appended one entry, while the main branch appended another one.
pub fn diverged() -> (Repository, String, String) {
    let repository = Repository::new();
    let start = repository.git.head().unwrap().target().unwrap().to_string();
    let base = repository.commit_log(&with(LOG, &entry("toy-fp4-h100-sim", "https://github.com/org/repo/pull/2")));
    repository.branch("fix", &start);
    let head = repository.commit_log(&with(LOG, &entry("toy-fp8-h100-sim", "XXX")));
    (repository, base, head)
}

#[test]
fn pull_request_is_compared_with_its_merge_base() {
    let (repository, base, head) = diverged();
    let ran = repository.event(
        "pull_request",
        &pull_request("labeled", Some("sweep-enabled"), &["sweep-enabled"], &base, &head, "org/repo"),
    );
    assert_eq!(ran.output("run"), "true", "{}", ran.stderr);
    assert_eq!(ran.output("mode"), "trimmed");
    let entries = ran.json()["changelog_metadata"]["entries"].clone();
    assert_eq!(entries[0]["config-keys"], json!(["toy-fp8-h100-sim"]));
    assert_eq!(entries.as_array().unwrap().len(), 1);
    // Compared directly, the entry of the main branch seems deleted.
    let direct = repository.imax(&["plan", "--base-ref", &base, "--head-ref", &head]);
    assert_eq!(direct.code, 3, "{}", direct.stderr);
}

#[test]
fn full_sweep_has_a_canary() {
    let (repository, base, head) = diverged();
    let label = "full-sweep-enabled";
    let ran = repository.event(
        "pull_request",
        &pull_request("synchronize", None, &[label], &base, &head, "org/repo"),
    );
    assert_eq!(ran.output("mode"), "full canary-first", "{}", ran.stderr);
    let canary: Value = serde_json::from_str(ran.output("canary")).unwrap();
    let row: Value = serde_json::from_str(canary["include"][0]["row"].as_str().unwrap()).unwrap();
    assert_eq!((&row["tp"], &row["conc"]), (&json!(1), &json!(4)));
}

#[test]
fn fork_is_not_measured_by_its_own_event() {
    let (repository, base, head) = diverged();
    let label = "sweep-enabled";
    for (action, set) in [("synchronize", None), ("labeled", Some(label))] {
        let ran = repository.event("pull_request", &pull_request(action, set, &[label], &base, &head, "stranger/repo"));
        assert_eq!((ran.code, ran.output("run"), ran.output("count")), (0, "false", "0"), "{action}");
        assert!(
            ran.output("reason").contains("the run that `fork.yml` dispatches") && ran.summary.contains("No run"),
            "{}",
            ran.summary
        );
    }
}

#[test]
fn removed_label_measures_nothing_and_removed_modifier_measures_again() {
    let (repository, base, head) = diverged();
    let removed = |label: &str, left: &[&str]| {
        let ran = repository.event(
            "pull_request",
            &pull_request("unlabeled", Some(label), left, &base, &head, "org/repo"),
        );
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (ran.output("run").to_owned(), ran.output("reason").to_owned())
    };
    let (run, reason) = removed("sweep-enabled", &[]);
    assert!(run == "false" && reason.contains("`sweep-enabled` was removed"), "{reason}");
    assert_eq!(removed("skip_queue", &["sweep-enabled"]).0, "true");
    assert_eq!(removed("documentation", &["sweep-enabled"]).0, "false");
}

#[test]
fn contradicting_labels_are_refused() {
    let (repository, base, head) = diverged();
    let labels = ["sweep-enabled", "full-sweep-enabled"];
    let ran = repository.event(
        "pull_request",
        &pull_request("synchronize", None, &labels, &base, &head, "org/repo"),
    );
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("`sweep-enabled`, `full-sweep-enabled`"), "{}", ran.stderr);
}

#[test]
fn skip_marker_in_the_head_commit_is_obeyed() {
    let (repository, base, _) = diverged();
    repository.write("notes.txt", "x");
    let head = repository.commit("notes [skip-sweep]");
    let ran = repository.event(
        "pull_request",
        &pull_request("synchronize", None, &["sweep-enabled"], &base, &head, "org/repo"),
    );
    assert_eq!(ran.output("run"), "false");
    assert!(ran.output("reason").contains("[skip-sweep]"));
}

#[test]
fn settings_replace_default_labels() {
    let (repository, base, head) = diverged();
    repository.write("imax.yaml", "policy:\n  labels:\n    bench-it: {mode: full, fail-fast: true}\n");
    let ran = repository.event(
        "pull_request",
        &pull_request("labeled", Some("bench-it"), &["bench-it"], &base, &head, "org/repo"),
    );
    assert_eq!((ran.output("mode"), ran.output("fail-fast")), ("full fail-fast", "true"));
    repository.write("imax.yaml", "policy:\n  lables: {}\n");
    let wrong = repository.event("push", &push("main", &base, &head));
    assert!(wrong.code == 3 && wrong.stderr.contains("imax.yaml:2:"), "{}", wrong.stderr);
}

#[test]
fn policy_of_a_fork_is_ignored() {
    let (repository, base, _) = diverged();
    repository.write("imax.yaml", "policy:\n  forks: false\n  labels: {bug: {mode: full}}\n");
    let head = repository.commit("the stranger's own policy");
    let labelled = |from: &str| {
        let ran = repository.event("pull_request", &pull_request("labeled", Some("bug"), &["bug"], &base, &head, from));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (ran.output("run").to_owned(), ran.output("reason").to_owned())
    };
    assert_eq!(labelled("org/repo").0, "true");
    let (run, reason) = labelled("stranger/repo");
    assert!(run == "false" && reason.contains("Label `bug` is not a sweep label"), "{reason}");
}

#[test]
fn push_is_compared_with_the_commit_before_it_or_the_parent() {
    let repository = Repository::new();
    let first = repository.git.head().unwrap().target().unwrap().to_string();
    let second = repository.commit_log(&with(LOG, &entry("toy-fp4-h100-sim", "https://github.com/org/repo/pull/2")));
    let gone = "1234567890123456789012345678901234567890";
    for (before, note) in [(first.as_str(), ""), (ZEROS, "The branch is new"), (gone, "force push")] {
        let ran = repository.event("push", &push("main", before, &second));
        assert_eq!(ran.output("count"), "1", "{before}: {}", ran.stderr);
        assert_eq!(ran.output("base-sha"), first, "{before}");
        assert!(ran.output("reason").contains(note), "{}", ran.output("reason"));
    }
    let nothing = repository.event("push", &push("main", &second, &second));
    assert!(
        nothing.output("run") == "false" && nothing.output("reason").contains("no new entry"),
        "{:?}",
        nothing.outputs
    );
}

#[test]
fn shallow_clone_is_refused() {
    let repository = Repository::new();
    let parent = repository.git.head().unwrap().target().unwrap().to_string();
    let head = repository.commit_log(&with(LOG, &entry("toy-fp4-h100-sim", "XXX")));
    let (folder, file) = parent.split_at(2);
    std::fs::remove_file(repository.path(&format!(".git/objects/{folder}/{file}"))).unwrap();
    std::fs::write(repository.path(".git/shallow"), format!("{head}\n")).unwrap();
    let ran = repository.event("push", &push("main", ZEROS, &head));
    assert!(
        ran.code == 4 && ran.stderr.contains("fetch-depth: 0"),
        "{} {}",
        ran.code,
        ran.stderr
    );
}

#[test]
fn contradicting_labels_are_named_in_the_summary() {
    let (repository, base, head) = diverged();
    let labels = ["sweep-enabled", "full-sweep-enabled"];
    let ran = repository.event(
        "pull_request",
        &pull_request("labeled", Some(labels[0]), &labels, &base, &head, "org/repo"),
    );
    assert_eq!((ran.code, ran.output("run")), (3, "false"));
    assert!(
        ran.summary
            .contains("Refused: The pull request has the labels `sweep-enabled`, `full-sweep-enabled`"),
        "{}",
        ran.summary
    );
}

#[test]
fn plan_without_jobs_has_a_reason() {
    let (repository, base, _) = diverged();
    let inputs = json!({ "inputs": { "config-keys": "toy-fp4-h100-sim", "evals-only": "true" } });
    let ran = repository.event("workflow_dispatch", &inputs);
    assert_eq!((ran.code, ran.output("run"), ran.output("count")), (0, "false", "0"), "{base}");
    assert!(
        ran.output("reason").contains("no point of the configs can be evaluated"),
        "{}",
        ran.output("reason")
    );
}

#[test]
fn new_branch_is_compared_with_its_merge_base() {
    let (repository, _, head) = diverged();
    repository.write("imax.yaml", "policy:\n  push-branches: [fix]\n");
    let ran = repository.event("push", &push("fix", ZEROS, &head));
    assert_eq!(
        ran.json()["changelog_metadata"]["entries"].as_array().unwrap().len(),
        1,
        "{}",
        ran.stderr
    );
    assert!(ran.output("reason").contains("its merge base with the default branch"));
}

#[test]
fn dispatch_and_schedule_measure_config_keys() {
    let repository = Repository::new();
    let by_hand = repository.event(
        "workflow_dispatch",
        &json!({ "inputs": { "config-keys": "toy-fp4-*", "mode": "full" } }),
    );
    assert_eq!(by_hand.output("count"), "1", "{}", by_hand.stderr);
    let unknown = repository.event("workflow_dispatch", &json!({ "inputs": { "config-keys": "nope-*" } }));
    assert!(
        unknown.code == 3
            && unknown
                .stderr
                .starts_with("error[no-match]: the pattern `nope-*` matches no config key"),
        "{}",
        unknown.stderr
    );
    repository.write(
        "imax.yaml",
        "policy:\n  schedule-config-keys: [toy-fp8-h100-sim]\n  schedule: {mode: trimmed}\n",
    );
    assert_eq!(repository.event("schedule", &json!({})).output("mode"), "trimmed");
}

#[test]
fn checkout_of_another_commit_is_refused() {
    let (repository, base, head) = diverged();
    repository.checkout("main");
    let ran = repository.event(
        "pull_request",
        &pull_request("labeled", Some("sweep-enabled"), &["sweep-enabled"], &base, &head, "org/repo"),
    );
    assert!(ran.code == 4 && ran.stderr.contains("refs/pull/<number>/head"), "{}", ran.stderr);
}

/// Rows of a manual run by a command line of the generator.
#[test]
fn manual_run_takes_the_generators_arguments() {
    let repository = Repository::new();
    let by_hand = |command: &str, more: Value| {
        let mut inputs = json!({ "generate-cli-command": command });
        inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        repository.event("workflow_dispatch", &json!({ "inputs": inputs }))
    };
    let all = by_hand("full-sweep --single-node --no-evals", json!({}));
    assert_eq!(all.output("count"), "5", "{}", all.stderr);
    assert!(all.output("reason").contains("Rows of `full-sweep --single-node --no-evals`"));
    let one = by_hand("test-config --config-keys toy-fp8-* --conc 4 --seq-lens 8k1k --no-evals", json!({}));
    assert_eq!((one.output("count"), one.concurrencies()), ("1", vec![json!(4)]), "{}", one.stderr);
    // As InferenceX's documents write it, with a file that the command line names.
    let named = by_hand(
        "full-sweep --config-files configs/toy-master.yaml --model-prefix toy-fp4 --max-conc 16 --no-evals",
        json!({ "require-power": "true", "eval-limit": "5" }),
    );
    assert_eq!(named.output("count"), "1", "{}", named.stderr);
    assert_eq!(named.output("environment"), "REQUIRE_POWER=1\nEVAL_LIMIT=5\nIMAX_EVAL_LIMIT=5");
    let trimmed = by_hand("full-sweep --no-evals", json!({ "trim-conc": "true" }));
    assert_eq!(
        (trimmed.output("mode"), trimmed.output("count")),
        ("trimmed", "3"),
        "{}",
        trimmed.stderr
    );
    let filtered = by_hand("full-sweep --no-evals", json!({ "precision": "fp4" }));
    assert_eq!(filtered.output("count"), "1", "{}", filtered.stderr);
    for (command, told) in [
        ("full-swep", "unrecognized subcommand 'full-swep'"),
        ("full-sweep --conk 4", "unexpected argument '--conk'"),
        ("full-sweep 'a", "a quote is not closed"),
        ("full-sweep --min-conc 8 --max-conc 4", "--min-conc 8 is greater"),
    ] {
        let wrong = by_hand(command, json!({}));
        assert!(wrong.code == 3 && wrong.stderr.contains(told), "{}: {}", wrong.code, wrong.stderr);
        assert!(
            wrong.summary.contains("Refused: Invalid input `generate-cli-command`"),
            "{}",
            wrong.summary
        );
    }
    let unknown = by_hand("full-sweep --runner-type b200", json!({}));
    assert!(
        unknown.code == 3 && unknown.stderr.contains("unknown runner type b200"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn unknown_input_of_a_manual_run_is_an_error() {
    let repository = Repository::new();
    let by_hand =
        |input: &str, value: &str| repository.event("workflow_dispatch", &json!({ "inputs": { "config-keys": "toy-*", input: value } }));
    let wrong = by_hand("conk", "4");
    assert!(
        wrong.code == 3 && wrong.stderr.contains("Unknown input `conk`; did you mean `conc`?"),
        "{}",
        wrong.stderr
    );
    // GitHub sends inputs that nobody filled in as empty texts.
    assert_eq!(by_hand("conk", "").code, 0);
    repository.write("imax.yaml", "policy: { workflow-inputs: [conk] }\n");
    assert_eq!(by_hand("conk", "4").code, 0);
}

#[test]
fn filters_choose_among_the_rows_of_an_event() {
    let repository = Repository::new();
    let event = json!({ "inputs": { "config-keys": "toy-*" } });
    let path = repository.path(".git/event.json");
    std::fs::write(&path, event.to_string()).unwrap();
    let variables = [
        ("GITHUB_EVENT_NAME", "workflow_dispatch"),
        ("GITHUB_EVENT_PATH", path.to_str().unwrap()),
    ];
    let plan = |filters: &[&str]| repository.imax_with(&[&["plan", "--event"], filters].concat(), &variables);
    let points = |filters: &[&str]| {
        let ran = plan(filters);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.concurrencies()
    };
    assert_eq!(points(&["--conc", "4", "--seq-lens", "8k1k"]), [json!(4)]);
    assert_eq!(points(&["--precision", "fp4"]), [json!(4)]);
    let none = plan(&["--multi-node"]);
    assert_eq!(none.output("run"), "false");
    assert!(
        none.output("reason").contains("no row passes the filters"),
        "{}",
        none.output("reason")
    );
    let wrong = plan(&["--seq-lens", "1024"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("such as 1k1k"), "{}", wrong.stderr);
    // The filters apply to changes of the changelog and to config keys, too.
    let keys = repository.imax(&["plan", "--config-keys", "toy-fp8-*", "--conc", "16"]);
    assert_eq!(keys.json()["single_node"]["8k1k"].as_array().unwrap().len(), 2, "{}", keys.stderr);
}

#[test]
fn run_for_a_fork_measures_the_approved_commit_by_the_policy_of_the_base() {
    let (repository, base, _) = diverged();
    repository.write("imax.yaml", "policy:\n  all-evals-label: no-evals-please\n");
    let head = repository.commit("the stranger's own policy");
    let asked = pull_request("", None, &["sweep-enabled"], &base, &head, "stranger/repo")["pull_request"].clone();
    let server = HttpServer::start(move |_, request| {
        Some(match request.path() {
            "/repos/org/repo/pulls/7" => HttpResponse::json(&asked),
            _ => HttpResponse::new(404),
        })
    });
    let github = [("GITHUB_API_URL", server.url.as_str()), ("GITHUB_TOKEN", "t")];
    let dispatched = |approved: &str| {
        let inputs = json!({
            "pull-request": "7", "ref": approved, "base-ref": base, "head-ref": approved, "mode": "trimmed", "all-evals": "true"
        });
        repository.event_with("workflow_dispatch", &json!({ "inputs": inputs }), &github)
    };
    let ran = dispatched(&head);
    assert_eq!((ran.output("run"), ran.output("mode")), ("true", "trimmed"), "{}", ran.stderr);
    assert_eq!(ran.output("head-sha"), head);
    let old = dispatched(&base);
    assert_eq!(old.output("run"), "false", "{}", old.stderr);
    assert!(
        old.output("reason").contains("a push withdraws the approval"),
        "{}",
        old.output("reason")
    );
}

pub fn comment(body: &str) -> Value {
    json!({
        "action": "created", "issue": { "number": 7, "pull_request": {} },
        "comment": { "body": body, "user": { "login": "ann" } }
    })
}

#[test]
fn comment_command_needs_write_access_and_no_fork() {
    let (repository, base, head) = diverged();
    for (permission, head_repository, code, told) in [
        ("write", "org/repo", 0, "ann requested it"),
        ("read", "org/repo", 3, "ann has no write access"),
        ("admin", "stranger/repo", 3, "comes from a fork"),
    ] {
        let asked = pull_request("", None, &["full-sweep-enabled"], &base, &head, head_repository)["pull_request"].clone();
        let server = HttpServer::start(move |_, request| {
            Some(match request.path() {
                "/repos/org/repo/collaborators/ann/permission" => HttpResponse::json(json!({ "permission": permission })),
                "/repos/org/repo/pulls/7" => HttpResponse::json(&asked),
                _ => HttpResponse::new(404),
            })
        });
        let github = [("GITHUB_API_URL", server.url.clone()), ("GITHUB_TOKEN", "t".to_owned())];
        let github = github.each_ref().map(|(name, value)| (*name, value.as_str()));
        let ran = repository.event_with("issue_comment", &comment("/sweep trimmed"), &github);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        match code {
            0 => assert!(
                ran.output("mode") == "trimmed canary-first" && ran.output("reason").contains(told),
                "{:?}",
                ran.outputs
            ),
            _ => assert!(ran.stderr.contains(told), "{}", ran.stderr),
        }
    }
}

#[test]
fn comment_command_without_a_token_is_refused() {
    let (repository, _, _) = diverged();
    assert_eq!(repository.event("issue_comment", &comment("nice")).output("run"), "false");
    let command = repository.event("issue_comment", &comment("/sweep full"));
    assert!(command.code == 3 && command.stderr.contains("github-token"), "{}", command.stderr);
}

#[test]
fn repository_without_changelog_measures_every_push() {
    let repository = Repository::new();
    repository.write("imax.yaml", "policy: { config-keys: ['toy-fp4-*'], release-config-keys: ['*'] }\n");
    let head = repository.commit("settings");
    let pushed = repository.event("push", &push("main", ZEROS, &head));
    assert_eq!((pushed.output("run"), pushed.output("count")), ("true", "1"), "{}", pushed.stderr);
    let release = json!({ "action": "published", "release": { "tag_name": "v1" } });
    let released = repository.event("release", &release);
    // Five measurements, and an evaluation of its own.
    assert_eq!(
        (released.output("run"), released.output("count")),
        ("true", "6"),
        "{}",
        released.stderr
    );
}

#[test]
fn all_configs_are_planned_where_a_file_changed() {
    let repository = Repository::new();
    let rows = |ran: &crate::repository::Ran| ran.json()["single_node"].to_string().matches("exp-name").count();
    let all = repository.imax(&["plan", "--all"]);
    assert_eq!((all.code, rows(&all)), (0, 5), "{}", all.stderr);
    let keys = repository.imax(&["plan", "--config-keys", "toy-fp4-*", "--trim-conc"]);
    assert_eq!((keys.code, rows(&keys)), (0, 1), "{}", keys.stderr);
    let unknown = repository.imax(&["plan", "--config-keys", "nothing-*"]);
    assert_eq!(unknown.code, 3, "{}", unknown.stderr);

    repository.write("src/engine.rs", "// new");
    repository.commit("engine");
    let changed = |glob| repository.imax(&["plan", "--all", "--base-ref", "HEAD^", "--head-ref", "HEAD", "--changed", glob]);
    let source = changed("src/**");
    assert!(rows(&source) == 5 && source.code == 0, "{}", source.stderr);
    let docs = changed("docs/**");
    assert!(docs.code == 0 && rows(&docs) == 0, "{}", docs.stderr);
    assert!(
        docs.stderr.contains("none of the files given by --changed changed"),
        "{}",
        docs.stderr
    );
    let without_revisions = repository.imax(&["plan", "--all", "--changed", "src/**"]);
    assert_eq!(without_revisions.code, 2);
}

/// The runner executes `##[command]` anywhere in a line and `::command::` at the start of one.
#[test]
fn texts_of_a_pull_request_are_no_workflow_commands() {
    let (repository, base, _) = diverged();
    let texts = ["##[add-mask]h100", "##[stop-commands]x", "a\\r::error::b"];
    let entry = format!(
        "- config-keys: [toy-fp8-h100-sim]\n  description: [\"{}\"]\n  pr-link: XXX\n",
        texts.join("\", \"")
    );
    let head = repository.commit_log(&with(LOG, &entry));
    let labels = ["sweep-enabled"];
    let event = pull_request("labeled", Some("sweep-enabled"), &labels, &base, &head, "org/repo");
    let ran = repository.event_with("pull_request", &event, &[("GITHUB_ACTIONS", "true")]);
    assert_eq!(ran.output("run"), "true", "{}", ran.stderr);
    assert_no_command(&format!("{}{}", ran.stdout, ran.stderr));
    // What a program reads is what was written.
    let description = &ran.json()["changelog_metadata"]["entries"][0]["description"];
    assert_eq!(description, &json!(["##[add-mask]h100", "##[stop-commands]x", "a\r::error::b"]));

    let key = "evil:\n  \"x\\n::add-mask::a\\r::stop-commands::b##[error]c\": 1\n";
    repository.write("configs/evil-master.yaml", key);
    for arguments in [
        ["check", "--format", "human"],
        ["check", "--format", "github"],
        ["matrix", "full-sweep", "--no-evals"],
    ] {
        let ran = repository.imax_with(&arguments, &[("GITHUB_ACTIONS", "true")]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert_no_command(&format!("{}{}", ran.stdout, ran.stderr));
    }
    let ran = repository.imax_with(&["matrix", "--x\n::add-mask::y"], &[("GITHUB_ACTIONS", "true")]);
    assert_eq!(ran.code, 2);
    assert_no_command(&ran.stderr);
}

fn assert_no_command(printed: &str) {
    for line in printed.split(['\n', '\r']) {
        let is_annotation = line.starts_with("::error ") || line.starts_with("::warning ");
        assert!(is_annotation || !line.trim_start().starts_with("::"), "{line:?} in {printed}");
        assert!(!line.contains("##["), "{line:?} in {printed}");
    }
}
