//! The server's own tokenizer, where the model's is not to be had.

use std::path::Path;

use imax::testing::Tokenizer;
use serde_json::{Value, json};

use super::client::{doubts, imax, stderr};
use crate::harness::{Finish as _, HttpResponse, HttpServer, project};

/// An engine that lends its tokenizer, in the words of vLLM or of llama.cpp's server, and counts prompts with it.
fn engine(text_key: &'static str, answer_key: &'static str) -> HttpServer {
    let tokenizer = Tokenizer::from_json(&std::fs::read(project().join("benchmarks/demo/tokenizer.json")).unwrap()).unwrap();
    HttpServer::start(move |_, request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let path = request.line.split(' ').nth(1).unwrap();
        let (status, content_type, body) = match path {
            "/tokenize" => {
                let ids = tokenizer.encode(body[text_key].as_str().unwrap()).unwrap();
                (200, "application/json", json!({ "tokens": ids }).to_string())
            }
            "/detokenize" => {
                let ids: Vec<u32> = serde_json::from_value(body["tokens"].clone()).unwrap();
                match tokenizer.decode(&ids) {
                    Ok(text) if !text.is_empty() => (200, "application/json", json!({ answer_key: text }).to_string()),
                    _ => (400, "application/json", json!({ "error": "out of vocabulary" }).to_string()),
                }
            }
            "/v1/completions" => {
                let prompt = tokenizer.count(body["prompt"].as_str().unwrap()).unwrap();
                let word = "data: {\"choices\":[{\"text\":\" a\"}]}\n\n";
                let usage = json!({ "choices": [], "usage": { "prompt_tokens": prompt, "completion_tokens": body["max_tokens"] } });
                let words = word.repeat(usize::try_from(body["max_tokens"].as_u64().unwrap()).unwrap());
                (200, "text/event-stream", format!("{words}data: {usage}\n\ndata: [DONE]\n\n"))
            }
            _ => (404, "application/json", "{}".to_owned()),
        };
        Some(HttpResponse::new(status).body(content_type, body))
    })
}

/// A load of six requests of 40 tokens, for a model of which there are no files.
fn load(url: &str, folder: &Path, extra: &[&str]) -> (Option<Value>, String, Option<i32>) {
    let output = imax()
        .args(["bench", "--base-url", url, "--model", "model-without-files"])
        .args([
            "--random-input-len",
            "40",
            "--random-output-len",
            "4",
            "--num-prompts",
            "6",
            "--max-concurrency",
            "2",
        ])
        .args([
            "--ignore-eos",
            "--allow-saturated-client",
            "--save-result",
            "--result-filename",
            "result.json",
            "--result-dir",
        ])
        .arg(folder)
        .args(extra)
        .finish();
    let result = std::fs::read(folder.join("result.json")).ok();
    let result = result.map(|text| serde_json::from_slice(&text).unwrap());
    (result, stderr(&output), output.status.code())
}

#[test]
fn prompts_have_exact_lengths_by_the_servers_tokenizer() {
    for (text_key, answer_key, extra) in [
        ("prompt", "prompt", vec![]),
        ("prompt", "text", vec![]),
        ("content", "content", vec!["--tokenizer", "server"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(text_key, answer_key);
        let (result, words, _) = load(&engine.url, folder.path(), &extra);
        let result = result.unwrap_or_else(|| panic!("{words}"));
        assert_eq!((&result["completed"], doubts(&result)), (&json!(6), vec![]), "{words}");
        assert_eq!(
            (&result["total_input_tokens"], &result["imax"]["wrong_input_lengths"]),
            (&json!(240), &json!(0))
        );
        assert_eq!(result["imax"]["notices"][0]["code"], json!("server_tokenizer"));
    }
}

#[test]
fn a_server_without_a_tokenizer_is_said_to_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = HttpServer::start(|_, _| Some(HttpResponse::new(404)));
    let (_, words, code) = load(&server.url, folder.path(), &[]);
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("no tokenizer at model-without-files"), "{words}");
    assert!(words.contains("/tokenize answered with status 404; set --tokenizer"), "{words}");
}
