//! Reuse at merge: what a pull request measured is published when it is merged, on a maintainer's word.

use serde_json::{Value, json};

use crate::events::pull_request;
use crate::harness::{HttpResponse, HttpServer};
use crate::repository::{LOG, Ran, Repository, entry, with};
use crate::retry::{collected, zipped};

const RUN: u64 = 41;
const WORKFLOW: &str = "org/repo/.github/workflows/benchmark.yml@refs/heads/main";

/// A pull request that was measured and merged.
struct Merged {
    repository: Repository,
    /// The main branch before and after the merge.
    before: String,
    commit: String,
    /// The pull request's measured commit.
    head: String,
    plan: String,
    results: String,
    /// An evaluated row of the plan.
    evaluated: Value,
    /// Rows that are measured.
    points: usize,
}

impl Merged {
    fn new() -> Self {
        let repository = Repository::new();
        let before = repository.git.head().unwrap().target().unwrap().to_string();
        let log = with(LOG, &entry("toy-fp8-h100-sim", "https://github.com/org/repo/pull/7"));
        repository.branch("fix", &before);
        let head = repository.commit_log(&log);
        let planned = repository.imax(&[
            "plan",
            "--base-ref",
            &before,
            "--head-ref",
            &head,
            "--plan-file",
            ".git/pr/plan.json",
        ]);
        let rows = planned.json()["single_node"]["8k1k"].as_array().unwrap().clone();
        let evaluated = planned.json()["evals"][0].clone();
        collected(&repository, &rows);
        let (plan, results) = (repository.read(".git/pr/plan.json"), repository.read(".git/results/agg_bmk.json"));
        repository.checkout("main");
        let commit = repository.commit_log(&log);
        Self {
            repository,
            before,
            commit,
            head,
            plan,
            results,
            evaluated,
            points: rows.len(),
        }
    }

    /// The push of the merge, on the GitHub that `facts` describes.
    fn push(&self, facts: &Facts) -> Ran {
        let server = self.github(facts);
        let event = json!({
            "ref": "refs/heads/main", "before": self.before, "after": self.commit,
            "repository": { "default_branch": "main" }, "head_commit": { "message": "merge" }
        });
        let variables = [
            ("GITHUB_API_URL", server.url.as_str()),
            ("GITHUB_TOKEN", "t"),
            ("GITHUB_WORKFLOW_REF", WORKFLOW),
        ];
        let path = self.repository.path(".git/event.json");
        std::fs::write(&path, event.to_string()).unwrap();
        let more = [("GITHUB_EVENT_NAME", "push"), ("GITHUB_EVENT_PATH", path.to_str().unwrap())];
        let arguments = ["plan", "--event", "--plan-file", ".git/out/plan.json"];
        self.repository.imax_with(&arguments, &[&variables[..], &more].concat())
    }

    fn github(&self, facts: &Facts) -> HttpServer {
        let Facts {
            comment,
            permission,
            label,
            ref later,
            conclusion,
        } = *facts;
        let (head, commit) = (self.head.clone(), self.commit.clone());
        let newest = later.map_or_else(|| head.clone(), |_| "f".repeat(40));
        let merged = json!([{
            "number": 7, "merged_at": "2026-11-30T00:00:00Z", "merge_commit_sha": commit, "labels": [{ "name": label }],
            "base": { "ref": "main", "sha": self.before }, "head": { "ref": "fix", "sha": newest }
        }]);
        let mut commits = vec![json!({ "sha": head, "parents": [{}] })];
        commits.extend(later.map(|_| json!({ "sha": newest, "parents": [{}] })));
        let changed = json!({ "files": [{ "filename": later.unwrap_or_default() }] });
        let comments = json!([{ "id": 1, "body": comment, "user": { "login": "ann", "type": "User" } }]);
        let run = json!({
            "id": RUN, "head_sha": head, "event": "pull_request", "conclusion": conclusion, "path": ".github/workflows/benchmark.yml",
            "head_branch": "fix"
        });
        let files = [
            ("imax-plan", "plan.json", self.plan.clone()),
            ("results_bmk", "agg_bmk.json", self.results.clone()),
            ("eval_a", "meta_env.json", "{}".to_owned()),
            (
                "job_a",
                "job.json",
                json!({ "row": self.evaluated, "outcome": { "status": "ok" } }).to_string(),
            ),
        ];
        let listed: Vec<Value> = (1..)
            .zip(&files)
            .map(|(id, (name, ..))| json!({ "id": id, "name": name, "expired": false }))
            .collect();
        let archives: Vec<Vec<u8>> = files.iter().map(|(_, name, text)| zipped(name, text)).collect();
        HttpServer::start(move |_, request| {
            let path = request.path().strip_prefix("/repos/org/repo/").unwrap_or_default().to_owned();
            let is = |expected: String| path == expected;
            if let Some(id) = path.strip_prefix("actions/artifacts/").and_then(|rest| rest.strip_suffix("/zip")) {
                let index: usize = id.parse().unwrap();
                return Some(HttpResponse::new(200).body("application/zip", archives[index - 1].clone()));
            }
            Some(match path.as_str() {
                "issues/7/comments" => HttpResponse::json(&comments),
                "collaborators/ann/permission" => HttpResponse::json(json!({ "permission": permission })),
                "pulls/7/commits" => HttpResponse::json(json!(commits)),
                "actions/runs/41" => HttpResponse::json(&run),
                "actions/runs/41/artifacts" => HttpResponse::json(json!({ "artifacts": listed })),
                "actions/workflows/benchmark.yml/runs" if conclusion == "success" => HttpResponse::json(json!({ "workflow_runs": [run] })),
                "actions/workflows/benchmark.yml/runs" => HttpResponse::json(json!({ "workflow_runs": [] })),
                _ if is(format!("commits/{commit}/pulls")) => HttpResponse::json(&merged),
                _ if is(format!("commits/{newest}")) => HttpResponse::json(&changed),
                _ if is(format!("commits/{head}")) => HttpResponse::json(json!({ "files": [{ "filename": "configs/toy-master.yaml" }] })),
                _ => HttpResponse::new(404),
            })
        })
    }
}

/// What GitHub knows besides the pull request.
struct Facts {
    comment: &'static str,
    permission: &'static str,
    label: &'static str,
    /// The file that a commit after the measured one changes.
    later: Option<&'static str>,
    conclusion: &'static str,
}

const ASKED: Facts = Facts {
    comment: "/reuse-sweep-run",
    permission: "write",
    label: "full-sweep-enabled",
    later: None,
    conclusion: "success",
};

#[test]
fn measured_points_are_published_and_not_measured_again() {
    let merged = Merged::new();
    let ran = merged.push(&ASKED);
    assert_eq!(
        (ran.code, ran.output("count"), ran.output("report")),
        (0, "0", "true"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.output("reused-run"), "41");
    let told = format!(
        "Results of run 41 of pull request 7 are published for {0} of {0} points and 1 of 1 evaluations",
        merged.points
    );
    assert!(ran.output("reason").contains(&told), "{}", ran.output("reason"));
    // The plan's artifact has them for the report, which covers the whole plan.
    let repository = &merged.repository;
    assert_eq!(repository.read(".git/out/earlier/eval_0/meta_env.json"), "{}");
    let report = repository.imax(&["collect", ".git/out", "--plan", ".git/out/plan.json", "--out", ".git/collected"]);
    assert!(report.stderr.contains(&format!("{0} of {0}", merged.points)), "{}", report.stderr);
}

#[test]
fn points_whose_config_changed_since_are_measured() {
    let merged = Merged::new();
    // The newest state of the main branch has another image for one of the two configs' curves.
    let repository = &merged.repository;
    let configs = repository
        .read("configs/toy-master.yaml")
        .replace("{ tp: 2, conc-list: [16] }", "{ tp: 2, ep: 2, conc-list: [16] }");
    repository.write("configs/toy-master.yaml", &configs);
    let ran = merged.push(&ASKED);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.output("reason").contains("are published for 3 of 4 points"),
        "{}",
        ran.output("reason")
    );
    assert_eq!(ran.output("count"), "1", "{}", ran.stderr);
}

#[test]
fn without_a_maintainers_word_everything_is_measured() {
    let merged = Merged::new();
    for facts in [
        Facts { comment: "nice", ..ASKED },
        Facts {
            permission: "read",
            ..ASKED
        },
    ] {
        let ran = merged.push(&facts);
        assert_eq!(
            (ran.code, ran.output("count"), ran.output("reused-run")),
            (0, "5", ""),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn results_of_an_older_commit_are_refused_unless_only_the_log_changed() {
    let merged = Merged::new();
    let of = |facts: Facts| merged.push(&facts);
    let log = of(Facts {
        later: Some("perf-changelog.yaml"),
        ..ASKED
    });
    assert_eq!((log.code, log.output("count")), (0, "0"), "{}", log.stderr);
    for (facts, told) in [
        (
            Facts {
                later: Some("benchmarks/toy.sh"),
                ..ASKED
            },
            "a commit after it changes more than the changelog",
        ),
        (
            Facts {
                label: "sweep-enabled",
                ..ASKED
            },
            "exactly one label of a full sweep",
        ),
        (
            Facts {
                conclusion: "failure",
                ..ASKED
            },
            "no successful run of `fix` has results",
        ),
        (
            Facts {
                comment: "/reuse-sweep-run 42",
                ..ASKED
            },
            "there is no run 42",
        ),
    ] {
        let ran = of(facts);
        assert!(ran.code == 3 && ran.stderr.contains(told), "{}: {}", ran.code, ran.stderr);
        assert!(ran.summary.contains("Refused: Pull request 7 has the comment"), "{}", ran.summary);
    }
    // A named run may have failed: what it did not measure is measured now.
    let pinned = of(Facts {
        comment: "/reuse-sweep-run 41",
        conclusion: "failure",
        ..ASKED
    });
    assert_eq!((pinned.code, pinned.output("count")), (0, "0"), "{}", pinned.stderr);
}

#[test]
fn push_to_a_pull_request_whose_results_are_reused_measures_nothing() {
    let merged = Merged::new();
    merged.repository.checkout("fix");
    let server = merged.github(&ASKED);
    let variables = [("GITHUB_API_URL", server.url.as_str()), ("GITHUB_TOKEN", "t")];
    let pushed = |labels: &[&str]| {
        let event = pull_request("synchronize", None, labels, &merged.before, &merged.head, "org/repo");
        merged.repository.event_with("pull_request", &event, &variables)
    };
    let ran = pushed(&["full-sweep-enabled"]);
    assert_eq!(ran.output("run"), "false", "{}", ran.stderr);
    assert!(
        ran.output("reason").contains("A maintainer has commented `/reuse-sweep-run`"),
        "{}",
        ran.output("reason")
    );
    assert_eq!(pushed(&["sweep-enabled"]).output("run"), "true");
}
