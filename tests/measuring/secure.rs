//! Loads over TLS: an encrypting proxy with a certificate of a private authority stands before the engine. The key in
//! `tls/` belongs to that certificate for `localhost` alone and guards nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::client::{imax, stderr};
use crate::harness::{Finish as _, Simulator};

pub const AUTHORITY: &str = "tests/measuring/tls/ca.pem";

fn certificates() -> ServerConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/measuring/tls");
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivatePkcs8KeyDer::from(std::fs::read(folder.join("server-key.der")).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
        .unwrap()
}

/// Encrypts what goes to and from an engine; returns the port.
pub fn encrypt(engine: &Simulator) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(certificates());
    let address = engine.address.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (config, address) = (config.clone(), address.clone());
            std::thread::spawn(move || pump(socket.unwrap(), config, &address));
        }
    });
    port
}

/// Moves bytes both ways until one side ends. Each side is waited for a millisecond at most.
fn pump(client: TcpStream, config: Arc<ServerConfig>, engine: &str) {
    let mut engine = TcpStream::connect(engine).unwrap();
    for socket in [&client, &engine] {
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        socket.set_nodelay(true).unwrap();
    }
    let mut client = StreamOwned::new(ServerConnection::new(config).unwrap(), client);
    let mut buffer = vec![0; 1 << 16];
    while hand_on(&mut client, &mut engine, &mut buffer) && hand_on(&mut engine, &mut client, &mut buffer) {}
}

fn hand_on(from: &mut impl Read, to: &mut impl Write, buffer: &mut [u8]) -> bool {
    match from.read(buffer) {
        Ok(0) => false,
        Ok(count) => to.write_all(&buffer[..count]).and_then(|()| to.flush()).is_ok(),
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
    }
}

fn load(url: &str, extra: &[&str]) -> std::process::Command {
    let mut command = imax();
    command
        .args([
            "bench",
            "--base-url",
            url,
            "--model",
            "benchmarks/demo",
            "--served-model-name",
            "demo",
        ])
        .args(["--random-input-len", "3000", "--random-output-len", "20", "--num-prompts", "24"])
        .args(["--max-concurrency", "4", "--ignore-eos", "--allow-saturated-client"])
        .args(extra);
    command
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Simulator::start(&["--ttft-ms", "10", "--itl-ms", "2"]);
    let port = encrypt(&engine);
    for host in ["127.0.0.1", "localhost"] {
        let output = load(&format!("https://{host}:{port}"), &["--ca-cert", AUTHORITY, "--profile"])
            .args(["--save-result", "--save-detailed", "--result-filename", "r.json", "--result-dir"])
            .arg(folder.path())
            .finish();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let result: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("r.json")).unwrap()).unwrap();
        assert_eq!((&result["completed"], &result["imax"]["tls"]), (&json!(24), &json!(true)));
        // Bytes are stamped before they are decrypted.
        assert_eq!(result["imax"]["clock"], json!("kernel"));
        assert!(result["median_ttft_ms"].as_f64().unwrap() >= 10.0, "{result}");
        assert_eq!(result["imax"]["health"]["connections"], json!(4));
    }
}

#[test]
fn an_unknown_authority_is_refused_with_the_reason() {
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let url = format!("https://127.0.0.1:{}", encrypt(&engine));
    let output = load(&url, &[]).finish();
    let said = stderr(&output);
    // A machine without any certificates says that instead.
    assert!(
        said.contains("tls_failed") && said.contains("UnknownIssuer") || said.contains("--ca-cert"),
        "{said}"
    );
    assert!(matches!(output.status.code(), Some(1 | 3)), "{said}");
    let output = load(&url, &["--ca-cert", "Cargo.toml"]).finish();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("Cargo.toml: no certificate found"), "{}", stderr(&output));
    // Plain HTTP behind an encrypted address.
    let output = load(&format!("https://{}", engine.address), &["--ca-cert", AUTHORITY]).finish();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("tls_failed"), "{}", stderr(&output));
}

#[test]
fn readiness_is_asked_for_over_tls_too() {
    let engine = Simulator::start(&["--ttft-ms", "1", "--itl-ms", "1"]);
    let url = format!("https://127.0.0.1:{}", encrypt(&engine));
    let ready = |extra: &[&str]| imax().args(["ready", "--base-url", &url]).args(extra).finish();
    let output = ready(&["--ca-cert", AUTHORITY, "--deadline", "60s"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_ne!(ready(&["--deadline", "1s"]).status.code(), Some(0));
}
