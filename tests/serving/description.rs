//! The description of the API: the committed one is the served one, every route of it answers, and the page needs nothing from elsewhere.

use std::fs;

use serde_json::Value;

use crate::client::{Served, sqlite};
use crate::fixture::Fixture;
use crate::harness::{Finish as _, imax, project};

#[test]
fn committed_description_is_the_one_of_the_program() {
    let printed = imax().args(["schema", "openapi"]).finish();
    assert!(printed.status.success());
    let committed = fs::read(project().join("dist/openapi.json")).unwrap();
    assert!(
        printed.stdout == committed,
        "dist/openapi.json is out of date; imax schema openapi > dist/openapi.json"
    );
}

#[test]
fn every_described_route_answers_as_described() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let description = served.json("/api/openapi.json");
    assert_eq!(description["openapi"], "3.1.0");
    let file = served.json("/api/v1/points?limit=1&fields=source")["data"][0]["source"]
        .as_str()
        .unwrap()
        .to_owned();
    let thread = served.json("/api/v1/regressions")["data"][0]["thread"].clone();
    let bisection = format!("?thread={}", thread.as_str().unwrap());
    let curve = served.json("/api/v1/points?limit=1&fields=curve")["data"][0]["curve"].clone();
    let records = format!("?run=1&conc=4&curve={}", curve.as_str().unwrap());
    let mut answered = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        // Routes that need a token have tests of their own.
        let Some(operation) = item.get("get").filter(|operation| operation.get("security").is_none()) else {
            continue;
        };
        // A database keeps no contents; `origin.rs` has them from folders.
        if path.ends_with("/content") {
            continue;
        }
        let query = match path.as_str() {
            "/api/v1/compare" => "?base=run:1&head=run:10",
            "/api/v1/bisection" => &bisection,
            "/api/v1/records" => &records,
            "/api/graphql" => "?query=%7Bprojects%7Bproject%7D%7D",
            "/badge/{metric}.svg" | "/card/{metric}.png" => "?filter=conc=64",
            _ => "",
        };
        let target = path
            .replace("{run}", "1")
            .replace("{id}", "1")
            .replace("{digest}", &file)
            .replace("{metric}", "throughput-per-gpu")
            + query;
        let answer = served.get(&target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let media_type = answer.header("content-type").unwrap().split(';').next().unwrap().to_owned();
        assert!(
            operation["responses"]["200"]["content"].get(&media_type).is_some(),
            "{target}: {media_type}"
        );
        answered += 1;
    }
    assert!(answered >= 20, "{answered}");
}

#[test]
fn docs_page_lists_every_route_and_loads_nothing() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let page = served.get("/api/docs");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    for path in served.json("/api/openapi.json")["paths"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for other in ["<script", "src=", "@import", "url(", "http://", "https://"] {
        assert!(!text.contains(other), "{other}");
    }
}

#[test]
fn every_operation_documents_its_errors() {
    let printed = imax().args(["schema", "openapi"]).finish();
    let description: Value = serde_json::from_slice(&printed.stdout).unwrap();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            for status in ["429", "503"] {
                assert!(operation["responses"].get(status).is_some(), "{method} {path} lacks {status}");
            }
        }
    }
}
