//! `imax comment` against a GitHub that keeps state.

use std::path::Path;

use serde_json::json;

use crate::fixture::{Ended, Fixture, failed_job, imax_in, row};
use crate::github::{Author, Fault, Github, Job, REPOSITORY, TOKEN};

const PULL_REQUEST: u64 = 7;

struct Desk {
    fixture: Fixture,
    github: Github,
}

impl Desk {
    async fn new() -> Self {
        let fixture = Fixture::new();
        fixture.measured("base/a", &row(4), 4000.0);
        fixture.measured("head/a", &row(4), 3000.0);
        fixture.write("event.json", &format!("{{\"pull_request\": {{\"number\": {PULL_REQUEST}}}}}"));
        let github = Github::start();
        Self { fixture, github }
    }

    /// Runs the command as a workflow would, on a thread of its own so that the server's runtime goes on.
    async fn comment(&self, arguments: &[&str]) -> Ended {
        comment(&self.fixture.path(""), &self.github.api_url(), arguments).await
    }

    fn bodies(&self) -> Vec<String> {
        self.github.state().comments.iter().map(|comment| comment.body.clone()).collect()
    }
}

async fn comment(folder: &Path, api_url: &str, arguments: &[&str]) -> Ended {
    comment_with(folder, api_url, arguments, &[]).await
}

/// The same with more variables.
async fn comment_with(folder: &Path, api_url: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let more: Vec<(String, String)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let folder = folder.to_owned();
    let api_url = api_url.to_owned();
    let mut all = vec!["comment".to_owned(), "head".to_owned(), "--compare".to_owned(), "base".to_owned()];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let run = move || {
        let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut environment = vec![
            ("GITHUB_API_URL", api_url.as_str()),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_WORKFLOW", "Sweep"),
            ("GITHUB_RUN_ID", "1"),
            ("GITHUB_EVENT_PATH", "event.json"),
        ];
        environment.extend(more.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        imax_in(&folder, &arguments, &environment)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn fault(status: u16, headers: &[(&'static str, &'static str)], message: &'static str) -> Fault {
    Fault {
        status,
        headers: headers.to_vec(),
        message,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn second_comment_updates_the_first() {
    let desk = Desk::new().await;
    desk.github.state().add(PULL_REQUEST, Author::Person, "looks good");
    assert_eq!(desk.comment(&[]).await.code, 0);
    desk.fixture.measured("head/a", &row(4), 5600.0);
    let ended = desk.comment(&[]).await;
    assert!(ended.stderr.starts_with("updated https://github.example/"), "{}", ended.stderr);
    let bodies = desk.bodies();
    assert_eq!(bodies.len(), 2, "{bodies:#?}");
    let mut lines = bodies[1].lines();
    assert_eq!(lines.next(), Some("### 🟢 1 better (1 point)"));
    assert!(bodies[1].trim_end().ends_with(" -->"), "{}", bodies[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_reason_links_to_its_job() {
    let desk = Desk::new().await;
    desk.fixture
        .write("head/b/job.json", &failed_job(&row(8), "server", "it died").to_string());
    let jobs = [4, 8].map(|conc| json!({ "name": format!("conc {conc}"), "row": row(conc) }));
    desk.fixture.write("plan.json", &json!({ "jobs": jobs }).to_string());
    let job = |name: &str, conclusion| Job {
        name: name.to_owned(),
        status: "completed",
        conclusion: Some(conclusion),
        started: 1_790_000_000,
        ended: Some(1_790_000_600),
    };
    desk.github.state().jobs = vec![
        job("plan", "success"),
        job("run / batch 1 / conc 4", "success"),
        job("run / batch 1 / conc 8", "failure"),
    ];
    let ended = desk.comment(&["--plan", "plan.json"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let linked = "| server | [it died](https://github.example/octo-org/octo-repo/actions/runs/1/job/2) |";
    assert!(desk.bodies()[0].contains(linked), "{}", desk.bodies()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_workflow_has_its_own_comment() {
    let desk = Desk::new().await;
    for id in ["one", "two", "one"] {
        assert_eq!(desk.comment(&["--id", id]).await.code, 0);
    }
    assert_eq!(desk.bodies().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn comment_of_a_person_with_the_marker_is_not_changed() {
    let desk = Desk::new().await;
    assert_eq!(desk.comment(&[]).await.code, 0);
    let stolen = desk.bodies()[0].clone();
    desk.github.state().comments.clear();
    desk.github.state().add(PULL_REQUEST, Author::Person, &stolen);
    assert_eq!(desk.comment(&[]).await.code, 0);
    assert_eq!(desk.bodies().len(), 2);
    assert_eq!(desk.bodies()[0], stolen);
}

#[tokio::test(flavor = "multi_thread")]
async fn comment_is_found_on_a_later_page() {
    let desk = Desk::new().await;
    for number in 0..250 {
        desk.github.state().add(PULL_REQUEST, Author::Person, &format!("comment {number}"));
    }
    for _ in 0..2 {
        assert_eq!(desk.comment(&[]).await.code, 0);
    }
    assert_eq!(desk.bodies().len(), 251);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_jobs_leave_one_comment() {
    let desk = Desk::new().await;
    desk.github.state().blind_until_created = 2;
    let (one, two) = tokio::join!(desk.comment(&[]), desk.comment(&[]));
    assert_eq!((one.code, two.code), (0, 0), "{} {}", one.stderr, two.stderr);
    let posts = desk
        .github
        .state()
        .requests
        .iter()
        .filter(|request| request.starts_with("POST"))
        .count();
    assert_eq!(posts, 2, "the test wants both to create");
    assert_eq!(desk.bodies().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_errors_are_retried() {
    let desk = Desk::new().await;
    desk.github.state().faults.extend([
        fault(502, &[], "Server Error"),
        fault(429, &[("retry-after", "0")], "too many"),
        fault(403, &[("retry-after", "0")], "You have exceeded a secondary rate limit"),
    ]);
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(desk.bodies().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limit_beyond_the_deadline_fails_at_once() {
    let desk = Desk::new().await;
    desk.github
        .state()
        .faults
        .push_back(fault(429, &[("retry-after", "3600")], "later"));
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.contains("for another 3600 s"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_write_permission_is_explained_with_yaml() {
    let desk = Desk::new().await;
    desk.github.state().read_only = true;
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 2);
    for words in [
        "Resource not accessible by integration",
        "permissions:\n",
        "pull-requests: write",
        "workflow_run",
    ] {
        assert!(ended.stderr.contains(words), "{words:?} not in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn comment_over_the_size_limit_is_cut_with_a_notice() {
    let desk = Desk::new().await;
    let one = desk.fixture.json("head/a/agg_raw.json");
    let of = |number: usize| {
        let mut document = one.clone();
        document["imax"]["point"]["curve"]["model-prefix"] = format!("model-with-a-long-name-{}", number / 6).into();
        document["imax"]["point"]["conc"] = (number % 6 + 1).into();
        document
    };
    let documents: Vec<_> = (0..1200).map(of).collect();
    desk.fixture.write("head/agg_bmk.json", &serde_json::to_string(&documents).unwrap());
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let body = desk.bodies().remove(0);
    assert!(body.len() <= 65_536 && body.len() > 50_000, "{}", body.len());
    assert!(
        body.contains("tables do not fit here; see the job summary"),
        "no notice about the cut"
    );
    assert!(body.trim_end().ends_with(" -->"), "the marker is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_without_a_pull_request_posts_no_comment() {
    let desk = Desk::new().await;
    desk.fixture.write("event.json", "{\"ref\": \"refs/heads/main\"}");
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 0);
    assert!(ended.stderr.contains("no pull request in this event"), "{}", ended.stderr);
    assert!(desk.github.state().requests.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_token_is_a_notice_and_the_summary() {
    let desk = Desk::new().await;
    desk.github.state().read_only = true;
    let outside = desk.comment(&[]).await;
    assert_eq!(outside.code, 2, "{}", outside.stderr);
    let summary = desk.fixture.path("summary.md");
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let inside = comment_with(&desk.fixture.path(""), &desk.github.api_url(), &[], &variables).await;
    assert_eq!(inside.code, 0, "{}", inside.stderr);
    assert!(
        inside.stderr.contains("::notice title=imax::no comment: GitHub refused"),
        "{}",
        inside.stderr
    );
    assert!(
        desk.fixture.read("summary.md").contains("worse"),
        "{}",
        desk.fixture.read("summary.md")
    );
    assert!(desk.bodies().is_empty());
}
