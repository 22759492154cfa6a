//! report.yml as a repository calls it from its default branch, run by `act`: the finished sweep of a fork's pull request is reported with
//! the base's token, from the run's artifacts alone.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::act;
use crate::fixture::{Fixture, row};
use crate::github::{Github, PullRequest, REPOSITORY, TOKEN};
use crate::harness::{Finish as _, imax};
use crate::release::{Release, SLUG, released_program};
use crate::text;

const RUN: u64 = 16_890_123_456;
const SHA: &str = "ce587453ced02b1526dfb4cb910479d431683101";

/// The caller of report.yml's own header, pinned to the release's last commit.
fn caller(release: &Release) -> String {
    format!(
        "name: report\non:\n  workflow_run: {{ workflows: [benchmark], types: [completed] }}\npermissions: {{}}\njobs:\n  report:\n    \
         uses: {SLUG}/.github/workflows/report.yml@{}\n    with: {{ check-run: true }}\n    \
         permissions: {{ contents: read, actions: read, pull-requests: write, checks: write }}\n",
        release.last_commit()
    )
}

/// A repository whose only workflow is the reporter.
fn repository(folder: &Path, release: &Release) {
    let made = imax().args(["demo", "--repository-only", "--dir"]).arg(folder).finish();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let workflows = folder.join(".github/workflows");
    fs::remove_dir_all(&workflows).unwrap();
    fs::create_dir(&workflows).unwrap();
    fs::write(workflows.join("report.yml"), caller(release)).unwrap();
}

fn finished_run(head_repository: &str) -> Value {
    json!({
        "action": "completed",
        "workflow_run": {
            "id": RUN, "event": "pull_request", "head_sha": SHA, "head_branch": "patch-1", "conclusion": "success",
            "head_repository": { "full_name": head_repository }, "pull_requests": []
        },
        "repository": { "full_name": REPOSITORY, "default_branch": "main" }
    })
}

/// GitHub with a run of the fork: a plan, one result, and an artifact whose file would leave the folder.
fn github() -> Github {
    let fixture = Fixture::new();
    fixture.measured("made", &row(4), 4000.0);
    let agg = fixture.read("made/agg_raw.json");
    let plan = json!({ "single_node": { "1k1k": [row(4)] }, "multi_node": {}, "evals": [] }).to_string();
    let github = Github::start();
    let mut state = github.state();
    state.upload(RUN, "imax-plan", &[("plan.json", plan.as_bytes())]);
    state.upload(RUN, "bmk_a", &[("agg_raw.json", agg.as_bytes())]);
    state.upload(RUN, "server_logs_b", &[("../../configs/hardware.yaml", b"hostile")]);
    state.pull_requests.push(PullRequest {
        number: 7,
        head: "stranger:patch-1",
        sha: SHA,
    });
    drop(state);
    github
}

fn report(user: &Path, release: &Release, github: &Github, event: &Value, artifacts: &Path) -> String {
    let arguments = [
        format!("--env=GITHUB_API_URL={}", github.api_url()),
        format!("--env=GITHUB_REPOSITORY={REPOSITORY}"),
        format!("--secret=GITHUB_TOKEN={TOKEN}"),
    ];
    act::run(release, user, ("workflow_run", event), artifacts, &arguments)
}

#[test]
#[ignore = "needs git, act and node; IMAX_ACT_ACTIONS names the folder that tests/act/build.sh made"]
fn sweep_of_a_fork_is_reported_from_the_default_branch() {
    let folder = tempfile::tempdir().unwrap();
    let release = Release::make(&released_program());
    let (user, artifacts) = (folder.path().join("user"), folder.path().join("artifacts"));
    repository(&user, &release);
    let github = github();

    // A sweep of the repository's own branch has reported itself.
    report(&user, &release, &github, &finished_run(REPOSITORY), &artifacts);
    assert!(github.state().requests.is_empty(), "{:?}", github.state().requests);

    let log = report(&user, &release, &github, &finished_run("stranger/octo-repo"), &artifacts);
    let state = github.state();
    let [comment] = state.comments.as_slice() else { panic!("{log}") };
    assert!(comment.body.contains("the fork stranger/octo-repo"), "{}", comment.body);
    assert!(comment.body.contains(&format!("/actions/runs/{RUN}")), "{}", comment.body);
    assert_eq!(state.check_runs.len(), 1, "{log}");
    assert_eq!(state.tokens_leaked, 0);
    assert!(log.contains("server_logs_b"), "the refused artifact is not named: {log}");
    assert!(artifacts.join("1/imax-results/imax-results.zip").exists(), "{log}");
}
