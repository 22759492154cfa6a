//! `imax ready` asks an engine by the API that it will be loaded with.

use super::client::{imax, stderr};
use crate::harness::{Finish as _, HttpResponse, HttpServer};

/// An engine that is healthy at one path, gives a token at another, and knows nothing else.
fn engine(health: &'static str, endpoint: &'static str, token: &'static str) -> HttpServer {
    HttpServer::start(move |_, request| {
        let mut words = request.line.split(' ').skip(1);
        let path = words.next().unwrap();
        let (status, body) = match path {
            _ if path == health => (200, ""),
            _ if path == endpoint => (200, token),
            _ => (404, "{\"error\":\"Not Found\"}"),
        };
        Some(HttpResponse::new(status).body("text/event-stream", body))
    })
}

const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
const SGLANG: &str = "data: {\"text\":\"a\",\"meta_info\":{\"prompt_tokens\":5,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
const TRITON: &str = "data: {\"model_name\":\"ensemble\",\"text_output\":\"a\"}\n\n";

#[test]
fn engines_are_asked_by_the_api_that_they_serve() {
    for (health, endpoint, token, arguments) in [
        ("/health", "/v1/chat/completions", CHAT, vec!["--backend", "openai-chat"]),
        ("/health", "/generate", SGLANG, vec!["--backend", "sglang-native"]),
        (
            "/v2/health/ready",
            "/v2/models/ensemble/generate_stream",
            TRITON,
            vec!["--backend", "tensorrt-llm"],
        ),
        (
            "/alive",
            "/v2/models/other/generate_stream",
            TRITON,
            vec![
                "--backend",
                "tensorrt-llm",
                "--health-path",
                "/alive",
                "--endpoint",
                "/v2/models/other/generate_stream",
            ],
        ),
    ] {
        let server = engine(health, endpoint, token);
        let ready = |extra: &[&str]| {
            imax()
                .args(["ready", "--base-url", &server.url, "--model", "m"])
                .args(extra)
                .finish()
        };
        let output = ready(&[&arguments[..], &["--deadline", "60s"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        let output = ready(&["--health-path", health, "--deadline", "1s"]);
        assert_ne!(output.status.code(), Some(0));
        assert!(
            stderr(&output).contains("/v1/completions answered with status 404"),
            "{}",
            stderr(&output)
        );
    }
    let output = imax().args(["ready", "--port", "1", "--backend", "tgi"]).finish();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
