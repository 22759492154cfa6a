//! One client's connection: bytes in, requests out; answers in, bytes out. Requests are taken one at a time; bytes of a
//! next one wait until the present one is answered. A request arrives when the kernel has its last byte, however late it is
//! read: a client is not to be told that the engine was slow when it was only busy reading other requests.

use std::io::{self, IoSliceMut, Write as _};
use std::os::fd::AsRawFd as _;

use mio::net::{TcpListener, TcpStream};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub method: String,
    /// Its path, without a query.
    pub path: String,
    /// The client's `X-Request-Id`.
    pub request_id: Option<String>,
    pub body: Vec<u8>,
    /// Whether the client wants the connection closed behind the answer.
    pub close: bool,
    /// When the kernel had the last bytes that were read, nanoseconds since the Unix epoch; `None` where it does not say.
    pub arrived: Option<u64>,
}

/// Room for what is read at once, shared by all connections.
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

/// Asks the kernel for the instant of arrival on every connection that the listener will accept. Not every system has it.
pub fn enable_time_stamps(listener: &TcpListener) {
    let _ = setsockopt(listener, sockopt::ReceiveTimestampns, &true);
}

/// Why bytes are no request; the connection is answered with the status and closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARequest {
    pub status: u16,
    /// What is wrong.
    pub message: &'static str,
}

const BODY_LIMIT: usize = 64 << 20;
const HEAD_LIMIT: usize = 64 << 10;
const READ_PIECE: usize = 64 << 10;

/// The generating answer of a connection.
#[derive(Debug)]
pub struct Generating {
    /// Its id in the timetable.
    pub id: u64,
    /// What makes its bytes.
    pub answer: super::completion::Completion,
    /// Tokens that have been sent.
    pub sent: u32,
    /// The client's name for the request.
    pub request_id: String,
    /// Arrival of its last byte, nanoseconds since the Unix epoch.
    pub received: u64,
    /// What goes wrong with it on purpose.
    pub fault: Option<super::faults::Fault>,
}

/// A connection's state.
#[derive(Debug)]
pub struct Connection {
    pub socket: TcpStream,
    input: Vec<u8>,
    arrived: Option<u64>,
    output: Vec<u8>,
    /// What it is being answered, if anything.
    pub generating: Option<Generating>,
    /// Close once everything is written.
    pub close: bool,
}

impl Connection {
    /// A new client.
    #[must_use]
    pub fn new(socket: TcpStream) -> Self {
        // Tokens must not wait for earlier ones to be acknowledged.
        let _ = socket.set_nodelay(true);
        // Nor for the pacing of a congestion control such as BBR, whose timers cost more than the sending itself.
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

    /// Reads what is there. `Ok(false)` says that the client has gone.
    ///
    /// # Errors
    /// Where the connection broke.
    pub fn read(&mut self, buffer: &mut ReadBuffer) -> io::Result<bool> {
        loop {
            match receive(&self.socket, buffer) {
                Ok((0, _)) => return Ok(false),
                Ok((count, arrived)) => {
                    self.input.extend_from_slice(&buffer.bytes[..count]);
                    self.arrived = arrived;
                    // Less than there is room for is all there was.
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

    /// Takes the next whole request out of what was read.
    ///
    /// # Errors
    /// [`NotARequest`] where the bytes cannot become one.
    pub fn next_request(&mut self) -> Result<Option<Received>, NotARequest> {
        match parse(&self.input)? {
            None => Ok(None),
            Some((mut request, used)) => {
                request.arrived = self.arrived;
                self.input.drain(..used);
                if self.input.is_empty() {
                    // A long prompt's room is not kept for as long as the connection lives.
                    self.input.shrink_to(READ_PIECE);
                }
                Ok(Some(request))
            }
        }
    }

    /// Sends bytes, now as far as the kernel takes them, the rest when it takes more.
    ///
    /// # Errors
    /// Where the connection broke.
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

    /// Writes what is left over.
    ///
    /// # Errors
    /// Where the connection broke.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = write_some(&mut self.socket, &self.output)?;
        self.output.drain(..written);
        Ok(())
    }

    /// Makes the end of the connection a reset: what is under way is lost, and the client is told so.
    pub fn reset_on_close(&self) {
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Whether everything is with the kernel.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty()
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

/// The kernel gives zero for bytes of which it has no instant.
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

/// A request at the start of the bytes, with its length; `None` where more must come.
fn parse(bytes: &[u8]) -> Result<Option<(Received, usize)>, NotARequest> {
    let refuse = |status, message| NotARequest { status, message };
    let mut headers = [httparse::EMPTY_HEADER; 96];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() <= HEAD_LIMIT => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(refuse(400, "the request's head is too long")),
        Err(_) => return Err(refuse(400, "this is not HTTP/1.1")),
    };
    let header = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    if header("transfer-encoding").is_some() {
        return Err(refuse(400, "a request body in chunks is not supported, send content-length"));
    }
    let length: usize = match header("content-length").map(str::parse) {
        None => 0,
        Some(Ok(length)) if length <= BODY_LIMIT => length,
        Some(_) => return Err(refuse(413, "the content-length is not a number up to 64 MiB")),
    };
    if bytes.len() < head + length {
        return Ok(None);
    }
    let close = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) || request.version == Some(0);
    let path = request.path.unwrap_or("/");
    let received = Received {
        method: request.method.unwrap_or("").to_owned(),
        path: path.split('?').next().unwrap_or(path).to_owned(),
        request_id: header("x-request-id").map(str::to_owned),
        body: bytes[head..head + length].to_vec(),
        close,
        arrived: None,
    };
    Ok(Some((received, head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_when_it_is_whole() {
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
    fn refuses_what_it_cannot_read() {
        for (bytes, status) in [
            ("hello\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        ] {
            assert_eq!(parse(bytes.as_bytes()).unwrap_err().status, status, "{bytes}");
        }
    }
}
