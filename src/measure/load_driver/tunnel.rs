//! A tunnel through an HTTP proxy to a server with TLS (`CONNECT`, RFC 9110, section 9.3.6).

use std::io::{self, Write as _};

use super::connection::ReadState;
use super::receive;
use super::socket::Socket;
use crate::load::http::ResponseReader;
use crate::model::Proxy;

/// The request for a tunnel to `authority`, `host:port`.
#[must_use]
pub fn request(proxy: &Proxy, authority: &str) -> Vec<u8> {
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization.expose());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.into_bytes()
}

/// A tunnel that is being opened.
#[derive(Debug)]
pub struct Tunnel {
    unsent: Vec<u8>,
    answer: ResponseReader,
}

impl Tunnel {
    /// A tunnel that this request opens.
    #[must_use]
    pub fn new(request: &[u8]) -> Self {
        Self {
            unsent: request.to_vec(),
            answer: ResponseReader::default(),
        }
    }

    /// Sends and reads what can be sent and read. Returns whether the tunnel is open.
    ///
    /// # Errors
    /// The system error, or what the proxy answered.
    pub fn advance(&mut self, socket: &mut Socket, state: &mut ReadState) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match socket.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            let received = match receive::receive(socket, &mut state.buffer, &mut state.control) {
                Ok(received) if received.bytes == 0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the proxy closed the connection instead of opening a tunnel",
                    ));
                }
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // No bytes after the response header are lost: the server sends none before the client starts the TLS handshake.
            let fed = self.answer.feed(&state.buffer[..received.bytes], |_, _| {});
            fed.map_err(|error| io::Error::other(format!("answer of the proxy: {error}")))?;
            match self.answer.head().map(|head| head.status) {
                None => {}
                Some(200..300) => return Ok(true),
                Some(status) => {
                    return Err(io::Error::other(format!("the proxy refused the tunnel with status {status}")));
                }
            }
        }
    }
}
