//! HTTP without a client or server that would correct what a test is about: requests as text, and a server of a closure.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::DEADLINE;

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
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
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

/// What a server sends back.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

impl HttpResponse {
    pub fn json(body: String) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            body,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Self {
            status,
            content_type,
            body,
        } = self;
        let length = body.len();
        format!("HTTP/1.1 {status} Test\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
    }
}

/// A server on a free port, which ends with the process. It keeps connections open, a thread each.
pub struct HttpServer {
    /// `http://host:port`.
    pub url: String,
    requests: Arc<AtomicUsize>,
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
        let requests = Arc::new(AtomicUsize::new(0));
        let (counter, respond) = (Arc::clone(&requests), Arc::new(respond));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, counter, respond) = (stream.unwrap(), Arc::clone(&counter), Arc::clone(&respond));
                std::thread::spawn(move || serve(stream, &counter, &*respond));
            }
        });
        Self { url, requests }
    }

    /// Requests that it has received.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, counter: &AtomicUsize, respond: &impl Fn(usize, &HttpRequest) -> Option<Vec<u8>>) {
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut unread) {
        let number = counter.fetch_add(1, Ordering::SeqCst);
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
