//! The check run with the comment's verdict, labels and permissions, against a GitHub that keeps state.

use imax::testing::Permission;
use imax::testing::{Client, ClientSettings, RepositoryName, add_label, labels, permission_of, remove_label};

use crate::fixture::{Ended, Fixture, failed_job, imax_in, row};
use crate::github::{Github, REPOSITORY, TOKEN};

const SHA: &str = "ce587453ced02b1526dfb4cb910479d431683101";

struct Desk {
    fixture: Fixture,
    github: Github,
}

impl Desk {
    async fn new() -> Self {
        let fixture = Fixture::new();
        fixture.measured("base/a", &row(4), 4000.0);
        fixture.measured("head/a", &row(4), 3000.0);
        let event = format!("{{\"pull_request\": {{\"number\": 7, \"head\": {{\"sha\": \"{SHA}\"}}}}}}");
        fixture.write("event.json", &event);
        let github = Github::start();
        Self { fixture, github }
    }

    async fn comment(&self, arguments: &[&str]) -> Ended {
        let folder = self.fixture.path("");
        let api_url = self.github.api_url();
        let mut all: Vec<String> = ["comment", "head", "--baseline", "base", "--check-run"].map(str::to_owned).to_vec();
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let run = move || {
            let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
            let environment = [
                ("GITHUB_API_URL", api_url.as_str()),
                ("GITHUB_TOKEN", TOKEN),
                ("GITHUB_REPOSITORY", REPOSITORY),
                ("GITHUB_WORKFLOW", "Sweep"),
                ("GITHUB_EVENT_PATH", "event.json"),
                ("GITHUB_SHA", "the merge commit, which nobody looks at"),
                ("GITHUB_SERVER_URL", "https://github.example"),
                ("GITHUB_RUN_ID", "16890123456"),
            ];
            imax_in(&folder, &arguments, &environment)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_run_agrees_with_the_comment() {
    let desk = Desk::new().await;
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let state = desk.github.state();
    let check = &state.check_runs[0];
    assert_eq!((check.name.as_str(), check.head_sha.as_str()), ("Sweep", SHA));
    assert_eq!((check.status.as_str(), check.conclusion.as_deref()), ("completed", Some("failure")));
    let comment = &state.comments[0].body;
    assert_eq!(comment.lines().next().unwrap(), format!("### 🔴 {}", check.title));
    assert_eq!(check.annotations.len(), 1);
    assert_eq!(check.annotations[0]["annotation_level"], "warning");
    assert_eq!(check.annotations[0]["path"], "perf-changelog.yaml");
    let run = "https://github.example/octo-org/octo-repo/actions/runs/16890123456";
    assert!(
        comment.contains(&format!("[workflow run]({run}) · [artifacts]({run}#artifacts)")),
        "{comment}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_check_run_is_not_reused() {
    let desk = Desk::new().await;
    assert_eq!(desk.comment(&[]).await.code, 0);
    assert_eq!(desk.comment(&[]).await.code, 0);
    {
        let mut state = desk.github.state();
        assert_eq!(state.check_runs.len(), 2, "annotations cannot be taken away from the first");
        state.check_runs[1].status = "in_progress".to_owned();
    }
    assert_eq!(desk.comment(&[]).await.code, 0);
    assert_eq!(desk.github.state().check_runs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_over_the_request_limit_are_sent_in_batches() {
    let desk = Desk::new().await;
    for conc in 100..220 {
        let record = failed_job(&row(conc), "server", "CUDA out of memory");
        desk.fixture.write(&format!("head/{conc}/job.json"), &record.to_string());
    }
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let state = desk.github.state();
    let check = &state.check_runs[0];
    assert_eq!(check.annotations.len(), 100);
    assert_eq!(check.annotations[0]["annotation_level"], "failure");
    assert!(check.summary.contains("and 70 more"), "{}", check.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_checks_permission_is_explained_with_yaml() {
    let desk = Desk::new().await;
    desk.github.state().read_only = true;
    let ended = desk.comment(&[]).await;
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("permissions:\n") && ended.stderr.contains("checks: write"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_added_and_removed() {
    let github = Github::start();
    let (client, repository) = client(&github);
    add_label(&client, &repository, 7, "sweep done").await.unwrap();
    add_label(&client, &repository, 7, "sweep done").await.unwrap();
    assert_eq!(labels(&client, &repository, 7).await.unwrap(), ["sweep done"]);
    for _ in 0..2 {
        remove_label(&client, &repository, 7, "sweep done").await.unwrap();
    }
    assert!(labels(&client, &repository, 7).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn write_permission_is_read() {
    let github = Github::start();
    let (client, repository) = client(&github);
    for (login, permission) in [
        ("octocat", Permission::Write),
        ("stranger", Permission::Read),
        ("a/b", Permission::Read),
    ] {
        assert_eq!(permission_of(&client, &repository, login).await.unwrap(), permission, "{login}");
    }
}

fn client(github: &Github) -> (Client, RepositoryName) {
    let settings = ClientSettings::from_environment(|name| match name {
        "GITHUB_API_URL" => Some(github.api_url()),
        "GITHUB_TOKEN" => Some(TOKEN.to_owned()),
        _ => None,
    });
    (Client::new(&settings.unwrap()).unwrap(), RepositoryName::parse(REPOSITORY).unwrap())
}
