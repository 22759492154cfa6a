//! Saved queries: what is told to receivers that fail, hang, redirect or are restarted, and how often.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{Served, ten_nights};
use crate::fixture::Fixture;
use crate::harness::{Finish as _, HttpRequest, HttpResponse, HttpServer, imax, wait_until};
use crate::postgres::Server;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A history with the ten nights, and tokens of it. The runs of the tests are on a branch of their own, with dates of this day.
struct Watched {
    fixture: Fixture,
    history: String,
}

impl Watched {
    fn new(watches: &str) -> Self {
        let fixture = Fixture::new();
        let history = crate::client::sqlite(&fixture);
        Self::of(fixture, history, watches)
    }

    fn of(fixture: Fixture, history: String, watches: &str) -> Self {
        std::fs::write(fixture.path("watches.yaml"), watches).unwrap();
        Self { fixture, history }
    }

    fn watch_command(&self, arguments: &[&str]) -> Command {
        let mut command = imax();
        command
            .arg("watch")
            .args(arguments)
            .env("WATCH_KEY", KEY)
            .current_dir(self.fixture.path("."));
        command
    }

    fn command(&self) -> Command {
        let mut command = imax();
        command
            .args(["serve", "--history", &self.history, "--listen", "127.0.0.1:0", "--rate-limit", "0"])
            .args(["--writes", "--refresh", "1", "--watches"])
            .arg(self.fixture.path("watches.yaml"))
            .env("WATCH_KEY", KEY);
        command
    }

    fn serve(&self) -> Served {
        Served::of(&mut self.command())
    }

    fn bearer(&self, scope: &str) -> String {
        let made = self.fixture.imax(
            &["token", "create", "--history", &self.history, "--name", "t", "--scope", scope],
            &[],
        );
        assert_eq!(made.code, 0, "{}", made.stderr);
        format!("Bearer {}", made.stdout.trim())
    }

    fn ingest(&self, served: &Served, runs: &[Value]) {
        let bearer = self.bearer("ingest");
        let body = json!(runs).to_string();
        let key = format!("k{}", body.len()) + runs[0]["date"].as_str().unwrap();
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", &key)];
        let answer = served.send("POST", "/api/v1/ingest", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The log of messages, the newest first.
    fn deliveries(&self, served: &Served) -> Vec<Value> {
        let bearer = self.bearer("admin");
        let answer = served.send("GET", "/api/v1/deliveries", &[("Authorization", &bearer)], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["data"].as_array().unwrap().clone()
    }

    fn await_ended(&self, served: &Served, count: usize) -> Vec<Value> {
        wait_until("all messages have ended", || {
            let all = self.deliveries(served);
            all.len() == count && all.iter().all(|delivery| delivery["state"] != "pending")
        });
        self.deliveries(served)
    }
}

/// A run of the branch `watched`, an age before now. Its first point failed, if it is to.
fn run(age: TimeDelta, is_failed: bool, scale: f64) -> Value {
    let file = std::fs::read_dir(ten_nights()).unwrap().next().unwrap().unwrap().path();
    let mut run: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let date: DateTime<Utc> = Utc::now() - age;
    run["date"] = json!(date.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    run["branch"] = json!("watched");
    for point in run["run"]["points"].as_array_mut().unwrap() {
        if let Some(throughput) = point["outcome"]["measured"]["tput_per_gpu"].as_f64() {
            point["outcome"]["measured"]["tput_per_gpu"] = json!(throughput * scale);
        }
    }
    if is_failed {
        run["run"]["points"][0]["outcome"] = json!({ "failed": { "class": "server", "reason": "out of memory" } });
    }
    run
}

/// Receivers that answer have much time, so that a busy machine changes nothing; one that never does has a second.
fn watches(receivers: &[(&str, &str)], rest: &str) -> String {
    let mut text = "receivers:\n".to_owned();
    for (name, url) in receivers {
        let bounds = match *name {
            "hanging" => "timeout-s: 1, attempts: 2",
            _ => "timeout-s: 30, attempts: 20",
        };
        text.push_str(&format!(
            "  {name}: {{ url: '{url}/hook', internal: true, secret-env: WATCH_KEY, first-wait-s: 1, {bounds} }}\n"
        ));
    }
    text + rest
}

const FAILED: &str = "watches: [{ name: nightly, branch: watched, when: [failed], to: [team] }]\n";

const FAILED_AND_WEEKLY: &str = "watches: [{ name: nightly, branch: watched, when: [failed], to: [team] }]\n\
    digests: [{ name: weekly, branch: watched, to: [team] }]\n";

/// Ends a server as a crash would.
fn stop(served: Served) {
    served.signal(Signal::SIGKILL);
    drop(served.finish());
}

/// Checks the signature as a receiver does, <https://www.standardwebhooks.com>.
fn verified(request: &HttpRequest) -> Value {
    let id = request.header("webhook-id").unwrap();
    let at: i64 = request.header("webhook-timestamp").unwrap().parse().unwrap();
    assert!((Utc::now().timestamp() - at).abs() < 3600, "{at}");
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(&KEY[6..]).unwrap()).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&request.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(request.header("webhook-signature"), Some(expected.as_str()));
    let body = request.json();
    assert_eq!(body["delivery"], id);
    body
}

#[test]
fn failure_is_told_once_and_its_end_too() {
    // The first attempt is answered with 500.
    let receiver = HttpServer::start(|number, _| Some(HttpResponse::new(if number == 0 { 500 } else { 204 })));
    let watched = Watched::new(&watches(&[("team", &receiver.url)], FAILED));
    let served = watched.serve();
    watched.ingest(&served, &[run(TimeDelta::hours(3), true, 1.0)]);
    let log = watched.await_ended(&served, 1);
    assert_eq!(
        (&log[0]["state"], &log[0]["attempts"], &log[0]["status"]),
        (&json!("delivered"), &json!(2), &json!(204))
    );
    // Another failure of the same point is the same state.
    watched.ingest(&served, &[run(TimeDelta::hours(2), true, 1.0)]);
    watched.ingest(&served, &[run(TimeDelta::hours(1), false, 1.0)]);
    let log = watched.await_ended(&served, 2);
    assert!(
        log.iter()
            .all(|delivery| delivery["state"] == "delivered" && delivery["watch"] == "nightly"),
        "{log:?}"
    );

    let received = receiver.received();
    assert_eq!(received.len(), 3);
    let [first, again, recovered] = [0, 1, 2].map(|at| verified(&received[at]));
    assert_eq!(first, again, "an attempt has the body and name of the one before");
    assert_eq!(
        (&first["schema"], &first["event"]),
        (&json!("imax-event/1"), &json!("state-changed"))
    );
    assert_eq!(first["counts"], json!({ "opened": 1, "still": 0, "recovered": 0 }));
    let state = &first["opened"][0];
    assert_eq!(
        (&state["condition"], &state["reason"]),
        (&json!("failed"), &json!("server: out of memory"))
    );
    assert_eq!(state["key"]["conc"], 4);
    assert_eq!(recovered["counts"], json!({ "opened": 0, "still": 0, "recovered": 1 }));
    assert_eq!(recovered["recovered"][0]["subject"], state["subject"]);

    let metrics = served.get("/metrics").text();
    assert!(
        metrics.contains("imax_deliveries{receiver=\"team\",state=\"delivered\"} 2"),
        "{metrics}"
    );
    let bearer = watched.bearer("ingest");
    for (headers, status) in [(vec![("Authorization", bearer.as_str())], 403), (Vec::new(), 401)] {
        assert_eq!(served.send("GET", "/api/v1/deliveries", &headers, b"").status, status);
    }
    served.signal(Signal::SIGTERM);
    let ended = served.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains(KEY));
}

#[test]
fn decline_of_a_level_is_told_where_it_is_large_enough() {
    let receiver = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let rest = "watches:\n\
        - { name: large, branch: watched, when: [worse], least-change: 0.5, to: [team] }\n\
        - { name: all, branch: watched, when: [worse], metrics: [throughput-per-gpu], to: [team] }\n\
        - { name: others, branch: watched, when: [worse], metrics: [ttft], to: [team] }\n\
        - { name: elsewhere, branch: watched, when: [worse], filters: ['model=other'], to: [team] }\n";
    let watched = Watched::new(&watches(&[("team", &receiver.url)], rest));
    let served = watched.serve();
    let nights: Vec<Value> = (0..12)
        .map(|night| {
            let noise = [1.0, 1.004, 0.997][night % 3];
            let age = TimeDelta::days(12 - i64::try_from(night).unwrap());
            run(age, false, if night < 6 { noise } else { 0.8 * noise })
        })
        .collect();
    watched.ingest(&served, &nights);
    watched.await_ended(&served, 1);
    let body = verified(&receiver.received()[0]);
    assert_eq!((&body["watch"], &body["counts"]["opened"]), (&json!("all"), &json!(3)), "{body}");
    let state = &body["opened"][0];
    assert_eq!(state["metric"], "throughput-per-gpu");
    let relative = state["relative"].as_f64().unwrap();
    assert!((relative + 0.2).abs() < 0.01, "{relative}");
    assert_eq!(state["since"], nights[6]["date"]);
}

#[test]
fn receiver_that_redirects_or_hangs_ends_and_delays_no_other() {
    let elsewhere = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let target = elsewhere.url.clone();
    let redirecting = HttpServer::start(move |_, _| Some(HttpResponse::new(307).header("location", &target)));
    let hanging = HttpServer::start(|_, _| None);
    let refusing = HttpServer::start(|_, _| Some(HttpResponse::new(410)));
    let good = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let receivers = [
        ("hanging", hanging.url.as_str()),
        ("redirecting", &redirecting.url),
        ("refusing", &refusing.url),
        ("good", &good.url),
    ];
    let rest = "watches: [{ name: nightly, branch: watched, to: [hanging, redirecting, refusing, good] }]\n";
    let watched = Watched::new(&watches(&receivers, rest));
    let served = watched.serve();
    watched.ingest(&served, &[run(TimeDelta::hours(1), true, 1.0)]);
    let log = watched.await_ended(&served, 4);
    let ended = |name: &str| log.iter().find(|delivery| delivery["receiver"] == name).unwrap();
    for (name, state, attempts, status, reason) in [
        ("good", "delivered", 1, json!(200), ""),
        ("hanging", "failed", 2, json!(null), "no response within 1 s"),
        ("redirecting", "failed", 1, json!(307), "redirects are not followed"),
        ("refusing", "failed", 1, json!(410), "status 410"),
    ] {
        let found = ended(name);
        assert_eq!(
            (&found["state"], &found["attempts"], &found["status"]),
            (&json!(state), &json!(attempts), &status),
            "{found}"
        );
        assert!(found["reason"].as_str().unwrap_or_default().contains(reason), "{found}");
    }
    assert_eq!(elsewhere.requests(), 0);
}

#[test]
fn message_of_a_killed_server_is_sent_again_by_the_same_name() {
    let receiver = HttpServer::start(|number, _| (number > 0).then(|| HttpResponse::new(200)));
    // What is lost with a server is sent again after its deadline and a few seconds.
    let text = watches(&[("team", &receiver.url)], FAILED).replace("timeout-s: 30", "timeout-s: 3");
    let watched = Watched::new(&text);
    let served = watched.serve();
    watched.ingest(&served, &[run(TimeDelta::hours(1), true, 1.0)]);
    wait_until("the first attempt arrives", || receiver.requests() > 0);
    stop(served);
    let served = watched.serve();
    let log = watched.await_ended(&served, 1);
    assert_eq!(log[0]["state"], "delivered", "{log:?}");
    let received = receiver.received();
    assert!(received.len() > 1);
    for again in &received {
        assert_eq!(verified(again), verified(&received[0]));
    }
}

#[test]
fn state_that_goes_on_is_told_again_after_a_week() {
    let receiver = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let watched = Watched::new(&watches(&[("team", &receiver.url)], FAILED));
    let served = watched.serve();
    watched.ingest(&served, &[run(TimeDelta::hours(2), true, 1.0)]);
    watched.await_ended(&served, 1);
    stop(served);
    execute(&watched.history, "UPDATE watch_state SET told_ms = told_ms - 7 * 86400000");
    let served = watched.serve();
    watched.await_ended(&served, 2);
    let [opened, still] = [0, 1].map(|at| verified(&receiver.received()[at]));
    assert_eq!(still["counts"], json!({ "opened": 0, "still": 1, "recovered": 0 }));
    assert_eq!(still["still"][0]["since"], opened["opened"][0]["since"]);
    assert_ne!(still["delivery"], opened["delivery"]);
}

#[test]
fn host_of_a_private_network_gets_nothing_without_consent() {
    let receiver = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let port = receiver.url.rsplit_once(':').unwrap().1;
    let text = format!("receivers: {{ near: {{ url: 'https://localhost:{port}/hook', secret-env: WATCH_KEY, attempts: 1 }} }}\n");
    let rest = "watches: [{ name: nightly, branch: watched, to: [near] }]\n";
    let watched = Watched::new(&(text + rest));
    let served = watched.serve();
    watched.ingest(&served, &[run(TimeDelta::hours(1), true, 1.0)]);
    let log = watched.await_ended(&served, 1);
    assert_eq!((&log[0]["state"], &log[0]["attempts"]), (&json!("failed"), &json!(1)));
    let reason = log[0]["reason"].as_str().unwrap();
    assert!(reason.contains("localhost has no address of the internet"), "{reason}");

    // A proxy would resolve the name by itself, so the environment's is not asked either.
    let tried = watched
        .watch_command(&["test", "watches.yaml"])
        .env("HTTPS_PROXY", &receiver.url)
        .env("ALL_PROXY", &receiver.url)
        .finish();
    assert_eq!(tried.status.code(), Some(4), "{tried:?}");
    assert_eq!(receiver.requests(), 0);
}

#[test]
fn commands_check_the_file_try_receivers_and_list_what_was_told() {
    let receiver = HttpServer::start(|_, request| Some(HttpResponse::new(if request.path() == "/gone/hook" { 410 } else { 204 })));
    let gone = format!("{}/gone", receiver.url);
    let text = watches(&[("team", &receiver.url), ("gone", &gone)], FAILED);
    let watched = Watched::new(&text);
    let ask = |arguments: &[&str]| {
        let output = watched.watch_command(arguments).finish();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains(KEY) && !text.contains(&receiver.url), "{text}");
        (output.status.code(), text)
    };
    let (code, text) = ask(&["check", "watches.yaml"]);
    assert_eq!((code, text.trim()), (Some(0), "watches.yaml: receivers 2, watches 1, digests 0"));
    assert_eq!(receiver.requests(), 0);
    let (code, text) = ask(&["test", "watches.yaml", "--receiver", "team"]);
    assert_eq!((code, text.trim()), (Some(0), "team: delivered, status 204"));
    assert_eq!(verified(&receiver.received()[0])["event"], "test");
    let (code, text) = ask(&["test", "watches.yaml"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("gone: not delivered, status 410"), "{text}");
    let (code, text) = ask(&["test", "watches.yaml", "--receiver", "tem"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("expected one of gone, team"), "{text}");

    let served = watched.serve();
    let history = watched.history.clone();
    assert_eq!(ask(&["list", "--history", &history]), (Some(0), "no open states\n".to_owned()));
    watched.ingest(&served, &[run(TimeDelta::hours(1), true, 1.0)]);
    watched.await_ended(&served, 1);
    stop(served);
    let (_, text) = ask(&["list", "--history", &history, "--json"]);
    let states: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&states[0]["watch"], &states[0]["condition"]),
        (&json!("nightly"), &json!("failed"))
    );
    let (_, text) = ask(&["deliveries", "--history", &history]);
    assert!(text.contains("nightly") && text.contains("delivered"), "{text}");
}

#[test]
fn two_servers_tell_a_state_once() {
    let receiver = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let watched = Watched::new(&watches(&[("team", &receiver.url)], FAILED_AND_WEEKLY));
    two_servers_tell_a_state_once_of(&watched, &receiver);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn two_servers_tell_a_state_once_in_postgresql() {
    let receiver = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let fixture = Fixture::new();
    let server = Server::start();
    let history = server.database("watching");
    let imported = fixture.imax(&["import", ten_nights().to_str().unwrap(), "--to", &history], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let watched = Watched::of(fixture, history, &watches(&[("team", &receiver.url)], FAILED_AND_WEEKLY));
    two_servers_tell_a_state_once_of(&watched, &receiver);
}

fn two_servers_tell_a_state_once_of(watched: &Watched, receiver: &HttpServer) {
    // Both find the digest due, as soon as they start.
    let served = watched.serve();
    wait_until("the week has begun", || weeks_begun(&watched.history) == 1);
    stop(served);
    execute(
        &watched.history,
        "UPDATE watch_state SET told_ms = told_ms - 2592000000 WHERE condition = 'digest'",
    );
    let (one, other) = (watched.serve(), watched.serve());
    watched.ingest(&one, &[run(TimeDelta::hours(2), true, 1.0)]);
    watched.await_ended(&other, 2);
    watched.ingest(&other, &[run(TimeDelta::hours(1), false, 1.0)]);
    let log = watched.await_ended(&one, 3);
    assert!(log.iter().all(|delivery| delivery["state"] == "delivered"), "{log:?}");
    let told: BTreeSet<String> = receiver
        .received()
        .iter()
        .map(verified)
        .map(|event| event["event"].to_string() + &event["counts"].to_string())
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn digest_of_a_week_tells_what_moved_failed_and_is_old() {
    let receiver = HttpServer::start(|_, _| Some(HttpResponse::new(200)));
    let rest = "digests: [{ name: weekly, branch: watched, to: [team, chat] }]\n";
    let chat = format!("  chat: {{ url: '{}/chat', internal: true, format: slack }}\n", receiver.url);
    let watched = Watched::new(&(watches(&[("team", &receiver.url)], &chat) + rest));
    let served = watched.serve();
    watched.ingest(&served, &[run(TimeDelta::days(20), true, 1.0)]);
    // The first digest begins its week; a month later, as the clock would have it, the next one is due.
    wait_until("the week has begun", || weeks_begun(&watched.history) == 1);
    stop(served);
    execute(
        &watched.history,
        "UPDATE watch_state SET told_ms = told_ms - 2592000000 WHERE condition = 'digest'",
    );
    let served = watched.serve();
    watched.await_ended(&served, 2);
    let received = receiver.received();
    let of_path = |path: &str| received.iter().find(|request| request.path() == path).unwrap();
    let body = verified(of_path("/hook"));
    assert_eq!((&body["event"], &body["watch"]), (&json!("digest"), &json!("weekly")));
    assert_eq!(body["failures"][0]["failed"], 1, "{body}");
    assert_eq!((&body["freshness"][0]["project"], &body["freshness"][0]["age_days"]).0, "default");
    assert_eq!(body["moved"], json!([]));
    let text = of_path("/chat").json()["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains("imax weekly, watched") && text.contains("- failed: 1 of 3 on h100 sim"),
        "{text}"
    );
    assert!(of_path("/chat").header("webhook-signature").is_none());
}

fn weeks_begun(history: &str) -> i64 {
    with_database(history, async |connection| {
        let count = sqlx::query_scalar("SELECT count(*) FROM watch_state WHERE condition = 'digest'");
        count.fetch_one(connection).await.unwrap()
    })
}

fn execute(history: &str, sql: &'static str) {
    with_database(history, async |connection| {
        let done = sqlx::query(sql).execute(connection).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    });
}

fn with_database<T>(history: &str, work: impl AsyncFnOnce(&mut sqlx::AnyConnection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::ConnectOptions as _;
        sqlx::any::install_default_drivers();
        let url = if history.starts_with("postgres:") {
            history.to_owned()
        } else {
            format!("sqlite://{history}")
        };
        let options: sqlx::any::AnyConnectOptions = url.parse().unwrap();
        work(&mut options.connect().await.unwrap()).await
    })
}

#[test]
fn file_that_cannot_be_used_stops_the_start() {
    let watched = Watched::new("receivers: { a: { url: 'https://example.org' } }\n");
    let ended = watched
        .fixture
        .imax(&["serve", "--history", &watched.history, "--watches", "watches.yaml"], &[]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("watches.yaml: receivers.a: events are signed"),
        "{}",
        ended.stderr
    );
    std::fs::write(watched.fixture.path("watches.yaml"), "receivers: {}\n").unwrap();
    let nights = ten_nights();
    let folder = Path::to_str(&nights).unwrap();
    let ended = watched
        .fixture
        .imax(&["serve", "--history", folder, "--watches", "watches.yaml"], &[]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("need a database"), "{}", ended.stderr);
}
