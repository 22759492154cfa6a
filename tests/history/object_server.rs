//! A real S3 server (SeaweedFS) of its own, in a temporary folder, on free ports of this machine, with keys. What its S3 does not do for a
//! test (make a bucket, damage an object) goes through its file API.

use std::cell::RefCell;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::engines::Home;
use crate::fixture::Fixture;
use crate::harness::{clean_command, wait_until};

/// The keys of somebody who may write, and of somebody who may only read.
pub const WRITER: &str = "imaxwriter";
pub const READER: &str = "imaxreader";
const SECRET: &str = "imaxsecret";

pub struct ObjectServer {
    child: RefCell<Child>,
    folder: tempfile::TempDir,
    ports: [u16; 8],
    more: Vec<String>,
    s3: u16,
    files: u16,
}

/// The path that a variable names, which `tests/history/fetch_s3.sh` made.
pub fn required(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set; tests/history/fetch_s3.sh says what it names"));
    PathBuf::from(path)
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

impl ObjectServer {
    /// A server with room.
    pub fn start() -> Self {
        // Each bucket takes volumes of its own.
        Self::start_with(&["-volume.max=2000"])
    }

    /// A server whose only volume is taken, so that other buckets have no room for an object.
    pub fn start_full() -> Self {
        let server = Self::start_with(&["-volume.max=1"]);
        server.file_request("POST", "/buckets/filler/", b"");
        server.file_request("PUT", "/buckets/filler/object", b"filler");
        server
    }

    fn start_with(more: &[&str]) -> Self {
        // Another process may take a port before the server does; it ends then.
        for _ in 0..5 {
            let server = Self::spawn(more);
            wait_until("the S3 server answers or ends", || server.has_ended() || server.is_ready());
            if !server.has_ended() {
                return server;
            }
        }
        panic!("the S3 server does not start");
    }

    fn spawn(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = |name: &str, actions: &[&str]| serde_json::json!({ "name": name, "credentials": [{ "accessKey": name, "secretKey": SECRET }], "actions": actions });
        let identities = [
            identity(WRITER, &["Admin", "Read", "Write", "List"]),
            identity(READER, &["Read", "List"]),
        ];
        let config = folder.path().join("s3.json");
        fs::write(&config, serde_json::json!({ "identities": identities }).to_string()).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let ports: [u16; 8] = free_ports();
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        Self {
            child: RefCell::new(Self::command(folder.path(), &ports, &more).spawn().unwrap()),
            folder,
            s3: ports[3],
            files: ports[2],
            ports,
            more,
        }
    }

    /// Kills the server, whatever it is doing.
    pub fn kill(&self) {
        let mut child = self.child.borrow_mut();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts the server again with what it had stored.
    pub fn start_again(&self) {
        wait_until("the S3 server answers again", || {
            if self.has_ended() {
                *self.child.borrow_mut() = Self::command(self.folder.path(), &self.ports, &self.more).spawn().unwrap();
            }
            self.is_ready()
        });
    }

    fn command(folder: &Path, ports: &[u16; 8], more: &[String]) -> Command {
        let names = ["master", "volume", "filer", "s3"];
        let mut command = clean_command(required("IMAX_TEST_S3_SERVER"));
        command
            .current_dir(folder)
            .args([
                "server",
                "-dir=data",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
                "-s3.config=s3.json",
            ])
            .args([
                "-master.telemetry=false",
                "-master.volumeSizeLimitMB=64",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ])
            .args(names.iter().zip(ports).map(|(name, port)| format!("-{name}.port={port}")))
            .args(
                names
                    .iter()
                    .zip(&ports[4..])
                    .map(|(name, port)| format!("-{name}.port.grpc={port}")),
            )
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn has_ended(&self) -> bool {
        self.child.borrow_mut().try_wait().unwrap().is_some()
    }

    fn is_ready(&self) -> bool {
        try_request(self.s3, "GET", "/healthz", b"").is_some_and(|(status, _)| status == 200)
            && try_request(self.files, "GET", "/", b"").is_some_and(|(status, _)| status == 200)
    }

    pub fn environment(&self, key: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.s3)),
            ("AWS_ACCESS_KEY_ID", key.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    /// An empty bucket as the home of a history.
    pub fn bucket<'a>(&self, name: &str, fixture: &'a Fixture) -> Home<'a> {
        let name: String = name.replace('_', "-").chars().take(60).collect();
        self.file_request("POST", &format!("/buckets/{name}/"), b"");
        Home {
            fixture,
            address: format!("s3://{name}/bench"),
            environment: self.environment(WRITER),
        }
    }

    /// The paths of all objects of a home, from its prefix.
    pub fn objects(&self, home: &Home) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = format!("{}{folder}/?limit=1000", self.path(home, ""));
            let (status, body) = request(self.files, "GET", &path, b"");
            if status == 404 {
                continue;
            }
            let listing: serde_json::Value = serde_json::from_slice(&body).unwrap();
            for entry in listing["Entries"].as_array().into_iter().flatten() {
                let name = entry["FullPath"].as_str().unwrap().rsplit('/').next().unwrap();
                // The mode of a folder has Go's bit for folders.
                if entry["Mode"].as_u64().unwrap() & (1 << 31) != 0 {
                    folders.push(format!("{folder}/{name}"));
                } else {
                    found.push(format!("{folder}/{name}").trim_start_matches('/').to_owned());
                }
            }
        }
        found.sort();
        found
    }

    pub fn read(&self, home: &Home, object: &str) -> Vec<u8> {
        self.file_request("GET", &self.path(home, object), b"")
    }

    pub fn write(&self, home: &Home, object: &str, bytes: &[u8]) {
        self.file_request("PUT", &self.path(home, object), bytes);
    }

    pub fn remove(&self, home: &Home, object: &str) {
        self.file_request("DELETE", &self.path(home, object), b"");
    }

    fn path(&self, home: &Home, object: &str) -> String {
        let place = home.address.strip_prefix("s3://").unwrap();
        let separator = if object.is_empty() { "" } else { "/" };
        format!("/buckets/{place}{separator}{object}")
    }

    fn file_request(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let (status, answer) = request(self.files, method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {}",
            String::from_utf8_lossy(&answer)
        );
        answer
    }
}

fn request(port: u16, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    try_request(port, method, path, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
}

/// One request of HTTP/1.0, whose answer ends with the connection.
fn try_request(port: u16, method: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    // A folder is made by a request without a type.
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/octet-stream\r\n"
    };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n{kind}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
    Some((status, answer.split_off(end + 4)))
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        let mut child = self.child.borrow_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}
