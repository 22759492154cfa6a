//! `imax approve`: a maintainer's label on a fork's pull request dispatches a sweep; and the runners that jobs ask for.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::events::{diverged, pull_request};
use crate::harness::{HttpResponse, HttpServer};
use crate::repository::{Ran, Repository};

const LABEL: &str = "full-sweep-enabled";

/// What was written to GitHub, each with its path.
type Written = Arc<Mutex<Vec<(String, Value)>>>;

/// A GitHub with a pull request from a fork at the commit `now`, which keeps what is written to it.
fn github(permission: &'static str, base: &str, now: &str) -> (HttpServer, Written) {
    let current = pull_request("", None, &[LABEL], base, now, "stranger/repo")["pull_request"].clone();
    let written = Written::default();
    let log = Arc::clone(&written);
    let server = HttpServer::start(move |_, request| {
        let path = request.path().to_owned();
        if request.method() == "POST" {
            log.lock().unwrap().push((path.clone(), request.json()));
        }
        Some(match path.as_str() {
            "/user" => HttpResponse::json(json!({ "login": "bot", "type": "Bot" })),
            "/repos/org/repo/collaborators/ann/permission" => HttpResponse::json(json!({ "permission": permission })),
            "/repos/org/repo/pulls/7" => HttpResponse::json(&current),
            "/repos/org/repo/actions/workflows/benchmark.yml/dispatches" => HttpResponse::new(204),
            "/repos/org/repo/issues/7/comments" if request.method() == "GET" => HttpResponse::json(json!([])),
            "/repos/org/repo/issues/7/comments" => HttpResponse::json(json!({ "id": 1, "html_url": "u", "body": "b" })).status(201),
            _ => HttpResponse::new(404),
        })
    });
    (server, written)
}

fn approve(repository: &Repository, server: &HttpServer, payload: &Value) -> Ran {
    let mut payload = payload.clone();
    payload["repository"] = json!({ "default_branch": "main" });
    let path = repository.path(".git/event.json");
    std::fs::write(&path, payload.to_string()).unwrap();
    let variables = [
        ("GITHUB_API_URL", server.url.as_str()),
        ("GITHUB_TOKEN", "t"),
        ("GITHUB_ACTOR", "ann"),
        ("GITHUB_EVENT_NAME", "pull_request_target"),
        ("GITHUB_EVENT_PATH", path.to_str().unwrap()),
    ];
    repository.imax_with(&["approve", "--workflow", "benchmark.yml"], &variables)
}

#[test]
fn label_of_a_maintainer_dispatches_exactly_the_labelled_commit() {
    let (repository, base, head) = diverged();
    let (server, written) = github("write", &base, &head);
    let labelled = pull_request("labeled", Some(LABEL), &[LABEL], &base, &head, "stranger/repo");
    let ran = approve(&repository, &server, &labelled);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let written = written.lock().unwrap();
    let (path, body) = &written[0];
    assert!(
        path.ends_with("/benchmark.yml/dispatches") && body["ref"] == "main",
        "{path} {body}"
    );
    let inputs = &body["inputs"];
    assert_eq!(
        (&inputs["ref"], &inputs["head-ref"], &inputs["pull-request"]),
        (&json!(head), &json!(head), &json!("7"))
    );
    assert_eq!((&inputs["mode"], &inputs["canary"]), (&json!("full"), &json!("true")));
    let comment = written[1].1["body"].as_str().unwrap();
    assert!(comment.contains(&format!("ann has approved {head}")), "{comment}");
    // The dispatched run takes these inputs.
    drop(repository.event_with(
        "workflow_dispatch",
        &json!({ "inputs": inputs }),
        &[("GITHUB_API_URL", server.url.as_str()), ("GITHUB_TOKEN", "t")],
    ));
}

#[test]
fn nothing_is_dispatched_without_write_access_or_for_an_older_commit() {
    let (repository, base, head) = diverged();
    let labelled = pull_request("labeled", Some(LABEL), &[LABEL], &base, &head, "stranger/repo");
    for (permission, now, told) in [
        ("triage", &head, "ann has no write access"),
        ("write", &base, "remove the label and set it again"),
    ] {
        let (server, written) = github(permission, &base, now);
        let ran = approve(&repository, &server, &labelled);
        assert!(ran.code == 3 && ran.stderr.contains(told), "{}: {}", ran.code, ran.stderr);
        assert!(written.lock().unwrap().is_empty() && ran.summary.contains(told), "{}", ran.summary);
    }
    let (server, written) = github("write", &base, &head);
    let own = pull_request("labeled", Some(LABEL), &[LABEL], &base, &head, "org/repo");
    let ran = approve(&repository, &server, &own);
    assert!(ran.code == 0 && ran.stderr.contains("Nothing dispatched"), "{}", ran.stderr);
    assert!(written.lock().unwrap().is_empty());
}

const PRIORITIES: &str = "\
version: 1
base-score: 1.0
adjustments:
  event: { push: 2.0, workflow_dispatch: 0.5 }
  precision: { fp4: 0.75 }
labels:
  skip-queue: { name: skip_queue }
  patchwork: { names: [ci-patchwork], score: 0.0, waived-by: [] }
";

fn items(ran: &Ran) -> Vec<Value> {
    let matrix: Value = serde_json::from_str(ran.output("matrix")).unwrap();
    matrix["include"].as_array().unwrap().clone()
}

#[test]
fn jobs_ask_for_labels_and_for_the_runner_of_their_priority() {
    let repository = Repository::new();
    let inputs = |labels: &str| json!({ "inputs": { "config-keys": "toy-fp4-*", "pr-labels-json": labels } });
    let plain = repository.event("workflow_dispatch", &inputs("[]"));
    assert_eq!(items(&plain)[0]["runs-on"], json!(["h100"]), "{}", plain.stderr);

    repository.write("configs/ci-priority.yaml", PRIORITIES);
    repository.write(
        "imax.yaml",
        "queue: { labels: [self-hosted, linux], priorities: configs/ci-priority.yaml }\n",
    );
    let scored = repository.event("workflow_dispatch", &inputs("[]"));
    let item = &items(&scored)[0];
    assert_eq!(item["runs-on"], json!(["self-hosted", "linux", "h100"]));
    let queue = item["queue"].as_str().unwrap();
    assert!(
        queue.starts_with("ci-job-2.250-") && queue.len() == "ci-job-2.250-".len() + 32,
        "{queue}"
    );
    assert!(item["name"].as_str().unwrap().starts_with("p2.250 | toy fp4"), "{item}");
    let changed_engine = repository.event("workflow_dispatch", &inputs(r#"["ci-patchwork"]"#));
    assert!(items(&changed_engine)[0]["queue"].as_str().unwrap().starts_with("ci-job-0.000-"));

    repository.write("configs/ci-priority.yaml", "version: 1\nbase-scor: 1\n");
    let wrong = repository.event("workflow_dispatch", &inputs("[]"));
    assert!(
        wrong.code == 3 && wrong.stderr.contains("base-scor"),
        "{}: {}",
        wrong.code,
        wrong.stderr
    );
}

#[test]
fn fleet_names_the_labels_without_an_online_runner() {
    let repository = Repository::new();
    let fleet = |status: &'static str| {
        let server = HttpServer::start(move |_, request| {
            let runner = json!({ "name": "h100-box_0", "status": status, "busy": status == "online", "labels": [{ "name": "h100" }] });
            Some(match request.path() {
                "/orgs/org/actions/runner-groups" => HttpResponse::json(json!({ "runner_groups": [] })),
                "/repos/org/repo/actions/runners" => HttpResponse::json(json!({ "total_count": 1, "runners": [runner] })),
                "/repos/org/repo/actions/runs" => HttpResponse::json(json!({ "workflow_runs": [{ "id": 5 }] })),
                "/repos/org/repo/actions/runs/5/jobs" => HttpResponse::json(json!({
                    "jobs": [{ "name": "sweep / toy", "status": "in_progress", "runner_name": "h100-box_0" }]
                })),
                _ => HttpResponse::new(404),
            })
        });
        let variables = [("GITHUB_API_URL", server.url.as_str()), ("GH_TOKEN", "t")];
        let table = repository.imax_with(&["doctor", "--fleet"], &variables);
        let json = repository.imax_with(&["doctor", "--fleet", "--format", "json"], &variables);
        (table, json)
    };
    let (table, json) = fleet("online");
    assert_eq!((table.code, json.code), (0, 0), "{}", table.stderr);
    assert!(table.stdout.contains("h100-box_0  busy     h100  sweep / toy"), "{}", table.stdout);
    assert_eq!(json.json()["runners"][0]["job"], "sweep / toy");

    let (table, json) = fleet("offline");
    assert_eq!((table.code, json.code), (4, 4), "{}", table.stderr);
    assert!(
        table
            .stdout
            .contains("no online runner for h100 (1 offline): toy-fp8-h100-sim, toy-fp4-h100-sim"),
        "{}",
        table.stdout
    );
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["without_runner"][0]["label"], "h100");
}

#[test]
fn fleet_has_the_runners_that_the_organisation_shares() {
    let repository = Repository::new();
    let server = HttpServer::start(move |_, request| {
        let runner = json!({ "name": "shared_3", "status": "online", "busy": false, "labels": [{ "name": "h100" }] });
        Some(match request.path() {
            "/orgs/org/actions/runner-groups" if request.query("visible_to_repository").as_deref() == Some("repo") => {
                HttpResponse::json(json!({ "runner_groups": [{ "id": 4 }] }))
            }
            "/orgs/org/actions/runner-groups/4/runners" => HttpResponse::json(json!({ "runners": [runner] })),
            "/repos/org/repo/actions/runners" => HttpResponse::json(json!({ "runners": [] })),
            "/repos/org/repo/actions/runs" => HttpResponse::json(json!({ "workflow_runs": [] })),
            _ => HttpResponse::new(404),
        })
    });
    let ran = repository.imax_with(
        &["doctor", "--fleet"],
        &[("GITHUB_API_URL", server.url.as_str()), ("GH_TOKEN", "t")],
    );
    assert!(
        ran.code == 0 && ran.stdout.contains("shared_3  idle"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
}

#[test]
fn runner_of_another_label_is_refused() {
    let repository = Repository::new();
    let run = |runner: &str| repository.imax(&["run", "--config-key", "toy-fp4-h100-sim", "--runner-name", runner, "--dry-run"]);
    let wrong = run("mi300x-box_0");
    assert_eq!(wrong.code, 3, "{}", wrong.stderr);
    assert!(
        wrong
            .stderr
            .contains("runner mi300x-box_0 fits no node of the row's label h100, expected one of h100-box_0"),
        "{}",
        wrong.stderr
    );
    // Another node of the same site is right, and what else the row lacks is another finding.
    for runner in ["h100-box_0", "h100-box_9"] {
        assert!(!run(runner).stderr.contains("fits no node"), "{runner}");
    }
}

#[test]
fn older_names_of_flags_are_understood() {
    let repository = Repository::new();
    let files = [
        "--master-config",
        "configs/toy-master.yaml",
        "--runners-config",
        "configs/runners.yaml",
    ];
    for (more, rows) in [
        (&["--model", "toy-fp4"][..], 1),
        (&["--framework", "sim"], 5),
        (&["--runner", "h100"], 5),
    ] {
        let arguments = [&["matrix", "full-sweep", "--no-evals"], &files[..], more].concat();
        let ran = repository.imax(&arguments);
        assert_eq!(ran.json().as_array().unwrap().len(), rows, "{more:?}: {}", ran.stderr);
    }
}
