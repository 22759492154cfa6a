//! HTTP without a client or server that would correct what a test is about: requests as text, and a server of a closure. The
//! library's own tests include this file too.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each user has need of a part; a test that cannot go on should panic"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const RESPONSE_DEADLINE: Duration = Duration::from_secs(300);

/// The whole response to a GET, status line and headers included.
pub fn get(address: &str, path: &str) -> String {
    send(address, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"))
}

/// The whole response to a POST.
pub fn post(address: &str, path: &str, body: &str) -> String {
    let length = body.len();
    send(
        address,
        &format!("POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"),
    )
}

fn send(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(RESPONSE_DEADLINE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    response
}

/// A request that a server received.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Method, path and version.
    pub line: String,
    /// The whole head.
    pub head: String,
    pub body: Vec<u8>,
}

impl HttpRequest {
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// Without the query.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// The decoded value of a parameter of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target().split_once('?')?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// What a server sends back.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// A response without a body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A document with status 200.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass documents that they make on the spot")]
    pub fn json(body: impl ToString) -> Self {
        Self::new(200).body("application/json", body.to_string())
    }

    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { body, ..self }.header("content-type", content_type)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Test\r\n", self.status);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        // RFC 9110, section 8.6: these have no body, and no length of one.
        if !matches!(self.status, 204 | 304) {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// A server on a free port, which ends with the process. It keeps connections open, a thread each.
pub struct HttpServer {
    /// `http://host:port`.
    pub url: String,
    received: Arc<Mutex<Vec<HttpRequest>>>,
}

impl HttpServer {
    /// A server whose responses come from `respond`, which is told the number of the request, from 0. Without a response the
    /// connection stays open and silent.
    pub fn start(respond: impl Fn(usize, &HttpRequest) -> Option<HttpResponse> + Send + Sync + 'static) -> Self {
        Self::start_raw(move |number, request| respond(number, request).map(|response| response.to_bytes()))
    }

    /// The same with responses as bytes, head and body.
    pub fn start_raw(respond: impl Fn(usize, &HttpRequest) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, respond) = (Arc::clone(&received), Arc::new(respond));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log, respond) = (stream.unwrap(), Arc::clone(&log), Arc::clone(&respond));
                std::thread::spawn(move || serve(stream, &log, &*respond));
            }
        });
        Self { url, received }
    }

    /// How many requests it has received.
    pub fn requests(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// The requests that it has received, in their order.
    pub fn received(&self) -> Vec<HttpRequest> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<HttpRequest>>, respond: &impl Fn(usize, &HttpRequest) -> Option<Vec<u8>>) {
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut unread) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let Some(response) = respond(number, &request) else {
            // Until the client gives up.
            let _ = read_request(&mut stream, &mut unread);
            return;
        };
        if stream.write_all(&response).is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<HttpRequest> {
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some(request) = take_request(unread) {
            return Some(request);
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        unread.extend_from_slice(&buffer[..count]);
    }
}

/// Takes the first whole request.
fn take_request(unread: &mut Vec<u8>) -> Option<HttpRequest> {
    let head_end = unread.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&unread[..head_end]).into_owned();
    let length = head
        .to_ascii_lowercase()
        .split("content-length:")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok())
        .unwrap_or(0);
    let end = head_end + 4 + length;
    if unread.len() < end {
        return None;
    }
    let body = unread[head_end + 4..end].to_vec();
    unread.drain(..end);
    let line = head.split("\r\n").next().unwrap_or_default().to_owned();
    Some(HttpRequest { line, head, body })
}
