//! Configuration by a file, TLS, limits by token, and clients that do not read.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;

use crate::client::{Answer, Served, sqlite};
use crate::fixture::Fixture;
use crate::harness::{DEADLINE, imax, project};
use crate::writes::Written;

#[test]
fn file_configures_and_flags_and_environment_win() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    fixture.write(
        "serve.toml",
        &format!("history = {history:?}\nlisten = \"127.0.0.1:0\"\nrate-limit = 7\nclosed = true\ncors-origin = [\"https://a.example\"]\n"),
    );
    let file = fixture.path("serve.toml");
    let file = file.to_str().unwrap();
    let served = Served::of(imax().args(["serve", "--config", file]));
    let closed = served.get("/api/v1/runs");
    assert_eq!(
        (closed.status, closed.header("ratelimit-policy")),
        (401, Some("\"default\";q=28;w=4"))
    );
    let served = Served::of(
        imax()
            .args(["serve", "--config", file])
            .env("IMAX_SERVE_RATE_LIMIT", "8")
            .env("IMAX_SERVE_CLOSED", "false"),
    );
    let open = served.get("/api/v1/runs");
    assert_eq!((open.status, open.header("ratelimit-policy")), (200, Some("\"default\";q=32;w=4")));
    let served = Served::of(
        imax()
            .args(["serve", "--config", file, "--closed=false", "--rate-limit", "9"])
            .env("IMAX_SERVE_RATE_LIMIT", "8"),
    );
    assert_eq!(served.get("/api/v1/runs").header("ratelimit-policy"), Some("\"default\";q=36;w=4"));
}

#[test]
fn invalid_file_is_refused_with_its_place() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    for (text, code, words) in [
        (
            "listen = \"127.0.0.1:0\"\nrate-limt = 1\n",
            3,
            "serve.toml:2:1: unknown field `rate-limt`",
        ),
        (
            "[oidc]\naudience = \"https://a.example\"\nrules = []\n",
            3,
            "OpenID Connect has no rules",
        ),
        ("[oidc]\naudience = \"\"\n[[oidc.rules]]\nrepository = \"a/b\"\n", 3, "`audience`"),
        (
            "[oidc]\nissuer = \"http://issuer.example\"\naudience = \"a\"\n[[oidc.rules]]\nrepository = \"a/b\"\n",
            3,
            "invalid issuer",
        ),
        ("tls-cert = \"c.pem\"\n", 2, "belong together"),
        ("tls-cert = \"c.pem\"\ntls-key = \"k.pem\"\n", 3, "c.pem"),
    ] {
        fixture.write("serve.toml", text);
        let ended = fixture.imax(
            &["serve", "--history", &history, "--listen", "127.0.0.1:0", "--config", "serve.toml"],
            &[],
        );
        assert_eq!(ended.code, code, "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{text}: {}", ended.stderr);
    }
    let ended = fixture.imax(&["serve", "--config", "missing.toml"], &[]);
    assert!(ended.code != 0 && ended.stderr.contains("missing.toml"), "{}", ended.stderr);
}

/// The server's certificate and key as PEM, and the client's trust.
fn tls_files(fixture: &Fixture) -> Vec<String> {
    let folder = project().join("tests/measuring/tls");
    let key = STANDARD.encode(std::fs::read(folder.join("server-key.der")).unwrap());
    fixture.write(
        "key.pem",
        &format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"),
    );
    let certificate = folder.join("server.pem").to_str().unwrap().to_owned();
    let key = fixture.path("key.pem").to_str().unwrap().to_owned();
    vec!["--tls-cert".to_owned(), certificate, "--tls-key".to_owned(), key]
}

fn over_tls(address: &str, request: &str) -> Answer {
    let mut roots = rustls::RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(project().join("tests/measuring/tls/ca.pem")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::of(&answer)
}

#[test]
fn answers_over_tls_and_plain_text_hurts_nobody() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let mut running = crate::harness::Running::start(
        imax()
            .args(["serve", "--history", &history, "--listen", "127.0.0.1:0"])
            .args(tls_files(&fixture)),
    );
    let line = running.await_line("listening on https://");
    let address = line
        .trim_start_matches("listening on https://")
        .split(',')
        .next()
        .unwrap()
        .to_owned();
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.set_read_timeout(Some(DEADLINE)).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut refused = Vec::new();
    let _ = plain.read_to_end(&mut refused);
    assert!(!refused.starts_with(b"HTTP/"), "{refused:?}");
    // One that never shakes hands, and one that is answered meanwhile.
    let _silent = TcpStream::connect(&address).unwrap();
    let answer = over_tls(&address, "GET /api/v1/runs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!((answer.status, answer.json()["data"].as_array().unwrap().len()), (200, 10));
    running.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn requests_of_a_token_are_limited_whatever_their_address() {
    let written = Written::sqlite();
    let token = written.token(&["--scope", "annotate"]);
    let limited = Served::of(imax().args([
        "serve",
        "--history",
        &written.history,
        "--listen",
        "127.0.0.1:0",
        "--writes",
        "--rate-limit",
        "0",
        "--token-rate-limit",
        "1",
        "--behind-proxy",
    ]));
    let bearer = format!("Bearer {token}");
    let send = |number: usize| {
        let address = format!("192.0.2.{}", number % 200);
        let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", &address)];
        limited.send("POST", "/api/v1/annotations", &headers, br#"{"text":"x"}"#)
    };
    let first = send(0);
    assert_eq!((first.status, first.header("ratelimit-policy")), (201, Some("\"token\";q=4;w=4")));
    // The bucket has 4 and gains one a second; a slow machine needs more requests than a fast one to empty it.
    let refused = (1..1000).map(send).find(|answer| answer.status == 429).unwrap();
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(refused.header("ratelimit").unwrap().starts_with("\"token\";r=0"));
    let other = written.token(&["--scope", "annotate"]);
    let other = format!("Bearer {other}");
    let answer = limited.send("POST", "/api/v1/annotations", &[("Authorization", &other)], br#"{"text":"x"}"#);
    assert_eq!(answer.status, 201, "another token is not hurt");
    assert_eq!(limited.get("/api/v1/runs").status, 200, "nor are reads");
}

/// A connection with small buffers, so that little goes unread.
fn deaf(address: &str) -> TcpStream {
    let address: SocketAddr = address.parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket.into()
}

#[test]
fn client_that_does_not_read_is_ended_and_others_are_answered() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &["--unread-time", "1"]);
    let mut client = deaf(&served.address);
    // Requests one after another, whose answers nobody takes: the server's buffers fill, then the client's; both then wait for the other,
    // until the server has enough and resets the connection.
    let request = b"GET /api/v1/points HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    let error = loop {
        if let Err(error) = client.write_all(&request) {
            break error;
        }
    };
    let is_ended = matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe);
    assert!(is_ended, "{error}");
    assert_eq!(served.json("/api/v1/runs")["data"], served.json("/api/v1/runs.json")["data"]);
    assert_ne!(served.json("/api/v1/runs")["data"], json!([]));
}
