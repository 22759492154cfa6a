//! One client's connection: bytes in, requests out; responses in, bytes out. Requests are taken one at a time; bytes of the
//! next one wait until the present one is answered. The arrival time of a request is when the kernel received its last byte, however
//! late it is read, so that time spent on reading other requests does not count as engine time.

use std::io::{self, IoSliceMut, Write as _};
use std::os::fd::AsRawFd as _;

use mio::net::{TcpListener, TcpStream};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// A request as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub method: String,
    /// The path, without query.
    pub path: String,
    /// The client's `X-Request-Id`.
    pub request_id: Option<String>,
    pub body: Vec<u8>,
    /// Whether the client asks to close the connection after the response.
    pub close: bool,
    /// When the kernel received the last bytes read, nanoseconds since the Unix epoch; `None` if it does not report that.
    pub arrived: Option<u64>,
}

/// Buffer for one read, shared by all connections.
#[derive(Debug)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    control: Vec<u8>,
}

impl Default for ReadBuffer {
    fn default() -> Self {
        Self {
            bytes: vec![0; READ_PIECE],
            control: nix::cmsg_space!(TimeSpec),
        }
    }
}

/// Enables kernel receive time stamps on every connection that the listener will accept. Not every system has them.
pub fn enable_time_stamps(listener: &TcpListener) {
    let _ = setsockopt(listener, sockopt::ReceiveTimestampns, &true);
}

/// Why bytes cannot be parsed as a request. The connection is answered with the status and closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARequest {
    pub status: u16,
    pub message: &'static str,
}

const BODY_LIMIT: usize = 64 << 20;
const HEAD_LIMIT: usize = 64 << 10;
const READ_PIECE: usize = 64 << 10;

#[derive(Debug)]
pub struct Generating {
    pub id: u64,
    /// Generates its bytes.
    pub answer: super::completion::Completion,
    /// Tokens that have been sent.
    pub sent: u32,
    /// The client's `X-Request-Id`, or a number.
    pub request_id: String,
    /// When its last byte arrived, nanoseconds since the Unix epoch.
    pub received: u64,
    pub fault: Option<super::faults::Fault>,
}

#[derive(Debug)]
pub struct Connection {
    pub socket: TcpStream,
    input: Vec<u8>,
    arrived: Option<u64>,
    output: Vec<u8>,
    /// The response in progress, if any.
    pub generating: Option<Generating>,
    /// Close after everything is written.
    pub close: bool,
}

impl Connection {
    #[must_use]
    pub fn new(socket: TcpStream) -> Self {
        // Nagle's algorithm would hold tokens back until earlier ones are acknowledged.
        let _ = socket.set_nodelay(true);
        // The pacing timers of congestion controls such as BBR cost more than the sending itself.
        let _ = socket2::SockRef::from(&socket).set_tcp_congestion(b"reno");
        Self {
            socket,
            input: Vec::new(),
            arrived: None,
            output: Vec::new(),
            generating: None,
            close: false,
        }
    }

    /// Reads what is available. `Ok(false)` means that the client closed the connection.
    ///
    /// # Errors
    /// If the connection broke.
    pub fn read(&mut self, buffer: &mut ReadBuffer) -> io::Result<bool> {
        loop {
            match receive(&self.socket, buffer) {
                Ok((0, _)) => return Ok(false),
                Ok((count, arrived)) => {
                    self.input.extend_from_slice(&buffer.bytes[..count]);
                    self.arrived = arrived;
                    // A short read means that the socket is drained.
                    if count < buffer.bytes.len() {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next complete request out of what was read.
    ///
    /// # Errors
    /// [`NotARequest`] for bytes that cannot become a request.
    pub fn next_request(&mut self) -> Result<Option<Received>, NotARequest> {
        match parse(&self.input)? {
            None => Ok(None),
            Some((mut request, used)) => {
                request.arrived = self.arrived;
                self.input.drain(..used);
                if self.input.is_empty() {
                    // Do not keep the memory of a long prompt for the life of the connection.
                    self.input.shrink_to(READ_PIECE);
                }
                Ok(Some(request))
            }
        }
    }

    /// Sends bytes: now as far as the kernel accepts them, the rest when the socket is writable again.
    ///
    /// # Errors
    /// If the connection broke.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.output.is_empty() {
            let written = write_some(&mut self.socket, bytes)?;
            self.output.extend_from_slice(&bytes[written..]);
            Ok(())
        } else {
            self.output.extend_from_slice(bytes);
            self.flush()
        }
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// If the connection broke.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = write_some(&mut self.socket, &self.output)?;
        self.output.drain(..written);
        Ok(())
    }

    /// Makes closing the connection a TCP reset (`SO_LINGER` 0): data in flight is lost, and the client sees an error.
    pub fn reset_on_close(&self) {
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Whether the client asked to close the connection and its response was handed to the kernel. While a response is generated
    /// there may be nothing to write for a time.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.close && self.generating.is_none() && self.output.is_empty()
    }
}

fn receive(socket: &TcpStream, buffer: &mut ReadBuffer) -> io::Result<(usize, Option<u64>)> {
    let mut parts = [IoSliceMut::new(&mut buffer.bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut buffer.control), MsgFlags::empty())?;
    let arrived = message.cmsgs()?.find_map(|control| {
        if let ControlMessageOwned::ScmTimestampns(time) = control {
            unix_nanos(time)
        } else {
            None
        }
    });
    Ok((message.bytes, arrived))
}

/// The kernel reports zero for bytes without a time stamp.
fn unix_nanos(time: TimeSpec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec()).ok().filter(|seconds| *seconds > 0)?;
    Some(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).ok()?)
}

fn write_some(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match socket.write(&bytes[written..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// A request at the start of the bytes, with its length; `None` if it is incomplete.
fn parse(bytes: &[u8]) -> Result<Option<(Received, usize)>, NotARequest> {
    let mut headers = [httparse::EMPTY_HEADER; 96];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() <= HEAD_LIMIT => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(NotARequest::new(400, "the request head is too long")),
        Err(_) => return Err(NotARequest::new(400, "not an HTTP/1.1 request")),
    };
    if header(request.headers, "transfer-encoding").is_some() {
        return Err(NotARequest::new(
            400,
            "chunked request bodies are not supported, send content-length",
        ));
    }
    let length: usize = match header(request.headers, "content-length").map(str::parse) {
        None => 0,
        Some(Ok(length)) if length <= BODY_LIMIT => length,
        Some(_) => return Err(NotARequest::new(413, "the content-length is not a number up to 64 MiB")),
    };
    if bytes.len() < head + length {
        return Ok(None);
    }
    let close =
        header(request.headers, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) || request.version == Some(0);
    let path = request.path.unwrap_or("/");
    let received = Received {
        method: request.method.unwrap_or("").to_owned(),
        path: path.split('?').next().unwrap_or(path).to_owned(),
        request_id: header(request.headers, "x-request-id").map(str::to_owned),
        body: bytes[head..head + length].to_vec(),
        close,
        arrived: None,
    };
    Ok(Some((received, head + length)))
}

impl NotARequest {
    const fn new(status: u16, message: &'static str) -> Self {
        Self { status, message }
    }
}

fn header<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_taken_when_complete() {
        let bytes = b"POST /v1/completions?x=1 HTTP/1.1\r\nX-Request-ID: r1\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\n";
        let whole = bytes.len() - "GET / HTTP/1.1\r\n".len();
        for cut in 0..whole {
            assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut}");
        }
        let (request, used) = parse(bytes).unwrap().unwrap();
        assert_eq!(used, whole);
        assert_eq!(
            (request.path.as_str(), request.body.as_slice()),
            ("/v1/completions", b"body".as_slice())
        );
        assert_eq!(request.request_id.as_deref(), Some("r1"));
    }

    #[test]
    fn invalid_requests_are_refused() {
        for (bytes, status) in [
            ("hello\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        ] {
            assert_eq!(parse(bytes.as_bytes()).unwrap_err().status, status, "{bytes}");
        }
    }
}
