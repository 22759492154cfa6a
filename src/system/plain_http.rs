//! One HTTP/1.1 exchange with an engine, with or without TLS: what health checks need. It
//! looks up from the socket often, so the caller can give up at once when the engine dies or a signal comes.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use crate::system::tls::{TlsClient, TlsError};

/// Longest time between two looks at whether to go on.
const SLICE: Duration = Duration::from_millis(50);
/// Longest answer that is read, bytes: a list of models or one token is far shorter.
const LONGEST: usize = 4 << 20;
/// Header lines that are parsed.
const HEADERS: usize = 64;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The caller gave up.
    #[error("given up")]
    GivenUp,
    /// The time was over.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    /// The socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// Encryption cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The answer is not HTTP.
    #[error("the answer is not HTTP/1.1: {0}")]
    Malformed(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// What to ask.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Path, from its slash.
    pub path: &'a str,
    /// A JSON body makes it a POST.
    pub json: Option<&'a str>,
    /// Further headers; their values may be secret.
    pub headers: &'a [(&'a str, String)],
    /// Makes the connection an encrypted one.
    pub tls: Option<&'a TlsClient>,
}

/// A connection, encrypted or not.
enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

/// Asks and waits for the whole answer, at most `limit` long.
///
/// # Errors
/// See [`HttpError`].
pub fn ask(question: Question<'_>, limit: Duration, go_on: &mut dyn FnMut() -> bool) -> Result<Answer, HttpError> {
    let until = Instant::now() + limit;
    let Question {
        host,
        port,
        path,
        json,
        headers,
        tls,
    } = question;
    let stream = connect(host, port, limit)?;
    stream.set_read_timeout(Some(SLICE))?;
    stream.set_write_timeout(Some(limit))?;
    let mut stream = match tls {
        None => Stream::Plain(stream),
        Some(tls) => secure(tls, host, stream, limit, until, go_on)?,
    };
    let method = if json.is_some() { "POST" } else { "GET" };
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\naccept: application/json\r\n");
    if let Some(json) = json {
        request.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", json.len()));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(json.unwrap_or_default());
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if !go_on() {
            return Err(HttpError::GivenUp);
        }
        if Instant::now() >= until {
            return Err(HttpError::Late(limit));
        }
        let ended = match stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(count) => {
                received.extend(buffer.iter().take(count));
                false
            }
            Err(error) if is_pause(&error) => continue,
            // A server that closes without TLS's farewell has still said what it had to say.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
            Err(error) => return Err(error.into()),
        };
        if let Some(answer) = parse(&received, ended)? {
            return Ok(answer);
        }
        if ended {
            return Err(HttpError::Malformed("the connection was closed in the middle of it".to_owned()));
        }
        if received.len() > LONGEST {
            return Err(HttpError::Malformed(format!("longer than {LONGEST} bytes")));
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// Encrypts a connection; the handshake is over when this returns.
fn secure(
    tls: &TlsClient,
    host: &str,
    mut socket: TcpStream,
    limit: Duration,
    until: Instant,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Stream, HttpError> {
    let mut session = tls.connect(host)?;
    while session.is_handshaking() {
        if !go_on() {
            return Err(HttpError::GivenUp);
        }
        if Instant::now() >= until {
            return Err(HttpError::Late(limit));
        }
        match session.complete_io(&mut socket) {
            Ok(_) => {}
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Stream::Secure(Box::new(StreamOwned::new(session, socket))))
}

fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, HttpError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit.min(Duration::from_secs(2)).max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

/// The answer, if all of it is there.
fn parse(received: &[u8], ended: bool) -> Result<Option<Answer>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let malformed = |error: httparse::Error| HttpError::Malformed(error.to_string());
    let httparse::Status::Complete(start) = response.parse(received).map_err(malformed)? else {
        return Ok(None);
    };
    let status = response.code.unwrap_or(0);
    let body = received.get(start..).unwrap_or_default();
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Ok(unchunk(body)?.map(|body| Answer { status, body }));
    }
    let whole = match header("content-length").and_then(|value| value.parse::<usize>().ok()) {
        Some(length) => body.get(..length).map(<[u8]>::to_vec),
        None => ended.then(|| body.to_vec()),
    };
    Ok(whole.map(|body| Answer { status, body }))
}

fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, HttpError> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest).map_err(|_| HttpError::Malformed("a chunk has no size".to_owned()))?;
        let httparse::Status::Complete((start, length)) = size else {
            return Ok(None);
        };
        if length == 0 {
            return Ok(Some(body));
        }
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        let Some(chunk) = end.and_then(|end| rest.get(start..end)) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        // Behind each chunk stands a line break of two bytes.
        let Some(next) = end.and_then(|end| rest.get(end + 2..)) else {
            return Ok(None);
        };
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn served(answer: &'static [u8]) -> Result<Answer, HttpError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            for byte in answer.chunks(7) {
                stream.write_all(byte).unwrap();
            }
        });
        let question = Question {
            host: "127.0.0.1",
            port,
            path: "/x",
            json: None,
            headers: &[],
            tls: None,
        };
        let answer = ask(question, Duration::from_secs(10), &mut || true);
        server.join().unwrap();
        answer
    }

    #[test]
    fn reads_bodies_of_every_framing() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
        ] {
            assert_eq!(
                served(answer).unwrap(),
                Answer {
                    status: 200,
                    body: b"hello".to_vec()
                }
            );
        }
    }

    #[test]
    fn half_an_answer_is_an_error() {
        let error = served(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").unwrap_err();
        assert!(matches!(error, HttpError::Malformed(_)), "{error}");
        assert!(served(b"SSH-2.0-x\r\n").is_err());
    }

    #[test]
    fn gives_up_when_told_and_when_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let question = Question {
            host: "127.0.0.1",
            port: listener.local_addr().unwrap().port(),
            path: "/",
            json: Some("{}"),
            headers: &[],
            tls: None,
        };
        assert!(matches!(
            ask(question, Duration::from_secs(60), &mut || false),
            Err(HttpError::GivenUp)
        ));
        assert!(matches!(
            ask(question, Duration::from_millis(120), &mut || true),
            Err(HttpError::Late(_))
        ));
    }
}
