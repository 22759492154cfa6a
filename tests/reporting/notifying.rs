//! `imax notify` against receivers that keep what they got, and `imax progress` against a GitHub that keeps state.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::fixture::{Ended, Fixture, failed_job, imax_in, row};
use crate::github::{Author, Github, Job, REPOSITORY, TOKEN};

const KEY: &str = "a key for tests";

async fn notify(fixture: &Fixture, server: &MockServer, arguments: &[&str]) -> Ended {
    let folder = fixture.path("");
    let mut all: Vec<String> = ["notify", "head", "--baseline", "base"].map(str::to_owned).to_vec();
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let uri = server.uri();
    let run = move || {
        let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
        let of = |name: &str| format!("{uri}/{name}/secret-part");
        let (slack, discord, event) = (of("slack"), of("discord"), of("event"));
        let environment = [
            ("IMAX_SLACK_WEBHOOK_URL", slack.as_str()),
            ("IMAX_DISCORD_WEBHOOK_URL", discord.as_str()),
            ("IMAX_WEBHOOK_URL", event.as_str()),
            ("IMAX_WEBHOOK_SECRET", KEY),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_RUN_ID", "77"),
        ];
        imax_in(&folder, &arguments, &environment)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.measured("base/a", &row(4), 4000.0);
    fixture.measured("head/a", &row(4), 3000.0);
    fixture.write(
        "head/b/job.json",
        &failed_job(&row(8), "server", "<!channel> @everyone [x](http://evil.example)").to_string(),
    );
    fixture
}

async fn receiver(faults: u64) -> MockServer {
    let server = MockServer::start().await;
    if faults > 0 {
        let busy = ResponseTemplate::new(429).insert_header("retry-after", "0");
        Mock::given(method("POST"))
            .respond_with(busy)
            .up_to_n_times(faults)
            .with_priority(1)
            .mount(&server)
            .await;
    }
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    server
}

async fn got(server: &MockServer, name: &str) -> (Request, Value) {
    let requests = server.received_requests().await.unwrap();
    let beginning = format!("/{name}/");
    let request = requests
        .into_iter()
        .rfind(|request| request.url.path().starts_with(&beginning))
        .unwrap();
    let body = request.body_json().unwrap();
    (request, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_receiver_gets_its_own_format() {
    let (fixture, server) = (fixture(), receiver(0).await);
    let ended = notify(&fixture, &server, &[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (_, slack) = got(&server, "slack").await;
    let text = slack["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("🔴 *") && text.contains("&lt;!channel&gt;") && !text.contains("<!channel>"),
        "{text}"
    );
    let (_, discord) = got(&server, "discord").await;
    assert_eq!(discord["allowed_mentions"]["parse"], serde_json::json!([]));
    let text = discord["embeds"][0]["description"].as_str().unwrap();
    assert!(text.contains("\\@everyone") && !text.contains("](http"), "{text}");
    let (_, event) = got(&server, "event").await;
    assert_eq!(event["schema"], "imax-event/1");
    assert_eq!((&event["verdict"], &event["failed"][0]["class"]), (&"bad".into(), &"server".into()));
    assert_eq!(event["worse"][0]["point"], "demo fp8 h100 sim 1k1k tp4 conc4");
    assert_eq!(event["run_url"], "https://github.com/octo-org/octo-repo/actions/runs/77");
}

#[tokio::test(flavor = "multi_thread")]
async fn excepted_regression_is_not_notified() {
    let (fixture, server) = (fixture(), receiver(0).await);
    let exception = "{points: '*conc4', reason: known, until: 2999-01-01}";
    fixture.write("imax.yaml", &format!("regressions:\n  exceptions: [{exception}]\n"));
    assert_eq!(notify(&fixture, &server, &[]).await.code, 0);
    let (_, event) = got(&server, "event").await;
    assert_eq!(
        (&event["worse"], &event["failed"][0]["class"]),
        (&serde_json::json!([]), &"server".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_event_is_signed() {
    let (fixture, server) = (fixture(), receiver(0).await);
    assert_eq!(notify(&fixture, &server, &[]).await.code, 0);
    let (request, _) = got(&server, "event").await;
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(&request.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(request.headers["x-imax-signature-256"].to_str().unwrap(), format!("sha256={hex}"));
    assert!(!got(&server, "slack").await.0.headers.contains_key("x-imax-signature-256"));
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_receiver_is_retried_and_a_refusal_does_not_stop_others() {
    let (fixture, server) = (fixture(), receiver(2).await);
    Mock::given(path("/slack/secret-part"))
        .respond_with(ResponseTemplate::new(404))
        .with_priority(2)
        .mount(&server)
        .await;
    let ended = notify(&fixture, &server, &[]).await;
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("slack rejected the message with status 404"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("sent to discord") && ended.stderr.contains("sent to webhook"),
        "{}",
        ended.stderr
    );
    assert!(
        !ended.stderr.contains("secret-part") && !ended.stderr.contains(KEY),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn success_is_not_notified() {
    let (fixture, server) = (Fixture::new(), receiver(0).await);
    fixture.measured("base/a", &row(4), 4000.0);
    fixture.measured("head/a", &row(4), 4000.0);
    for on in ["failure", "regression"] {
        assert_eq!(notify(&fixture, &server, &["--on", on]).await.code, 0);
    }
    assert!(server.received_requests().await.unwrap().is_empty());
    assert_eq!(notify(&fixture, &server, &["--on", "always"]).await.code, 0);
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

async fn progress(fixture: &Fixture, github: &Github) -> Ended {
    let (folder, api_url) = (fixture.path(""), github.api_url());
    let run = move || {
        let environment = [
            ("GITHUB_API_URL", api_url.as_str()),
            ("GITHUB_TOKEN", TOKEN),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_RUN_ID", "77"),
        ];
        imax_in(&folder, &["progress", "--plan", "plan.json", "--pr", "7"], &environment)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn comment_shows_progress_of_the_sweep() {
    let (fixture, github) = (Fixture::new(), Github::start().await);
    let jobs: Vec<Value> = ["one", "two", "three"]
        .map(|name| serde_json::json!({ "name": name, "row": row(4) }))
        .to_vec();
    fixture.write("plan.json", &serde_json::json!({ "jobs": jobs }).to_string());
    let job = |name: &str, status, conclusion, ended| Job {
        name: name.to_owned(),
        status,
        conclusion,
        started: 1_790_000_000,
        ended,
    };
    github.state().jobs = vec![
        job("plan", "completed", Some("success"), Some(1_790_000_010)),
        job("run / batch 1 / one", "completed", Some("success"), Some(1_790_000_600)),
        job("run / batch 1 / two", "completed", Some("failure"), Some(1_790_000_600)),
    ];
    let ended = progress(&fixture, &github).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let body = github.state().comments[0].body.clone();
    assert!(body.starts_with("### 🔴 2 of 3 jobs done, 1 failed\n"), "{body}");
    assert!(body.contains("1 waiting; about 10 min left"), "{body}");
    assert!(body.contains("failed jobs: [two](https://github.example/"), "{body}");
    assert!(body.contains(&imax::testing::run_line(77)), "a retry finds the run: {body}");
    github.state().jobs[2].conclusion = Some("success");
    assert_eq!(progress(&fixture, &github).await.code, 0);
    let state = github.state();
    assert_eq!(state.comments.len(), 1);
    assert!(
        state.comments[0].body.starts_with("### ⏳ 2 of 3 jobs done\n"),
        "{}",
        state.comments[0].body
    );
    assert_eq!(state.comments[0].author, Author::Workflow);
}
