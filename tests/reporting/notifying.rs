//! `imax notify` against receivers that keep what they got, and `imax progress` against a GitHub that keeps state.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::fixture::{Ended, Fixture, failed_job, imax_in, row};
use crate::github::{Author, Github, Job, REPOSITORY, TOKEN};
use crate::harness::{HttpRequest, HttpResponse, HttpServer};

const KEY: &str = "a key for tests";

async fn notify(fixture: &Fixture, server: &HttpServer, arguments: &[&str]) -> Ended {
    let folder = fixture.path("");
    let mut all: Vec<String> = ["notify", "head", "--baseline", "base"].map(str::to_owned).to_vec();
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let uri = server.url.clone();
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

/// A server that takes every message.
fn receiver() -> HttpServer {
    HttpServer::start(|_, _| Some(HttpResponse::new(204)))
}

fn got(server: &HttpServer, name: &str) -> (HttpRequest, Value) {
    let beginning = format!("/{name}/");
    let request = server
        .received()
        .into_iter()
        .rfind(|request| request.path().starts_with(&beginning))
        .unwrap();
    let body = request.json();
    (request, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_receiver_gets_its_own_format() {
    let (fixture, server) = (fixture(), receiver());
    let ended = notify(&fixture, &server, &[]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (_, slack) = got(&server, "slack");
    let text = slack["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("🔴 *") && text.contains("&lt;!channel&gt;") && !text.contains("<!channel>"),
        "{text}"
    );
    let (_, discord) = got(&server, "discord");
    assert_eq!(discord["allowed_mentions"]["parse"], serde_json::json!([]));
    let text = discord["embeds"][0]["description"].as_str().unwrap();
    assert!(text.contains("\\@everyone") && !text.contains("](http"), "{text}");
    let (_, event) = got(&server, "event");
    assert_eq!(event["schema"], "imax-event/1");
    assert_eq!((&event["verdict"], &event["failed"][0]["class"]), (&"bad".into(), &"server".into()));
    assert_eq!(event["worse"][0]["point"], "demo fp8 h100 sim 1k1k tp4 conc4");
    assert_eq!(event["run_url"], "https://github.com/octo-org/octo-repo/actions/runs/77");
}

#[tokio::test(flavor = "multi_thread")]
async fn excepted_regression_is_not_notified() {
    let (fixture, server) = (fixture(), receiver());
    let exception = "{points: '*conc4', reason: known, until: 2999-01-01}";
    fixture.write("imax.yaml", &format!("regressions:\n  exceptions: [{exception}]\n"));
    assert_eq!(notify(&fixture, &server, &[]).await.code, 0);
    let (_, event) = got(&server, "event");
    assert_eq!(
        (&event["worse"], &event["failed"][0]["class"]),
        (&serde_json::json!([]), &"server".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_event_is_signed() {
    let (fixture, server) = (fixture(), receiver());
    assert_eq!(notify(&fixture, &server, &[]).await.code, 0);
    let (request, _) = got(&server, "event");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(&request.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(request.header("x-imax-signature-256"), Some(format!("sha256={hex}").as_str()));
    assert!(got(&server, "slack").0.header("x-imax-signature-256").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_receiver_is_retried_and_a_refusal_does_not_stop_others() {
    let server = HttpServer::start(|number, request| match request.path() {
        _ if number < 2 => Some(HttpResponse::new(429).header("retry-after", "0")),
        "/slack/secret-part" => Some(HttpResponse::new(404)),
        _ => Some(HttpResponse::new(204)),
    });
    let fixture = fixture();
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
    let (fixture, server) = (Fixture::new(), receiver());
    fixture.measured("base/a", &row(4), 4000.0);
    fixture.measured("head/a", &row(4), 4000.0);
    for on in ["failure", "regression"] {
        assert_eq!(notify(&fixture, &server, &["--on", on]).await.code, 0);
    }
    assert!(server.received().is_empty());
    assert_eq!(notify(&fixture, &server, &["--on", "always"]).await.code, 0);
    assert_eq!(server.requests(), 3);
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
    let (fixture, github) = (Fixture::new(), Github::start());
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
