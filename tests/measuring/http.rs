//! HTTP as it is found before real servers: compression, redirects, proxies, Unix sockets, and servers that refuse keys.

use std::io::{Read, Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::client::{doubts, imax, stderr};
use crate::harness::{Finish as _, HttpRequest, HttpServer, Simulator};

const WORD: &str = "data: {\"choices\":[{\"text\":\" a\",\"finish_reason\":null}]}\n\n";
const END: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";

/// A load of six requests, and its result if there is one.
fn load(base_url: &str, folder: &Path, extra: &[&str], variables: &[(&str, &str)]) -> (Option<Value>, String, Option<i32>) {
    let file = folder.join("result.json");
    let _ = std::fs::remove_file(&file);
    let output = imax()
        .args([
            "bench",
            "--model",
            "benchmarks/demo",
            "--served-model-name",
            "demo",
            "--base-url",
            base_url,
        ])
        .args([
            "--random-input-len",
            "8",
            "--random-output-len",
            "4",
            "--num-prompts",
            "6",
            "--max-concurrency",
            "2",
        ])
        .args([
            "--allow-saturated-client",
            "--save-result",
            "--result-filename",
            "result.json",
            "--result-dir",
        ])
        .arg(folder)
        .args(extra)
        .envs(variables.iter().copied())
        .finish();
    let result = std::fs::read(file).ok().map(|text| serde_json::from_slice(&text).unwrap());
    (result, stderr(&output), output.status.code())
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn stream() -> Vec<u8> {
    response(
        "200 OK",
        "Content-Type: text/event-stream\r\n",
        format!("{}{END}", WORD.repeat(4)).as_bytes(),
    )
}

/// An engine of four words, whose answers to requests for tokens come from `respond`.
fn server(respond: impl Fn(&HttpRequest) -> Vec<u8> + Send + Sync + 'static) -> HttpServer {
    HttpServer::start_raw(move |_, request| {
        Some(match request.line.starts_with("POST ") {
            true => respond(request),
            false => response("404 Not Found", "", b""),
        })
    })
}

fn notices(result: &Value) -> Vec<&str> {
    let notices = result["imax"]["notices"].as_array().unwrap();
    notices.iter().map(|notice| notice["code"].as_str().unwrap()).collect()
}

#[test]
fn compressed_streams_are_decoded_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(|_| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(format!("{}{END}", WORD.repeat(4)).as_bytes()).unwrap();
        let headers = "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n";
        response("200 OK", headers, &encoder.finish().unwrap())
    });
    let (result, words, code) = load(&server.url, folder.path(), &[], &[]);
    let result = result.unwrap_or_else(|| panic!("{words}"));
    assert_eq!((&result["completed"], &result["total_output_tokens"]), (&json!(6), &json!(24)));
    assert_eq!((doubts(&result), code), (vec!["compressed_stream"], Some(0)));
    assert!(
        words.contains("marked `compressed_stream`") && words.contains("switch compression off"),
        "{words}"
    );
}

#[test]
fn an_unknown_compression_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(|_| {
        response(
            "200 OK",
            "Content-Type: text/event-stream\r\nContent-Encoding: zstd\r\n",
            b"\x28\xb5\x2f\xfd",
        )
    });
    let (_, words, code) = load(&server.url, folder.path(), &[], &[]);
    assert_eq!(code, Some(1));
    assert!(
        words.contains("content-encoding \"zstd\", expected none, gzip, deflate or br"),
        "{words}"
    );
}

#[test]
fn redirects_are_followed_once_on_the_same_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(|request| match request.line.contains("/v2/") {
        true => stream(),
        false => response("307 Temporary Redirect", "Location: /v2/completions?a=b\r\n", b""),
    });
    let (result, words, _) = load(&server.url, folder.path(), &[], &[]);
    let result = result.unwrap_or_else(|| panic!("{words}"));
    assert_eq!((&result["completed"], notices(&result)), (&json!(6), vec!["redirected"]));
    assert!(
        words.contains("requests go to http://127.0.0.1") && words.contains("/v2/completions?a=b"),
        "{words}"
    );
    // Two for the start time of its process, two probes, and none of the six requests is redirected.
    assert_eq!(server.requests(), 2 + 2 + 6);
}

#[test]
fn redirects_to_other_servers_are_named_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    for (status, location, message) in [
        (
            "308 Moved",
            "https://other.example/v1/completions",
            "redirects to https://other.example/v1/completions, which is another server",
        ),
        ("303 See Other", "/result", "http_303"),
        ("301 Moved", "{}x", "after 5 other redirects"),
    ] {
        let server = server(move |request| {
            let location = location.replace("{}", request.line.split(' ').nth(1).unwrap());
            response(status, &format!("Location: {location}\r\n"), b"")
        });
        let (_, words, code) = load(&server.url, folder.path(), &["--api-key", "sk-private"], &[]);
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains(message) && !words.contains("sk-private"), "{status}: {words}");
    }
}

/// The keys of a request's body that this server's API does not have.
fn unknown_key(request: &HttpRequest) -> Option<String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let known = [
        "model",
        "messages",
        "temperature",
        "max_completion_tokens",
        "stream",
        "stream_options",
    ];
    let options = body["stream_options"].as_object().into_iter().flatten();
    let inner = options.map(|(key, _)| key).find(|key| *key != "include_usage");
    let outer = body.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str()));
    inner.map(|key| format!("stream_options.{key}")).or_else(|| outer.cloned())
}

fn strict_server() -> HttpServer {
    server(|request| match unknown_key(request) {
        None => stream(),
        Some(key) => {
            let body = json!({ "error": { "message": format!("Unknown parameter: '{key}'."), "type": "invalid_request_error" } });
            response("400 Bad Request", "Content-Type: application/json\r\n", body.to_string().as_bytes())
        }
    })
}

#[test]
fn keys_that_a_strict_server_refuses_are_omitted_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = strict_server();
    let (result, words, _) = load(&server.url, folder.path(), &["--backend", "openai-chat", "--ignore-eos"], &[]);
    let result = result.unwrap_or_else(|| panic!("{words}"));
    assert_eq!(
        (&result["completed"], notices(&result)),
        (&json!(6), vec!["key_omitted"; 3]),
        "{words}"
    );
    for note in [
        "note: the server refused `stream_options.continuous_usage_stats`: requests are sent without it",
        "note: the server refused `ignore_eos`: requests are sent without it",
        "note: the server refused `max_tokens`: requests have `max_completion_tokens` instead",
    ] {
        assert!(words.contains(note), "{words}");
    }
    assert_eq!(result["total_output_tokens"], json!(24));
}

#[test]
fn keys_can_be_removed_and_renamed_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let server = strict_server();
    let patch = "{\"stream_options\":{\"continuous_usage_stats\":null},\"ignore_eos\":null}";
    let arguments = [
        "--backend",
        "openai-chat",
        "--ignore-eos",
        "--max-tokens-field",
        "max_completion_tokens",
        "--extra-body",
        patch,
    ];
    let (result, words, _) = load(&server.url, folder.path(), &arguments, &[]);
    let result = result.unwrap_or_else(|| panic!("{words}"));
    assert_eq!((&result["completed"], notices(&result)), (&json!(6), vec![]));
    // A key that the user gives is not taken away.
    let own = ["--backend", "openai-chat", "--extra-body", "{\"seed\":1}"];
    let (_, words, code) = load(&server.url, folder.path(), &own, &[]);
    assert_eq!(code, Some(1));
    assert!(words.contains("http_400: Unknown parameter: 'seed'"), "{words}");
}

#[test]
fn the_version_in_a_base_url_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let (result, words, _) = load(&format!("{}/v1", engine.url()), folder.path(), &["--ignore-eos"], &[]);
    let result = result.unwrap_or_else(|| panic!("{words}"));
    assert_eq!((&result["completed"], doubts(&result)), (&json!(6), vec![]));
}

#[test]
fn the_proxy_of_the_environment_is_used_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = server(|request| {
        let is_whole = request.line.starts_with("POST http://model.invalid:8000/v1/completions HTTP/1.1");
        let is_allowed = request.head.contains("Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==");
        match is_whole && is_allowed {
            true => stream(),
            false => response("407 Proxy Authentication Required", "", b""),
        }
    });
    let address = proxy.url.strip_prefix("http://").unwrap();
    let with_password = format!("http://user:password@{address}");
    let (result, words, _) = load("http://model.invalid:8000", folder.path(), &[], &[("HTTP_PROXY", &with_password)]);
    let result = result.unwrap_or_else(|| panic!("{words}"));
    assert_eq!((&result["completed"], notices(&result)), (&json!(6), vec!["through_proxy"]));
    assert!(
        words.contains(&format!("through the proxy {}", proxy.url)) && !words.contains("password"),
        "{words}"
    );
    // The process's start time is asked for through the proxy too: nothing else knows the name.
    assert_eq!(proxy.requests(), 1 + 6 + 2);
}

#[test]
fn proxies_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value, code, message) in [
        (
            "ALL_PROXY",
            "socks5://127.0.0.1:1",
            2,
            "ALL_PROXY names a proxy with socks5, expected http",
        ),
        ("http_proxy", "http://proxy.invalid:3128", 4, "cannot resolve proxy.invalid:3128"),
        ("HTTP_PROXY", "http://127.0.0.1:1", 1, "through the proxy http://127.0.0.1:1"),
    ] {
        let (_, words, found) = load("http://model.invalid:8000", folder.path(), &[], &[(variable, value)]);
        assert_eq!(found, Some(code), "{variable}: {words}");
        assert!(words.contains(message), "{variable}: {words}");
    }
    // Excepted by the variable, or because it is this machine.
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let variables = [("http_proxy", "http://127.0.0.1:1")];
    let (result, words, _) = load(&engine.url(), folder.path(), &["--ignore-eos"], &variables);
    assert_eq!(notices(&result.unwrap_or_else(|| panic!("{words}"))), Vec::<&str>::new());
    let variables = [("http_proxy", "http://127.0.0.1:1"), ("NO_PROXY", ".invalid")];
    let (_, words, _) = load("http://model.invalid:8000", folder.path(), &[], &variables);
    assert!(words.contains("cannot resolve model.invalid:8000"), "{words}");
}

/// A proxy that opens tunnels to one address, or refuses all.
fn tunnelling_proxy(to: Option<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, to) = (client.unwrap(), to.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    client.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                assert!(head.starts_with(b"CONNECT model.invalid:8443 HTTP/1.1\r\n"));
                let Some(to) = to else {
                    let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
                    return;
                };
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                let server = TcpStream::connect(to).unwrap();
                join(client.try_clone().unwrap(), server.try_clone().unwrap(), client, server);
            });
        }
    });
    url
}

/// Moves bytes both ways.
fn join<A, B>(mut from_a: A, mut to_b: B, mut to_a: A, mut from_b: B)
where
    A: Read + std::io::Write + Send + 'static,
    B: Read + std::io::Write + Send + 'static + HalfClose,
{
    std::thread::spawn(move || {
        let _ = copy(&mut from_a, &mut to_b);
        to_b.close();
    });
    let _ = copy(&mut from_b, &mut to_a);
}

trait HalfClose {
    fn close(&self);
}

impl HalfClose for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

#[test]
fn encrypted_servers_are_reached_through_a_tunnel() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let encrypted = format!("127.0.0.1:{}", super::secure::encrypt(&engine));
    let authority = ["--ca-cert", super::secure::AUTHORITY];
    let url = "https://model.invalid:8443";
    // Through the tunnel the server shows its certificate, which is one for localhost.
    let proxy = tunnelling_proxy(Some(encrypted));
    let (_, words, code) = load(url, folder.path(), &authority, &[("HTTPS_PROXY", &proxy)]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("tls_failed") && words.contains("model.invalid"), "{words}");
    let proxy = tunnelling_proxy(None);
    let (_, words, code) = load(url, folder.path(), &authority, &[("HTTPS_PROXY", &proxy)]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("the proxy refused the tunnel with status 403"), "{words}");
}

/// A Unix socket before an engine.
fn unix_socket(path: &Path, engine: &Simulator) {
    let listener = UnixListener::bind(path).unwrap();
    let address = engine.address.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client: UnixStream = client.unwrap();
            let server = TcpStream::connect(&address).unwrap();
            std::thread::spawn(move || join(client.try_clone().unwrap(), server.try_clone().unwrap(), client, server));
        }
    });
}

#[test]
fn unix_sockets_are_loaded_and_asked_for_readiness() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "5", "--itl-ms", "1"]);
    let socket = folder.path().join("engine.sock");
    let url = format!("unix:{}", socket.display());
    let (_, words, code) = load(&url, folder.path(), &[], &[]);
    assert_eq!(code, Some(1));
    assert!(words.contains("engine.sock: No such file"), "{words}");
    unix_socket(&socket, &engine);
    let ready = imax().args(["ready", "--base-url", &url, "--deadline", "60s"]).finish();
    assert_eq!(ready.status.code(), Some(0), "{}", stderr(&ready));
    let (result, words, _) = load(&url, folder.path(), &["--ignore-eos"], &[]);
    let result = result.unwrap_or_else(|| panic!("{words}"));
    assert_eq!((&result["completed"], doubts(&result)), (&json!(6), vec![]));
    // The kernel stamps packets of the network only.
    assert_eq!(result["imax"]["clock"], json!("read"));
    assert!(result["median_ttft_ms"].as_f64().unwrap() >= 5.0, "{result}");
}

#[test]
fn percentiles_of_a_few_requests_are_not_printed() {
    let server = server(|_| stream());
    let output = imax()
        .args([
            "bench",
            "--model",
            "benchmarks/demo",
            "--base-url",
            &server.url,
            "--num-prompts",
            "6",
        ])
        .args([
            "--random-input-len",
            "8",
            "--random-output-len",
            "4",
            "--metric-percentiles",
            "50,99.9",
            "--allow-saturated-client",
        ])
        .finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = String::from_utf8(output.stdout.clone()).unwrap();
    let row = table.lines().find(|line| line.contains("TTFT")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().filter(|cell| !["│", "┆"].contains(cell)).collect();
    assert_eq!(cells.last(), Some(&"-"), "{table}");
    assert!(cells[cells.len() - 2].parse::<f64>().is_ok(), "{table}");
    assert!(table.contains("p99.9 needs 1000"), "{table}");
}
