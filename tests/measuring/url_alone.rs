//! `imax bench URL`: what is found by asking the server, and what is said where it cannot be.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::client::{self, stderr};
use crate::harness::{Finish as _, HttpResponse, HttpServer, Simulator};

/// The command in an empty folder.
fn bench(url: &str, arguments: &[&str], folder: &Path) -> Output {
    client::imax()
        .current_dir(folder)
        .args(["bench", url, "--allow-saturated-client"])
        .args(arguments)
        .finish()
}

fn small_load<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let load = [
        "--max-concurrency",
        "2",
        "--num-prompts",
        "4",
        "--input-len",
        "16",
        "--output-len",
        "4",
    ];
    [&load, more].concat()
}

fn response(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Option<HttpResponse> {
    Some(HttpResponse::new(status).body(content_type, body))
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_url_alone_leaves_results_and_a_page() {
    let engine = Simulator::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    // One load of the search, so that the test takes its six seconds and not a minute.
    let output = bench(
        &format!("{}/v1", engine.url()),
        &["--search-limit", "1", "--ready-check-timeout-sec", "60"],
        folder.path(),
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for expected in [
        "model: demo",
        "protocol: completions",
        "tokenizer: none",
        "imax init --url",
        "--max-concurrency 1 ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("tok/s/user") && table.contains("highest throughput at concurrency 1"),
        "{table}"
    );

    let made: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [results] = made.as_slice() else { panic!("{made:?}") };
    let result: Value = serde_json::from_str(&text_of(&results.join("bench-infqps-concurrency1.json"))).unwrap();
    assert_eq!((&result["backend"], &result["model_id"]), (&json!("openai"), &json!("demo")));
    assert!(result["total_input_tokens"].as_u64().unwrap() > 0, "the server counts: {result}");
    assert!(text_of(&results.join("report.html")).starts_with("<!DOCTYPE html>"));
    let search: Value = serde_json::from_str(&text_of(&results.join("bench-search.json"))).unwrap();
    assert_eq!((&search["best"], &search["cut_short"]), (&json!(1.0), &json!(false)));
}

#[test]
fn a_server_that_only_chats_is_chatted_with() {
    let server = HttpServer::start(|_, request| match request.line.split(' ').nth(1).unwrap() {
        "/v1/models" => response(200, "application/json", r#"{"data": [{"id": "first"}, {"id": "second"}]}"#),
        "/v1/chat/completions" => {
            let word = "data: {\"choices\":[{\"delta\":{\"content\":\" a\"}}]}\n\n";
            let usage = json!({ "choices": [], "usage": { "prompt_tokens": 17, "completion_tokens": 4 } });
            response(
                200,
                "text/event-stream",
                format!("{}data: {usage}\n\ndata: [DONE]\n\n", word.repeat(4)),
            )
        }
        _ => response(404, "application/json", "{}"),
    });
    let folder = tempfile::tempdir().unwrap();
    let arguments = small_load(&["--save-result", "--result-filename", "result.json"]);
    let output = bench(&server.url, &arguments, folder.path());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("model: first, the first of 2") && said.contains("chat completions (--backend openai-chat)"),
        "{said}"
    );
    let result: Value = serde_json::from_str(&text_of(&folder.path().join("result.json"))).unwrap();
    assert_eq!((&result["backend"], &result["completed"]), (&json!("openai-chat"), &json!(4)));
    assert_eq!(result["total_input_tokens"], json!(4 * 17));
}

#[test]
fn errors_say_what_was_found_and_what_to_do() {
    let models = r#"{"data": [{"id": "m"}]}"#;
    let cases: [(&str, u16, &'static str, &str, &[&str]); 6] = [
        (
            "/v1/models",
            200,
            "text/html",
            "<html>hello</html>",
            &["/v1/models: found a web page", "base URL of an OpenAI-compatible API"],
        ),
        (
            "/v1/models",
            404,
            "text/html",
            "",
            &["responded with status 404", "base URL of an OpenAI-compatible API"],
        ),
        (
            "/v1/models",
            503,
            "text/html",
            "",
            &["may still be starting", "--ready-check-timeout-sec"],
        ),
        (
            "/v1/models",
            401,
            "application/json",
            "{}",
            &["responded with status 401", "--api-key"],
        ),
        (
            "/v1/models",
            200,
            "application/json",
            r#"{"data": []}"#,
            &["the list of models is empty", "--model"],
        ),
        (
            "/",
            404,
            "application/json",
            "{}",
            &[
                "neither completions nor chat completions",
                "/v1/completions",
                "/v1/chat/completions",
                "--backend",
            ],
        ),
    ];
    for (path, status, content_type, body, expected) in cases {
        let server = HttpServer::start(move |_, request| {
            let asked = request.line.split(' ').nth(1).unwrap();
            match (asked, path) {
                ("/v1/models", "/") => response(200, "application/json", models),
                _ => response(status, content_type, body),
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let output = bench(&server.url, &[], folder.path());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for expected in expected {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files of a run that was none");
    }
}

#[test]
fn a_port_on_which_nothing_listens() {
    // Port 1 is tcpmux, which nobody runs; a free port might be taken by another test.
    let url = "http://127.0.0.1:1";
    let folder = tempfile::tempdir().unwrap();
    let output = bench(url, &[], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("Connection refused") && said.contains("start an OpenAI-compatible server there"),
        "{said}"
    );
}
