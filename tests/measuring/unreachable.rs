//! Servers that cannot be reached at all: each says so in words that help.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::client::{imax, stderr};
use crate::harness::Finish as _;

fn bench(base_url: &str, extra: &[&str]) -> std::process::Output {
    imax()
        .args(["bench", "--base-url", base_url, "--model", "benchmarks/demo", "--num-prompts", "2"])
        .args(extra)
        .finish()
}

#[test]
fn a_name_that_nobody_knows() {
    // RFC 2606 keeps this name from ever existing.
    let output = bench("http://engine.invalid:8000", &[]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let words = stderr(&output);
    assert!(
        words.contains("cannot resolve engine.invalid:8000") && words.contains("--base-url"),
        "{words}"
    );
}

#[test]
fn a_server_whose_queue_of_connections_is_full() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // One waits to be accepted; the kernel drops further attempts in silence.
    let _waiting = TcpStream::connect(address).unwrap();
    let output = bench(&format!("http://{address}"), &["--connect-timeout", "0.5"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("connect_timeout: no connection within 0.5 s"),
        "{}",
        stderr(&output)
    );
}
