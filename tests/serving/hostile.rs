//! Clients that mean harm: injection, oversized and slow requests. Others are answered meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::client::{Answer, Served, sqlite};
use crate::fixture::Fixture;
use crate::harness::DEADLINE;

/// What breaks statements, headers, paths, terminals and parsers elsewhere.
const INJECTIONS: [&str; 14] = [
    "' OR '1'='1",
    "'; DROP TABLE point; --",
    "\" UNION SELECT payload FROM quarantine --",
    "1) OR 1=1 --",
    "$1",
    "%",
    "\\",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "\u{202e}evil",
    "9223372036854775808",
    "NaN",
];

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn injected_text_selects_nothing_or_is_refused_and_changes_nothing() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &[]);
    let before = served.get("/api/v1/points").body;
    for text in INJECTIONS {
        let text = encoded(text);
        for target in [
            format!("/api/v1/points?branch={text}"),
            format!("/api/v1/points?commit={text}&image={text}&project={text}"),
            format!("/api/v1/points?filter=model%3D{text}"),
            format!("/api/v1/points?fields={text}"),
            format!("/api/v1/points?sort={text}"),
            format!("/api/v1/points?cursor={text}"),
            format!("/api/v1/runs?branch={text}&cursor={text}"),
            format!("/api/v1/runs/{text}"),
            format!("/api/v1/files/{text}"),
            format!("/api/v1/compare?base=commit:{text}&head=branch:{text}"),
            format!("/api/v1/series?branch={text}&by={text}"),
            format!("/api/v1/evals?task={text}"),
            format!("/api/v1/cheapest?slo={text}&provider={text}"),
            format!("/api/v1/versions?base={text}&family={text}"),
            format!("/api/v1/costs?provider={text}&price_kind={text}"),
            format!("/plain/rhaiis?model={text}"),
            format!("/plain/mlperf?benchmark={text}"),
            format!("/{text}"),
        ] {
            let answer = served.get(&target);
            assert!((200..500).contains(&answer.status), "{target}: {} {}", answer.status, answer.text());
            if answer.status == 200 && target.contains("/points?") {
                assert!(answer.json()["data"].as_array().unwrap().is_empty(), "{target}");
            }
        }
    }
    assert_eq!(served.get("/api/v1/points").body, before);
    let verified = fixture.imax(&["history", "verify", "--history", &history], &[]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
}

#[test]
fn control_characters_and_invalid_utf8_are_refused() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    for value in ["%00", "a%0d%0aSet-Cookie:%20x=1", "%1b%5b2J", "%ff%fe"] {
        let answer = served.get(&format!("/api/v1/points?branch={value}"));
        assert_eq!(answer.status, 400, "{value}");
        assert!(!answer.head.contains("Set-Cookie"), "{}", answer.head);
    }
}

#[test]
fn oversized_requests_are_refused_and_others_answered() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &["--body-limit", "1000"]);
    let long = "x".repeat(10 << 20);
    let head = served.raw(format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n").as_bytes());
    assert!(matches!(head.status, 0 | 431), "{}", head.head);
    let many: String = (0..500).map(|number| format!("X-{number}: 1\r\n")).collect();
    let head = served.raw(format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{many}\r\n").as_bytes());
    assert!(matches!(head.status, 0 | 431), "{}", head.head);
    let query = served.get(&format!("/api/v1/points?branch={}", "x".repeat(20_000)));
    assert_eq!(query.status, 400);
    let body = served.send("POST", "/api/v1/points", &[], &[b'x'; 2000]);
    assert!(matches!(body.status, 405 | 413), "{}", body.head);
    for invalid in ["GET\r\n\r\n", "\0\0\0\0", "GET / HTTP/9.9\r\n\r\n", "GET /\r\nHost: a\r\n\r\n"] {
        let answer = served.raw(format!("{invalid}\r\n\r\n").as_bytes());
        assert!(answer.status == 0 || answer.status == 400, "{invalid:?}: {}", answer.head);
    }
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn smuggled_lengths_are_refused() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let both = "POST /api/v1/points HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde";
    assert_eq!(served.raw(both.as_bytes()).status, 400);
}

#[test]
fn client_that_sends_its_head_slowly_is_dropped_and_others_are_answered() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let mut slow: Vec<TcpStream> = (0..50).map(|_| served.connect()).collect();
    for socket in &mut slow {
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").unwrap();
    }
    assert_eq!(served.get("/api/v1/runs").status, 200);
    for socket in &mut slow {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = Vec::new();
        // The end of the connection, by an answer or a reset, and not the deadline of this test.
        match socket.read_to_end(&mut answer) {
            Ok(_) => assert!(matches!(Answer::of(&answer).status, 0 | 408), "{answer:?}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn connections_beyond_the_bound_wait_and_are_answered_then() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &["--connections", "2"]);
    let idle = [served.connect(), served.connect()];
    let mut third = served.connect();
    third
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    drop(idle);
    let mut answer = Vec::new();
    third.read_to_end(&mut answer).unwrap();
    assert_eq!(Answer::of(&answer).status, 200);
}

#[test]
fn requests_above_the_limit_get_429_with_headers() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &[]);
    assert_eq!(
        served.get("/healthz").header("ratelimit-policy"),
        None,
        "the other tests have no limit"
    );
    drop(served);
    let mut command = crate::harness::imax();
    command.args(["serve", "--history", &history, "--listen", "127.0.0.1:0", "--rate-limit", "1"]);
    let served = Served::of(&mut command);
    let first = served.get("/healthz");
    assert_eq!(first.header("ratelimit-policy"), Some("\"default\";q=4;w=4"));
    // The bucket has 4 and gains one a second; a slow machine needs more requests than a fast one to empty it.
    let refused = (0..1000)
        .map(|_| served.get("/healthz"))
        .find(|answer| answer.status == 429)
        .unwrap();
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(refused.header("ratelimit").unwrap().contains("r=0"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
}

#[test]
fn every_answer_has_the_headers_of_safety() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    for path in ["/api/v1/runs", "/api/docs", "/none", "/api/v1/points?x=1", "/metrics"] {
        let answer = served.get(path);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(
            answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"),
            "{path}"
        );
        assert!(answer.header("x-request-id").is_some(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn pages_of_named_origins_alone_may_read() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &["--cors-origin", "https://dash.example"]);
    let allowed = served.send("GET", "/api/v1/runs", &[("Origin", "https://dash.example")], b"");
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://dash.example"));
    let other = served.send("GET", "/api/v1/runs", &[("Origin", "https://evil.example")], b"");
    assert_eq!(other.header("access-control-allow-origin"), None);
    let ended = fixture.imax(
        &[
            "serve",
            "--history",
            "history.db",
            "--listen",
            "127.0.0.1:0",
            "--cors-origin",
            "dash.example/x",
        ],
        &[],
    );
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}
