//! TLS on a socket of the load driver. Bytes are read as without TLS, with the kernel's time stamp, and decrypted here. A TLS record
//! can be decrypted when its last byte has arrived, so the arrival of that byte is the arrival of the record.

use std::io::{self, Read as _, Write as _};

use rustls::ClientConnection;

use super::socket::Socket;

/// The TLS session of one connection.
#[derive(Debug)]
pub struct Secure(Box<ClientConnection>);

impl Secure {
    /// A session that starts with a handshake.
    #[must_use]
    pub fn new(mut session: ClientConnection) -> Self {
        // A request is passed as a whole, however much of it the socket accepts at once.
        session.set_buffer_limit(None);
        Self(Box::new(session))
    }

    /// Whether the handshake is in progress.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Encrypts bytes and queues them for [`Self::flush`].
    ///
    /// # Errors
    /// If the session is over.
    pub fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.writer().write_all(bytes)
    }

    /// Writes queued TLS records until the socket would block. Returns whether all of them were written.
    ///
    /// # Errors
    /// If the connection broke.
    pub fn flush(&mut self, socket: &mut Socket) -> io::Result<bool> {
        while self.0.wants_write() {
            match self.0.write_tls(socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Decrypts bytes from the network and passes the plain text to `on_plain`, which returns whether to go on. Returns whether the
    /// server has closed the TLS session (`close_notify`).
    ///
    /// # Errors
    /// What is wrong with the bytes or the server's certificate, as [`rustls::Error`] inside.
    pub fn decrypt(&mut self, mut bytes: &[u8], plain: &mut [u8], mut on_plain: impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
        while !bytes.is_empty() {
            self.0.read_tls(&mut bytes)?;
            self.0.process_new_packets().map_err(io::Error::other)?;
            loop {
                match self.0.reader().read(plain) {
                    Ok(0) => return Ok(true),
                    Ok(count) if on_plain(&plain[..count]) => {}
                    Ok(_) => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(false)
    }
}

/// Whether an error is one of TLS, not of the network.
#[must_use]
pub fn is_tls_error(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}
