//! What people read where a request asks for something that there is not: the status, what is wrong, and what to do.

use serde_json::json;

use crate::client::{Answer, Served, sqlite};
use crate::fixture::Fixture;

/// The detail of a problem.
fn detail(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.head);
    let problem = answer.json();
    assert_eq!(problem["status"], json!(answer.status));
    problem["detail"].as_str().unwrap().to_owned()
}

#[test]
fn any_validator_is_that_of_an_answer_which_there_is() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let any = [("If-None-Match", "*")];
    for (path, status) in [
        ("/api/v1/runs/999", 404),
        ("/api/v1/runs?limit=x", 400),
        ("/badge/nothing.svg", 400),
        ("/api/v1/runs", 304),
        // From the kept answers.
        ("/api/v1/runs", 304),
    ] {
        let answer = served.send("GET", path, &any, b"");
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            (answer.body.is_empty(), answer.header("etag").is_some()),
            (status == 304, status == 304),
            "{path}"
        );
    }
}

#[test]
fn problems_say_what_to_do() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &["--writes"]);
    for (path, status, words) in [
        (
            "/api/v1/points?fields=modle",
            400,
            "`fields` is \"modle\", which is unknown; did you mean `model`?",
        ),
        (
            "/api/v1/points?fields=",
            400,
            "`fields` is \"\", which is unknown; known: id, project",
        ),
        (
            "/api/v1/points?sort=hardware",
            400,
            "`sort` is \"hardware\", which is unknown; known: id, run",
        ),
        (
            "/api/v1/series?metric=x",
            400,
            "`metric` is \"x\", which is unknown; known: throughput-per-gpu",
        ),
        ("/api/v1/runs/999", 404, "there is no run 999; /api/v1/runs lists them"),
        ("/api/v1/points/999", 404, "there is no point 999; /api/v1/points lists them"),
        ("/api/v1/records", 400, "`run` is missing; /api/v1/points has the `run`"),
        ("/api/v1/bisection", 400, "`thread` is missing; /api/v1/regressions"),
        (
            "/badge/ttft.svg",
            400,
            "selects 3 points; this picture is of one: choose it by filter",
        ),
        (
            "/api/v1/points?since=2026-12-01T00:00:00Z&until=2026-01-01T00:00:00Z",
            400,
            "`since` is later than `until`; exchange them",
        ),
    ] {
        let answer = served.get(path);
        let found = detail(&answer);
        assert!(
            answer.status == status && found.contains(words),
            "{path}: {} {found}",
            answer.status
        );
    }
    let typed = served.send("POST", "/api/graphql", &[], b"{}");
    assert_eq!(
        (typed.status, detail(&typed)),
        (415, "the Content-Type is \"\", expected application/json".to_owned())
    );
    let unknown = served.send("POST", "/api/v1/ingest", &[("Authorization", "Bearer imax_x")], b"");
    assert_eq!(unknown.status, 401);
    assert!(detail(&unknown).contains("imax token create"));
}

#[test]
fn sums_of_nothing_have_no_sign() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let text = served.get("/api/v1/operations").text();
    assert!(text.contains("\"gpu_hours\":0.0") && !text.contains("-0.0"), "{text}");
}
