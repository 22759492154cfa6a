//! The report of a finished sweep of a fork's pull request: `imax action` as the step of a `workflow_run` workflow, which has a token
//! that may write and nothing of the fork but the run's artifacts.

use serde_json::json;

use crate::fixture::{Ended, Fixture, imax_in, row};
use crate::github::{Github, PullRequest, REPOSITORY, TOKEN};

const RUN: u64 = 16_890_123_456;
const SHA: &str = "ce587453ced02b1526dfb4cb910479d431683101";
const HEAD: &str = "stranger:patch-1";

struct Desk {
    fixture: Fixture,
    github: Github,
}

impl Desk {
    /// A run of the fork's pull request whose artifacts are a plan and one result.
    fn new() -> Self {
        let desk = Self {
            fixture: Fixture::new(),
            github: Github::start(),
        };
        desk.fixture.measured("made", &row(4), 4000.0);
        let agg = desk.fixture.read("made/agg_raw.json");
        let plan = json!({ "single_node": { "1k1k": [row(4)] }, "multi_node": {}, "evals": [] }).to_string();
        {
            let mut state = desk.github.state();
            state.upload(RUN, "imax-plan", &[("plan.json", plan.as_bytes())]);
            state.upload(RUN, "bmk_a", &[("agg_raw.json", agg.as_bytes())]);
        }
        desk
    }

    /// Opens a pull request with this commit.
    fn open(&self, number: u64, head: &'static str, sha: &'static str) {
        self.github.state().pull_requests.push(PullRequest { number, head, sha });
    }

    fn report(&self, event: &str) -> Ended {
        let event = json!({ "action": "completed", "workflow_run": {
            "id": RUN, "event": event, "head_sha": SHA, "head_branch": "patch-1", "conclusion": "success",
            "head_repository": { "full_name": "stranger/octo-repo" }, "pull_requests": []
        } });
        self.fixture.write("event.json", &event.to_string());
        let (folder, api_url) = (self.fixture.path(""), self.github.api_url());
        let temporary = folder.to_string_lossy().into_owned();
        let environment = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", api_url.as_str()),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_WORKFLOW", "report"),
            ("GITHUB_RUN_ID", "99"),
            ("GITHUB_EVENT_NAME", "workflow_run"),
            ("GITHUB_EVENT_PATH", "event.json"),
            ("GITHUB_OUTPUT", "output.txt"),
            ("RUNNER_TEMP", temporary.as_str()),
            ("IMAX_ACTION_COMMAND", "report"),
            ("IMAX_ACTION_BASELINE", "none"),
            ("IMAX_ACTION_CHECK_RUN", "true"),
        ];
        imax_in(&folder, &["action"], &environment)
    }

    fn comments(&self) -> Vec<String> {
        self.github.state().comments.iter().map(|comment| comment.body.clone()).collect()
    }
}

#[test]
fn pull_request_of_a_fork_gets_comment_and_check_run() {
    let desk = Desk::new();
    desk.open(6, "other:patch-1", SHA);
    desk.open(7, HEAD, SHA);
    let ended = desk.report("pull_request");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let comments = desk.comments();
    let [comment] = comments.as_slice() else { panic!("{comments:?}") };
    assert!(comment.contains("the fork stranger/octo-repo"), "{comment}");
    assert!(
        comment.contains(&format!("/actions/runs/{RUN}")),
        "the page is not the measured run's: {comment}"
    );
    let state = desk.github.state();
    assert!(
        state.requests.iter().any(|request| request.ends_with("/issues/7/comments")),
        "{:?}",
        state.requests
    );
    assert_eq!(state.check_runs.len(), 1);
}

#[test]
fn commit_that_no_open_pull_request_has_gets_no_comment() {
    let desk = Desk::new();
    // Pushed to since, and another fork's branch with the same commit.
    desk.open(6, "other:patch-1", SHA);
    desk.open(7, HEAD, "0000000000000000000000000000000000000000");
    let ended = desk.report("pull_request");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("no open pull request has the commit {SHA}")),
        "{}",
        ended.stderr
    );
    assert_eq!(desk.comments(), Vec::<String>::new());
}

#[test]
fn artifacts_name_no_pull_request() {
    let desk = Desk::new();
    desk.open(7, HEAD, SHA);
    let ended = desk.report("push");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(desk.comments(), Vec::<String>::new());
}

#[test]
fn event_without_its_run_is_invalid_input() {
    let desk = Desk::new();
    desk.fixture.write("event.json", r#"{"workflow_run": {"event": "pull_request"}}"#);
    let ended = desk.fixture.imax(
        &["comment", "made"],
        &[
            ("GITHUB_EVENT_PATH", "event.json"),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_TOKEN", TOKEN),
        ],
    );
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("missing field `id`"), "{}", ended.stderr);
}
