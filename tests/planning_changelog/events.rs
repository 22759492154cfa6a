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
fn fork_needs_a_label_after_its_last_push() {
    let (repository, base, head) = diverged();
    let label = "sweep-enabled";
    let event = |action, set| repository.event("pull_request", &pull_request(action, set, &[label], &base, &head, "stranger/repo"));
    let pushed = event("synchronize", None);
    assert_eq!((pushed.code, pushed.output("run"), pushed.output("count")), (0, "false", "0"));
    assert!(
        pushed.output("reason").contains("comes from a fork") && pushed.summary.contains("No run"),
        "{}",
        pushed.summary
    );
    assert_eq!(event("labeled", Some(label)).output("run"), "true");
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
    repository.write("imax.yaml", "policy:\n  labels: {bug: {mode: full}}\n");
    let head = repository.commit("the stranger's own policy");
    let labelled = |from: &str| {
        let ran = repository.event("pull_request", &pull_request("labeled", Some("bug"), &["bug"], &base, &head, from));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.output("run").to_owned()
    };
    assert_eq!(
        (labelled("org/repo").as_str(), labelled("stranger/repo").as_str()),
        ("true", "false")
    );
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
