//! Writes: what they store, who may, and what of them is logged.

use serde_json::{Value, json};

use crate::client::{Answer, Served, send_to, ten_nights};
use crate::fixture::{Fixture, row};
use crate::harness::imax;
use crate::postgres::Server;

/// A history with a server that writes to it.
pub struct Written {
    pub fixture: Fixture,
    pub history: String,
    pub served: Served,
}

impl Written {
    pub fn sqlite() -> Self {
        let fixture = Fixture::new();
        let history = crate::client::sqlite(&fixture);
        Self::of(fixture, history)
    }

    fn of(fixture: Fixture, history: String) -> Self {
        let served = Served::start(&history, &["--writes"]);
        Self { fixture, history, served }
    }

    /// A token, by the arguments after its history.
    pub fn token(&self, arguments: &[&str]) -> String {
        let mut line = vec!["token", "create", "--history", &self.history, "--name", "jane"];
        line.extend(arguments);
        let ended = self.fixture.imax(&line, &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.trim().to_owned()
    }

    pub fn post(&self, path: &str, token: &str, key: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        if !key.is_empty() {
            headers.push(("Idempotency-Key", key));
        }
        self.served.send("POST", path, &headers, body)
    }

    fn run(&self, date: &str, branch: &str) -> Value {
        run_of(date, branch)
    }

    fn count(&self) -> usize {
        self.served.json("/api/v1/runs")["data"].as_array().unwrap().len()
    }
}

/// A run as `imax export` writes it, of another date.
pub fn run_of(date: &str, branch: &str) -> Value {
    let file = std::fs::read_dir(ten_nights()).unwrap().next().unwrap().unwrap().path();
    let mut run: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    run["date"] = json!(date);
    run["branch"] = json!(branch);
    run
}

fn ingest_is_stored_once(written: &Written) {
    let token = written.token(&["--scope", "ingest"]);
    let before = written.count();
    let run = written.run("2026-12-01T05:00:00Z", "main").to_string();
    let first = written.post("/api/v1/ingest", &token, "a1", run.as_bytes());
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.json()["runs"], json!({ "new": 1, "unchanged": 0, "revised": 0 }));
    let again = written.post("/api/v1/ingest", &token, "a1", run.as_bytes());
    assert_eq!(
        (again.status, again.json()),
        (200, first.json()),
        "the same key has the same answer"
    );
    let other_key = written.post("/api/v1/ingest", &token, "a2", run.as_bytes());
    assert_eq!(other_key.json()["runs"], json!({ "new": 0, "unchanged": 1, "revised": 0 }));
    let misused = written.post("/api/v1/ingest", &token, "a1", b"{}");
    assert_eq!(misused.status, 422);
    assert_eq!(written.count(), before + 1);
    let verified = written.fixture.imax(&["history", "verify", "--history", &written.history], &[]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
}

#[test]
fn ingest_is_stored_once_in_sqlite() {
    ingest_is_stored_once(&Written::sqlite());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn ingest_through_two_servers_is_stored_once_in_postgresql() {
    let fixture = Fixture::new();
    let server = Server::start();
    let history = server.database("writing");
    let imported = fixture.imax(&["import", ten_nights().to_str().unwrap(), "--to", &history], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let written = Written::of(fixture, history);
    ingest_is_stored_once(&written);
    let other = Served::start(&written.history, &["--writes"]);
    let token = written.token(&["--scope", "ingest"]);
    let bearer = format!("Bearer {token}");
    let before = written.count();
    // Two writers at the same time, each with runs of its own and one in common.
    let runs: Vec<String> = (2..8)
        .map(|day| written.run(&format!("2026-12-{day:02}T05:00:00Z"), "main").to_string())
        .collect();
    std::thread::scope(|scope| {
        for (address, runs, name) in [(&written.served.address, &runs[..4], "one"), (&other.address, &runs[2..], "other")] {
            let bearer = &bearer;
            scope.spawn(move || {
                for (number, run) in runs.iter().enumerate() {
                    let key = format!("{name}-{number}");
                    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key.as_str())];
                    let answer = send_to(address, "POST", "/api/v1/ingest", &headers, run.as_bytes());
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    assert_eq!(written.count(), before + 6);
    assert_eq!(other.json("/api/v1/runs"), written.served.json("/api/v1/runs"));
}

/// A document names its branch itself, and which run it is: a run that is there may be of another branch.
#[test]
fn token_of_a_branch_does_not_correct_runs_of_another() {
    let written = Written::sqlite();
    let all = written.token(&["--scope", "ingest"]);
    let of_feature = written.token(&["--scope", "ingest", "--branch", "feature"]);
    let run = |branch: &str, attempt: u32| {
        let mut run = written.run("2026-12-01T05:00:00Z", branch);
        run["run_id"] = json!("123");
        run["context"] = json!({ "provider": "github", "repository": "octo/bench", "attempt": attempt });
        run.to_string()
    };
    let stored = written.post("/api/v1/ingest", &all, "1", run("main", 1).as_bytes());
    assert_eq!(stored.status, 200, "{}", stored.text());
    for (key, attempt) in [("2", 1), ("3", 2)] {
        let refused = written.post("/api/v1/ingest", &of_feature, key, run("feature", attempt).as_bytes());
        assert_eq!(refused.status, 403, "attempt {attempt}: {}", refused.text());
    }
    let runs = written.served.json("/api/v1/runs?branch=main&limit=1");
    assert_eq!(runs["data"][0]["run_id"], "123", "{runs}");
    let metrics = written.served.get("/metrics").text();
    for line in [
        "imax_ingests_total{result=\"stored\"} 1",
        "imax_ingests_total{result=\"refused\"} 2",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[test]
fn invalid_document_stores_nothing_and_names_the_fault() {
    let written = Written::sqlite();
    let token = written.token(&["--scope", "ingest"]);
    let before = written.count();
    let mut odd = written.run("2026-12-02T05:00:00Z", "main");
    odd["run"]["points"][1]["key"]["curve"]["offload"] = json!("cpu");
    let list = json!([written.run("2026-12-01T05:00:00Z", "main"), odd]).to_string();
    for (body, words) in [
        (list.as_bytes(), "[1].run.points[1]: the key has an unknown dimension `offload`"),
        (b"{".as_slice(), "invalid history file"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "invalid history file"),
    ] {
        let answer = written.post("/api/v1/ingest", &token, "k", body);
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    assert_eq!(written.post("/api/v1/ingest", &token, "", b"{}").status, 400, "a key is needed");
    assert_eq!(written.count(), before);
}

#[test]
fn token_without_scope_of_another_project_expired_or_forged_is_refused() {
    let written = Written::sqlite();
    let run = written.run("2026-12-01T05:00:00Z", "main").to_string();
    let before = written.count();
    let revoked = written.token(&["--scope", "ingest"]);
    let listed = written
        .fixture
        .imax(&["token", "list", "--history", &written.history, "--json"], &[]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert!(!listed.to_string().contains(&revoked), "the list has no token");
    assert_eq!(
        written.post("/api/v1/ingest", &revoked, "before", b"{}").status,
        422,
        "it is valid before"
    );
    let number = listed[0]["id"].to_string();
    let ended = written
        .fixture
        .imax(&["token", "revoke", &number, "--history", &written.history], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let forged = format!("imax_{}", "A".repeat(43));
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let annotating = written.token(&["--scope", "annotate"]);
    let elsewhere = written.token(&["--scope", "ingest", "--project", "other"]);
    let of_branch = written.token(&["--scope", "ingest", "--branch", "release"]);
    let expired = written.token(&["--scope", "ingest"]);
    expire(&written, 5);
    for (token, status) in [
        (revoked.as_str(), 401),
        (&forged, 401),
        (unsigned, 401),
        (&expired, 401),
        ("", 401),
        (&annotating, 403),
        (&of_branch, 403),
    ] {
        let answer = written.post("/api/v1/ingest", token, "k", run.as_bytes());
        assert_eq!(answer.status, status, "{token}: {}", answer.text());
        if status == 401 {
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        }
    }
    assert_eq!(written.count(), before);
    // A run that names no project is of the token's; one that names another is refused.
    let mut named = written.run("2026-12-01T05:00:00Z", "main");
    named["context"] = json!({ "project": "default" });
    assert_eq!(
        written.post("/api/v1/ingest", &elsewhere, "k", named.to_string().as_bytes()).status,
        403
    );
    assert_eq!(written.post("/api/v1/ingest", &elsewhere, "k2", run.as_bytes()).status, 200);
    assert_eq!(
        written.served.json("/api/v1/runs?project=other")["data"].as_array().unwrap().len(),
        1
    );
    let retract = written.token(&["--scope", "review", "--project", "other"]);
    let answer = written.post("/api/v1/runs/1/retract", &retract, "", br#"{"reason":"x"}"#);
    assert_eq!(answer.status, 403, "{}", answer.text());
}

/// Lets a token expire, as the time would.
fn expire(written: &Written, id: i64) {
    let sql = format!("UPDATE token SET expires_ms = 1 WHERE id = {id}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use sqlx::{ConnectOptions as _, Executor as _};
        sqlx::any::install_default_drivers();
        let options: sqlx::any::AnyConnectOptions = format!("sqlite://{}", written.history).parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        let changed = connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
    });
}

#[test]
fn people_correct_and_the_log_tells() {
    let written = Written::sqlite();
    let token = written.token(&["--scope", "annotate", "--scope", "review"]);
    let note = json!({ "text": "new driver", "kind": "change", "filters": ["conc=64"], "link": "https://example.org/1" });
    let made = written.post("/api/v1/annotations", &token, "", note.to_string().as_bytes());
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_i64().unwrap();
    let shown = written.served.json("/api/v1/annotations");
    assert_eq!(
        (&shown["data"][0]["text"], &shown["data"][0]["author"]),
        (&json!("new driver"), &json!("jane"))
    );
    for wrong in [
        json!({ "text": "" }),
        json!({ "text": "x", "link": "javascript:alert(1)" }),
        json!({ "text": "x", "filters": ["colour=red"] }),
        json!({ "text": "x", "kind": "odd" }),
        json!({ "text": "x", "author": "somebody else" }),
    ] {
        let answer = written.post("/api/v1/annotations", &token, "", wrong.to_string().as_bytes());
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text());
    }
    assert_eq!(
        written.post(&format!("/api/v1/annotations/{id}/withdraw"), &token, "", b"").status,
        200
    );
    assert_eq!(
        written.post(&format!("/api/v1/annotations/{id}/withdraw"), &token, "", b"").status,
        404
    );

    let reason = br#"{"reason":"throttled"}"#;
    assert_eq!(written.post("/api/v1/runs/10/retract", &token, "", reason).status, 200);
    assert_eq!(written.post("/api/v1/runs/10/retract", &token, "", reason).status, 409);
    assert_eq!(written.count(), 9);
    assert_eq!(written.post("/api/v1/runs/10/restore", &token, "", b"").status, 200);
    assert_eq!(written.post("/api/v1/runs/99/retract", &token, "", reason).status, 404);
    assert_eq!(written.count(), 10);

    let bearer = |token: &str| format!("Bearer {token}");
    let refused = written
        .served
        .send("GET", "/api/v1/audit", &[("Authorization", &bearer(&token))], b"");
    assert_eq!(refused.status, 403);
    assert_eq!(written.served.get("/api/v1/audit").status, 401);
    let admin = written.token(&["--scope", "admin"]);
    let log = written
        .served
        .send("GET", "/api/v1/audit", &[("Authorization", &bearer(&admin))], b"")
        .json();
    let entries: Vec<(&str, i64)> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), entry["status"].as_i64().unwrap()))
        .collect();
    let expected = [
        ("retract", 404),
        ("restore", 200),
        ("retract", 409),
        ("retract", 200),
        ("withdraw", 404),
        ("withdraw", 200),
        ("annotate", 422),
    ];
    assert_eq!(entries[..7], expected);
    assert_eq!((entries.len(), entries[11]), (12, ("annotate", 201)));
    assert_eq!(
        (&log["data"][0]["name"], &log["data"][0]["address"]),
        (&json!("jane"), &json!("127.0.0.1"))
    );
    assert!(!log.to_string().contains("imax_"), "no token is logged");
}

#[test]
fn server_without_the_flag_and_files_take_no_writes() {
    let fixture = Fixture::new();
    let history = crate::client::sqlite(&fixture);
    let served = Served::start(&history, &[]);
    let answer = served.send("POST", "/api/v1/ingest", &[("Idempotency-Key", "k")], b"{}");
    assert_eq!(answer.status, 403, "{}", answer.text());
    let nights = ten_nights();
    let ended = fixture.imax(
        &[
            "serve",
            "--history",
            nights.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
            "--writes",
        ],
        &[],
    );
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("kept in files"), "{}", ended.stderr);
}

#[test]
fn closed_reads_need_a_token() {
    let fixture = Fixture::new();
    let history = crate::client::sqlite(&fixture);
    let mut command = imax();
    command.args(["serve", "--history", &history, "--listen", "127.0.0.1:0", "--closed"]);
    let closed = Served::of(&mut command);
    for path in ["/api/v1/runs", "/api/v1/points.csv", "/metrics"] {
        assert_eq!(closed.get(path).status, 401, "{path}");
    }
    assert_eq!(closed.get("/healthz").status, 200);
    let made = fixture.imax(
        &["token", "create", "--history", &history, "--name", "reader", "--scope", "annotate"],
        &[],
    );
    let bearer = format!("Bearer {}", made.stdout.trim());
    let answer = closed.send("GET", "/api/v1/runs", &[("Authorization", &bearer)], b"");
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private, no-cache")));
    // What was kept for a reader with a token is not given to one without.
    assert_eq!(closed.get("/api/v1/runs").status, 401);
}

#[test]
fn body_beyond_the_bound_is_refused() {
    let fixture = Fixture::new();
    let history = crate::client::sqlite(&fixture);
    let served = Served::start(&history, &["--writes", "--body-limit", "1000"]);
    let made = fixture.imax(
        &["token", "create", "--history", &history, "--name", "jane", "--scope", "ingest"],
        &[],
    );
    let bearer = format!("Bearer {}", made.stdout.trim());
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "k")];
    let answer = served.send("POST", "/api/v1/ingest", &headers, &[b' '; 2000]);
    assert_eq!(answer.status, 413, "{}", answer.head);
    let head = format!(
        "POST /api/v1/ingest HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunked = [head.as_bytes(), b"7d0\r\n", &[b' '; 2000], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(served.raw(&chunked).status, 413);
}

#[test]
fn points_of_artifacts_and_of_an_ingest_are_the_same() {
    let written = Written::sqlite();
    written.fixture.measured("run/4", &row(4), 4000.0);
    let collected = ["collect", "run", "--out", "out", "--history", "nights", "--commit", "abc"];
    let ended = written.fixture.imax(&collected, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let file = std::fs::read_dir(written.fixture.path("nights"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let token = written.token(&["--scope", "ingest"]);
    let answer = written.post("/api/v1/ingest", &token, "k", &std::fs::read(file).unwrap());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = written.served.json("/api/v1/points?commit=abc&fields=conc,tput_per_gpu");
    assert_eq!(found["data"], json!([{ "conc": 4, "tput_per_gpu": 1000.0 }]));
}
