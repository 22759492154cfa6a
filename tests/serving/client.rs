//! A server with a history, and requests as a client writes them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixture::Fixture;
use crate::harness::{DEADLINE, Finished, Running, imax, project};

/// `imax serve` on a free port.
pub struct Served {
    running: Option<Running>,
    pub address: String,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// The files of ten nights that the reports' golden files have.
pub fn ten_nights() -> PathBuf {
    project().join("tests/golden/report/history/history")
}

/// Publishes a run of the branch main to history.db.
pub fn publish(fixture: &Fixture, folder: &str, date: &str, more: &[&str]) {
    let usual = [
        "publish",
        folder,
        "--to",
        "history.db",
        "--commit",
        "abc",
        "--branch",
        "main",
        "--date",
        date,
    ];
    let published = fixture.imax(&[&usual[..], more].concat(), &[]);
    assert_eq!(published.code, 0, "{}", published.stderr);
}

/// A SQLite file with the ten nights.
pub fn sqlite(fixture: &Fixture) -> String {
    let nights = ten_nights();
    let imported = fixture.imax(&["import", nights.to_str().unwrap(), "--to", "history.db"], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    fixture.path("history.db").to_str().unwrap().to_owned()
}

impl Served {
    pub fn start(history: &str, arguments: &[&str]) -> Self {
        let mut command = imax();
        command.args(["serve", "--history", history, "--listen", "127.0.0.1:0", "--rate-limit", "0"]);
        Self::of(command.args(arguments))
    }

    pub fn of(command: &mut std::process::Command) -> Self {
        let mut running = Running::start(command);
        let line = running.await_line("listening on http://");
        let address = line
            .trim_start_matches("listening on http://")
            .split(',')
            .next()
            .unwrap()
            .to_owned();
        Self {
            running: Some(running),
            address,
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// The JSON of a path that must be answered.
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send_to(&self.address, method, path, headers, body)
    }

    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    pub fn raw(&self, bytes: &[u8]) -> Answer {
        raw_to(&self.address, bytes)
    }

    pub fn signal(&self, signal: Signal) {
        self.running.as_ref().unwrap().signal(signal);
    }

    pub fn finish(mut self) -> Finished {
        self.running.take().unwrap().finish()
    }
}

/// A request to an address.
pub fn send_to(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    raw_to(address, &[head.as_bytes(), b"\r\n", body].concat())
}

/// The answer to bytes. A server that refuses them may close the connection before it has read them all.
fn raw_to(address: &str, bytes: &[u8]) -> Answer {
    // Status 0 says that there was no answer, as of a server that was killed.
    let Ok(mut socket) = TcpStream::connect(address) else {
        return Answer::of(&[]);
    };
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    Answer::of(&answer)
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::SIGKILL);
        }
    }
}

impl Answer {
    pub fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Self {
            status,
            head,
            body: if is_chunked { unchunked(&body) } else { body },
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|window| window == b"\r\n").expect("a chunk has a length");
        let length = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend(&body[line + 2..line + 2 + length]);
        body = &body[line + 4 + length..];
    }
}
