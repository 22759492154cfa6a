//! Checks every request to GitHub, and every response of our stand-in, against GitHub's published OpenAPI description: Prism is a
//! proxy between the two and refuses what the description does not allow. `IMAX_OPENAPI` is the folder that
//! `tests/github/openapi/build.sh` fills.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use imax::testing::{Client, ClientSettings, RepositoryName, add_label, labels, newest_run, permission_of, remove_label};

use crate::fixture::{Ended, Fixture, imax_in, row};
use crate::github::{Github, Job, REPOSITORY, Race, TOKEN, WorkflowRun};

const SHA: &str = "ce587453ced02b1526dfb4cb910479d431683101";
const RUN: u64 = 16_890_123_456;

/// The proxy, stopped with the test.
struct Prism {
    process: Child,
    url: String,
}

impl Drop for Prism {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Prism {
    fn start(upstream: &str) -> Self {
        let tools = std::env::var("IMAX_OPENAPI").expect("IMAX_OPENAPI names the folder that tests/github/openapi/build.sh filled");
        let tools = Path::new(&tools);
        let port = imax::testing::free_port().unwrap();
        let description = tools.join("node_modules/@octokit/openapi/generated/api.github.com.json");
        let mut process = Command::new(tools.join("node_modules/.bin/prism"))
            .arg("proxy")
            .arg(description)
            .args([upstream, "--errors", "--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains("Prism is listening")),
            "prism ended before it listened"
        );
        // A pipe that nobody reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{port}");
        Self { process, url }
    }
}

/// The event of a finished run of a fork, which no pull request has.
const FORK_EVENT: &str = r#"{"workflow_run": {"id": 1, "event": "pull_request", "head_sha": "ce587453ced02b1526dfb4cb910479d431683101",
    "head_branch": "a b&c", "head_repository": {"full_name": "stranger/octo-repo"}, "pull_requests": []}}"#;

async fn imax(fixture: &Fixture, url: &str, arguments: &[&str]) -> Ended {
    let (folder, url) = (fixture.path(""), url.to_owned());
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let cache = fixture.path("cache");
    let run = move || {
        let run = RUN.to_string();
        let environment = [
            ("GITHUB_API_URL", url.as_str()),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_WORKFLOW", "Sweep"),
            ("GITHUB_RUN_ID", run.as_str()),
            ("GITHUB_EVENT_PATH", "event.json"),
            ("XDG_CACHE_HOME", cache.to_str().unwrap()),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        imax_in(&folder, &arguments, &environment)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prism"]
async fn requests_and_responses_match_githubs_openapi_description() {
    let (fixture, github) = (Fixture::new(), Github::start());
    fixture.measured("base/a", &row(4), 4000.0);
    fixture.measured("head/a", &row(4), 3000.0);
    fixture.write(
        "plan.json",
        &serde_json::json!({ "jobs": [{ "name": "one", "row": row(4) }] }).to_string(),
    );
    fixture.write("event.json", FORK_EVENT);
    {
        let mut state = github.state();
        let agg = fixture.read("head/a/agg_raw.json");
        state.upload(RUN, "bmk_a", &[("agg_raw.json", agg.as_bytes())]);
        state.workflow_runs.push(WorkflowRun {
            id: RUN,
            branch: "main",
            event: "push",
            conclusion: "success",
            head_repository: REPOSITORY,
        });
        state.jobs.push(Job {
            name: "run / one".to_owned(),
            status: "in_progress",
            conclusion: None,
            started: 1_790_000_000,
            ended: None,
        });
    }
    let upstream = github.bare_url();
    let prism = tokio::task::spawn_blocking(move || Prism::start(&upstream)).await.unwrap();
    let comment = ["comment", "head", "--baseline", "base", "--pr", "7", "--check-run", "--sha", SHA];
    let run = RUN.to_string();
    for arguments in [
        vec!["progress", "--plan", "plan.json", "--pr", "7"],
        comment.to_vec(),
        comment.to_vec(),
        vec!["comment", "head"],
        // The list only: Prism follows the redirect to the blob store itself, and so never shows the documented 302.
        vec!["collect", "--run-id", &run, "--artifact", "none", "--out", "results"],
    ] {
        let ended = imax(&fixture, &prism.url, &arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
    }
    let publish = |run: &'static str| {
        let name = [
            "publish",
            "head",
            "--to",
            "branch",
            "--commit",
            SHA,
            "--run-id",
            run,
            "--attempt",
            "1",
        ];
        name.into_iter().chain(["--date", "2999-01-01T05:00:00Z"]).collect::<Vec<_>>()
    };
    for (arguments, races) in [
        (vec!["report", "head", "--baseline", "history:branch"], 0),
        (publish("1"), 1),
        (publish("2"), 1),
        (vec!["import", "base/a/old.json", "--to", "branch"], 0),
        (vec!["history", "list", "--history", "branch"], 0),
        (vec!["history", "list", "--history", "branch", "--as-of", "2999-01-01T00:00:00Z"], 0),
        (vec!["history", "verify", "--history", "branch"], 0),
    ] {
        if arguments[0] == "import" {
            // Packs a month: files are removed in the same tree.
            let listed = imax(&fixture, &prism.url, &["export", "--history", "branch", "--format", "json"]).await;
            let old = listed
                .stdout
                .replace("2999-01-01", "2020-01-01")
                .replace("\"run_id\":\"1\"", "\"run_id\":\"3\"");
            fixture.write("base/a/old.json", &old);
        }
        github.state().git.races = vec![Race::Push; races];
        let ended = imax(&fixture, &prism.url, &arguments).await;
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(github.state().git.refusals, 2);
    let settings = ClientSettings::from_environment(|name| match name {
        "GITHUB_API_URL" => Some(prism.url.clone()),
        "GITHUB_TOKEN" => Some(TOKEN.to_owned()),
        _ => None,
    });
    let (client, repository) = (Client::new(&settings.unwrap()).unwrap(), RepositoryName::parse(REPOSITORY).unwrap());
    assert!(newest_run(&client, &repository, Some("sweep.yml"), "main").await.unwrap().is_some());
    assert!(newest_run(&client, &repository, None, "main").await.unwrap().is_some());
    permission_of(&client, &repository, "octocat").await.unwrap();
    add_label(&client, &repository, 7, "sweep done").await.unwrap();
    assert_eq!(labels(&client, &repository, 7).await.unwrap(), ["sweep done"]);
    remove_label(&client, &repository, 7, "sweep done").await.unwrap();
}
